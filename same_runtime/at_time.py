"""The pose for the time a frame is seen: carried on from the newest estimate, tied to the head."""

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_runtime._core import DeviceStates, How, floor_anchor
from same_runtime.conventions import JOINT_NAMES, NUM_JOINTS
from same_runtime.pose import Pose

_VELOCITY_FRAMES: Final = 4
_MAX_VELOCITY_AGE_NS: Final = 250_000_000
_MAX_SPEED_MPS: Final = 12.0
_JUMP_M: Final = 0.3
_JUMP_MPS: Final = 12.0


def _weights(**weights: float) -> NDArray[np.float64]:
    column = np.zeros((NUM_JOINTS, 1))
    for name, weight in weights.items():
        column[JOINT_NAMES.index(name)] = weight
    return column


_FOLLOWS_HEAD: Final = _weights(
    head=1.0, neck=1.0, left_collar=0.9, right_collar=0.9, left_shoulder=0.9, right_shoulder=0.9,
    left_elbow=0.9, right_elbow=0.9, left_wrist=0.9, right_wrist=0.9,
    spine3=0.8, spine2=0.65, spine1=0.5, pelvis=0.4, left_hip=0.4, right_hip=0.4,
    left_knee=0.2, right_knee=0.2,
)  # fmt: skip
"""Share of what the head did beyond its prediction that each joint takes on; feet stay planted."""

_FOLLOWS_HAND: Final = (
    _weights(left_wrist=1.0, left_elbow=0.5),
    _weights(right_wrist=1.0, right_elbow=0.5),
)
_HEAD: Final = JOINT_NAMES.index("head")
_WRISTS: Final = (JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist"))


TimedJoints = tuple[int, NDArray[np.float64]]
"""Time in nanoseconds and joints (22, 3) in metres, world frame."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """One network estimate and what its continuation needs; never changed once made."""

    pose: Pose
    states: DeviceStates
    """The devices at the pose's time."""
    past: tuple[TimedJoints, ...]
    """The last few estimates, oldest first, this one last."""

    @cached_property
    def velocity(self) -> NDArray[np.float64]:
        """(22, 3) m/s, world frame: a straight line through ``past``, bounded.

        Computed when first asked for: most estimates are replaced before anybody looks ahead.
        """
        if len(self.past) < 2:
            return np.zeros((NUM_JOINTS, 3))
        newest_ns = self.past[-1][0]
        times = np.array([1e-9 * (t - newest_ns) for t, _ in self.past])
        times -= times.mean()
        joints = np.stack([joints for _, joints in self.past])
        velocity = np.tensordot(times, joints, axes=1) / (times @ times)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        return np.asarray(velocity * np.minimum(1.0, _MAX_SPEED_MPS / np.maximum(speed, 1e-9)))


class RecentJoints:
    """The last few estimates, from which a velocity can be told."""

    def __init__(self) -> None:
        self._past: deque[TimedJoints] = deque(maxlen=_VELOCITY_FRAMES)

    def forget(self) -> None:
        """Start anew: what came before tells nothing about what follows."""
        self._past.clear()

    def add(self, timestamp_ns: int, joints_world: NDArray[np.float64]) -> tuple[TimedJoints, ...]:
        """Take the newest joints, (22, 3) metres; returns what is recent, oldest first."""
        while self._past and timestamp_ns - self._past[0][0] > _MAX_VELOCITY_AGE_NS:
            self._past.popleft()
        self._past.append((timestamp_ns, joints_world))
        return tuple(self._past)


def continued(
    estimate: Estimate, states: DeviceStates, horizon_s: float, max_extrapolation_s: float
) -> NDArray[np.float64]:
    """Joints (22, 3), metres, world, ``horizon_s`` after ``estimate``.

    The joints keep their velocity for at most ``max_extrapolation_s``. What the head and the
    controllers, ``states`` at the later time, did differently is then shared out along the body:
    the head and wrists end where their devices are, the feet stay. A head that has jumped takes
    the whole body along (yaw and place).
    """
    step_s = float(np.clip(horizon_s, -max_extrapolation_s, max_extrapolation_s))
    before = estimate.states
    if states.how[0] == How.MISSING:
        return estimate.pose.joints_world + step_s * estimate.velocity
    if _jumped(before.position(0), states.position(0), abs(horizon_s)):
        return _relocated(estimate.pose.joints_world, before, states)
    joints = estimate.pose.joints_world + step_s * estimate.velocity
    moved = _carried(estimate.pose.joints_world[_HEAD], before, states, 0)
    joints = joints + _FOLLOWS_HEAD * (moved - joints[_HEAD])
    for device, (wrist, follows) in enumerate(zip(_WRISTS, _FOLLOWS_HAND, strict=True), start=1):
        if How.MISSING in (before.how[device], states.how[device]) or _jumped(
            before.position(device), states.position(device), abs(horizon_s)
        ):
            continue
        moved = _carried(estimate.pose.joints_world[wrist], before, states, device)
        joints = joints + follows * (moved - joints[wrist])
    return joints


def _jumped(before: NDArray[np.float64], after: NDArray[np.float64], seconds: float) -> bool:
    return float(np.linalg.norm(after - before)) > _JUMP_M + _JUMP_MPS * seconds


def _carried(
    point: NDArray[np.float64], before: DeviceStates, after: DeviceStates, device: int
) -> NDArray[np.float64]:
    """Where a point that is fixed to a device has gone."""
    R_before = Rotation.from_quat(before.orientation_xyzw(device))
    R_after = Rotation.from_quat(after.orientation_xyzw(device))
    offset = R_before.inv().apply(point - before.position(device))
    return np.asarray(after.position(device) + R_after.apply(offset))


def _relocated(
    joints: NDArray[np.float64], before: DeviceStates, after: DeviceStates
) -> NDArray[np.float64]:
    T_before, T_after = (
        floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        for states in (before, after)
    )
    T = T_after @ np.linalg.inv(T_before)
    height = after.position(0)[1] - before.position(0)[1]
    return np.asarray(joints @ T[:3, :3].T + T[:3, 3] + (0.0, height, 0.0))
