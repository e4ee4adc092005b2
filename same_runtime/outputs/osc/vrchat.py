"""VRChat's OSC trackers: eight points on the body, and the head that aligns them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_number
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs.osc.messages import OscMessage, OscPeer, unity_positions, unity_rotations
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rotations import SkeletonSolver

PORT: Final = 9000
"""Where VRChat listens unless told otherwise."""

TRACKERS: Final = {
    "hip": ("pelvis",),
    "chest": ("spine3",),
    "feet": ("left_ankle", "right_ankle"),
    "knees": ("left_knee", "right_knee"),
    "elbows": ("left_elbow", "right_elbow"),
}
"""What can be sent -> the joints; VRChat knows eight."""


def joints_of(trackers: Sequence[str]) -> list[str]:
    """The joints that ``trackers`` follow. Raises ``InvalidInputError`` for others than those of
    ``TRACKERS``, and for none."""
    if not trackers or any(name not in TRACKERS for name in trackers):
        raise InvalidInputError(
            f"trackers: expected some of {', '.join(TRACKERS)}, got {', '.join(trackers)!r}"
        )
    return [joint for name in dict.fromkeys(trackers) for joint in TRACKERS[name]]


class VrchatOutput(Output):
    """Sends ``/tracking/trackers/1..8`` and ``head``: position and Euler angles, one bundle a pose.

    ``trackers``: of ``TRACKERS``; often ``("hip", "feet")`` looks best, the avatar's own knees and
    elbows then follow. ``scale``: the avatar's height over the user's. INVALID poses are not sent.
    Raises ``InvalidInputError`` for other trackers, an unknown host or without python-osc.
    """

    def __init__(
        self,
        host: str,
        port: int = PORT,
        trackers: Sequence[str] = tuple(TRACKERS),
        scale: float = 1.0,
        solver: SkeletonSolver | None = None,
    ) -> None:
        super().__init__(f"vrchat://{host}:{port}")
        self._scale = checked_number("scale", scale, 0.05, 20.0, "avatar heights per user's")
        self._solver = solver or SkeletonSolver()
        joints = joints_of(trackers)
        self._joints = [JOINT_NAMES.index(joint) for joint in (*joints, "head")]
        names = [*map(str, range(1, len(joints) + 1)), "head"]
        self._positions, self._rotations = (
            [OscMessage(f"/tracking/trackers/{name}/{what}", 3) for name in names]
            for what in ("position", "rotation")
        )
        self._peer = OscPeer(host, port)

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if skeleton is None or pose.status is PoseStatus.INVALID:
            return False
        places = self._scale * unity_positions(skeleton.joints_world[self._joints])
        angles = unity_euler_deg(unity_rotations(skeleton.rotations_world[self._joints]))
        self._peer.send(
            [message.filled(row) for message, row in zip(self._positions, places, strict=True)]
            + [message.filled(row) for message, row in zip(self._rotations, angles, strict=True)]
        )
        return True

    def _close(self) -> None:
        self._peer.close()


def unity_euler_deg(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) angles about x, y and z, degrees, that Unity applies in the order z, x, y, of
    rotations (n, 4) xyzw in Unity's axes."""
    x, y, z, w = rotations.T
    about_x = np.arcsin(np.clip(2.0 * (w * x - y * z), -1.0, 1.0))
    about_y = np.arctan2(2.0 * (w * y + x * z), 1.0 - 2.0 * (x * x + y * y))
    about_z = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (x * x + z * z))
    return np.rad2deg(np.stack((about_x, about_y, about_z), axis=1))
