"""The pose for the time a frame is seen: carried on from the newest estimate, tied to the head."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime._core import (
    MAX_SPEED_MPS,
    MAX_STEP_M,
    DeviceStates,
    LookupKind,
    Synchroniser,
    floor_anchor,
)
from same_runtime.conventions import JOINT_NAMES, NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, Reason

VELOCITY_FRAMES: Final = 4
_MAX_VELOCITY_AGE_S: Final = 0.25


def _weights(**weights: float) -> NDArray[np.float64]:
    column = np.zeros((NUM_JOINTS, 1))
    for name, weight in weights.items():
        column[JOINT_NAMES.index(name)] = weight
    return column


FOLLOWS_HEAD: Final = _weights(
    head=1.0,
    neck=1.0,
    left_collar=0.9,
    right_collar=0.9,
    left_shoulder=0.9,
    right_shoulder=0.9,
    left_elbow=0.9,
    right_elbow=0.9,
    left_wrist=0.9,
    right_wrist=0.9,
    spine3=0.8,
    spine2=0.65,
    spine1=0.5,
    pelvis=0.4,
    left_hip=0.4,
    right_hip=0.4,
    left_knee=0.2,
    right_knee=0.2,
)
"""Share of what the head did beyond its prediction that each joint takes on; feet stay planted."""

FOLLOWS_HAND: Final = (
    _weights(left_wrist=1.0, left_elbow=0.5),
    _weights(right_wrist=1.0, right_elbow=0.5),
)
_HEAD: Final = JOINT_NAMES.index("head")
_WRISTS: Final = (JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist"))


@dataclass(frozen=True, eq=False)
class Estimate:
    """One network estimate and what its continuation needs; never changed once made."""

    pose: Pose
    states: DeviceStates
    """The devices at the pose's time."""
    recent_s: NDArray[np.float64]
    """(n,) seconds from the pose's time, at most 0: the last rows of the network's window, oldest
    first."""
    recent_world: NDArray[np.float64]
    """(n, 22, 3) metres: the joints that the network gives for these times, all from this
    estimate. They share its errors, so that their slope has less noise than that of the poses
    given out one by one."""

    @cached_property
    def velocity(self) -> NDArray[np.float64]:
        """(22, 3) m/s, world frame: a straight line through the recent joints, bounded.

        Computed when first asked for: most estimates are replaced before anybody looks ahead.
        """
        wanted = self.recent_s > -_MAX_VELOCITY_AGE_S
        if wanted.sum() < 2:
            return np.zeros((NUM_JOINTS, 3))
        times = self.recent_s[wanted] - self.recent_s[wanted].mean()
        velocity = np.tensordot(times, self.recent_world[wanted], axes=1) / (times @ times)
        speed = np.linalg.norm(velocity, axis=1, keepdims=True)
        return np.asarray(velocity * np.minimum(1.0, MAX_SPEED_MPS / np.maximum(speed, 1e-9)))


@dataclass(frozen=True)
class Reach:
    """How far poses are carried on, nanoseconds; see ``TrackerOptions``."""

    max_extrapolation_ns: int
    max_prediction_ns: int
    stale_after_ns: int


