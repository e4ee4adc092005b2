"""SteamVR trackers through Virtual Motion Tracker (VMT), a driver that listens to OSC."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs.osc.messages import OscMessage, OscPeer, unity_positions, unity_rotations
from same_runtime.outputs.osc.vrchat import TRACKERS, joints_of
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rotations import SkeletonSolver

PORT: Final = 39570
"""Where the driver listens."""

_ADDRESS: Final = "/VMT/Room/Unity"
"""Poses in the room's space (SteamVR's standing universe), in Unity's axes."""
_TRACKER, _GONE = 1, 0


class VmtOutput(Output):
    """Sends ``/VMT/Room/Unity`` for each tracker, one bundle a pose: SteamVR shows them as devices.

    ``trackers``: of ``TRACKERS``; they are VMT's devices 0, 1, ... in this order. INVALID poses are
    not sent; closing takes the trackers away. ``solver``: shared by outputs that are given the
    same poses. Raises ``InvalidInputError`` for other trackers, an unknown host or without
    python-osc.
    """

    def __init__(
        self,
        host: str,
        port: int = PORT,
        trackers: Sequence[str] = tuple(TRACKERS),
        solver: SkeletonSolver | None = None,
    ) -> None:
        super().__init__(f"vmt://{host}:{port}")
        self._solver = solver or SkeletonSolver()
        joints = joints_of(trackers)
        self._joints = [JOINT_NAMES.index(joint) for joint in joints]
        self._poses, gone = (
            [OscMessage(_ADDRESS, 8, index, enable) for index in range(len(joints))]
            for enable in (_TRACKER, _GONE)
        )
        nowhere = np.array((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
        self._gone = [message.filled(nowhere) for message in gone]
        self._at_once = np.zeros(1)
        self._peer = OscPeer(host, port)

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if skeleton is None or pose.status is PoseStatus.INVALID:
            return False
        places = unity_positions(skeleton.joints_world[self._joints])
        turns = unity_rotations(skeleton.rotations_world[self._joints])
        self._peer.send(
            [
                message.filled(self._at_once, place, turn)
                for message, place, turn in zip(self._poses, places, turns, strict=True)
            ]
        )
        return True

    def _close(self) -> None:
        try:
            self._peer.send(self._gone)
        except OSError:
            pass  # the driver is gone itself
        finally:
            self._peer.close()