def pose_at(
    timestamp_ns: int,
    estimate: Estimate,
    synchroniser: Synchroniser,
    T_head_cam_left: NDArray[np.float64],
    reach: Reach,
) -> Pose:
    """The pose at ``timestamp_ns``, carried on from ``estimate`` and tied to the newest samples
    of the head and controllers; its status says when either is too old."""
    head_ns = synchroniser.newest_ns(0)
    # Where the head can no longer be told the body waits with it: moved on alone it would be
    # pulled apart.
    last_ns = timestamp_ns if head_ns is None else head_ns + reach.max_extrapolation_ns
    states = synchroniser.lookup(min(timestamp_ns, last_ns))
    pose = estimate.pose
    horizon_ns = states.timestamp_ns - pose.timestamp_ns
    joints_world = continued(estimate, states, 1e-9 * horizon_ns, 1e-9 * reach.max_prediction_ns)
    T_world_cam_left = pose.T_world_cam_left
    if states.how[0] == LookupKind.MISSING:
        head_ns = None
    else:
        T_world_cam_left = states.T_world_device(0) @ T_head_cam_left
        whole = _whole_body_share(horizon_ns, reach)
        if whole > 0:
            along = _relocated(pose.joints_world, estimate.states, states)
            joints_world = joints_world + whole * (along - joints_world)
    status, reasons = judged(pose, timestamp_ns, head_ns, reach)
    return Pose(
        timestamp_ns=timestamp_ns,
        status=status,
        reasons=reasons,
        joints_world=joints_world,
        joints_cam_left=(joints_world - T_world_cam_left[:3, 3]) @ T_world_cam_left[:3, :3],
        joint_confidence=pose.joint_confidence,
        T_world_cam_left=T_world_cam_left,
        device_orientations_world=states.orientations_xyzw,
    )


def judged(
    pose: Pose, timestamp_ns: int, head_ns: int | None, reach: Reach
) -> tuple[PoseStatus, tuple[Reason, ...]]:
    """Status and reasons of ``pose`` when it is given out for ``timestamp_ns``, before or after
    its own time. ``head_ns``: when the head was last seen; None: not known at that time."""
    status, reasons = pose.status, pose.reasons
    if abs(timestamp_ns - pose.timestamp_ns) > reach.stale_after_ns:
        reasons = (*reasons, Reason.STALE)
        status = PoseStatus.LIMITED if status is PoseStatus.VALID else status
    if head_ns is None or timestamp_ns - head_ns > reach.stale_after_ns:
        if Reason.HEAD_LOST not in reasons:
            reasons = (Reason.HEAD_LOST, *reasons)
        status = PoseStatus.INVALID
    return status, reasons


def _whole_body_share(horizon_ns: int, reach: Reach) -> float:
    """How far the whole body goes along with the head, 0..1: feet stay planted as long as the
    estimate is fresh; later nobody knows where they are, and a head that walks on or back would
    pull the body apart."""
    if reach.stale_after_ns == 0:
        return float(horizon_ns != 0)
    return min(1.0, max(0.0, abs(horizon_ns) / reach.stale_after_ns - 1.0))


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
    if states.how[0] == LookupKind.MISSING:
        return estimate.pose.joints_world + step_s * estimate.velocity
    if _jumped(before.position(0), states.position(0), abs(horizon_s)):
        return _relocated(estimate.pose.joints_world, before, states)
    joints = estimate.pose.joints_world + step_s * estimate.velocity
    moved = _carried(estimate.pose.joints_world[_HEAD], before, states, 0)
    joints = joints + FOLLOWS_HEAD * (moved - joints[_HEAD])
    for device, (wrist, follows) in enumerate(zip(_WRISTS, FOLLOWS_HAND, strict=True), start=1):
        if LookupKind.MISSING in (before.how[device], states.how[device]) or _jumped(
            before.position(device), states.position(device), abs(horizon_s)
        ):
            continue
        moved = _carried(estimate.pose.joints_world[wrist], before, states, device)
        joints = joints + follows * (moved - joints[wrist])
    return joints


def _jumped(before: NDArray[np.float64], after: NDArray[np.float64], seconds: float) -> bool:
    return float(np.linalg.norm(after - before)) > MAX_STEP_M + MAX_SPEED_MPS * seconds


def _carried(
    point: NDArray[np.float64], before: DeviceStates, after: DeviceStates, device: int
) -> NDArray[np.float64]:
    """Where a point that is fixed to a device has gone."""
    T_before, T_after = before.T_world_device(device), after.T_world_device(device)
    on_device = (point - T_before[:3, 3]) @ T_before[:3, :3]
    return np.asarray(T_after[:3, :3] @ on_device + T_after[:3, 3])


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
