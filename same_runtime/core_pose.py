"""Poses on their way to the core and back."""

from collections.abc import Iterable
from typing import Final

from same_runtime import _core
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.skeleton.skeleton import skeleton_from_core, skeleton_to_core

_STATUSES: Final = tuple(PoseStatus)
_REASONS: Final = tuple(Reason)
_CORE_STATUSES: Final = {status: _core.PoseStatus[status.name] for status in PoseStatus}
_CORE_REASONS: Final = {reason: _core.Reason[reason.name] for reason in Reason}


def from_core(pose: _core.Pose) -> Pose:
    """The core's ``pose`` as applications get it."""
    skeleton = pose.skeleton
    return Pose(
        timestamp_ns=pose.timestamp_ns,
        status=_STATUSES[pose.status],
        reasons=reasons_from_core(pose.reasons),
        joints_world=pose.joints_world,
        joints_cam_left=pose.joints_cam_left,
        joint_confidence=pose.joint_confidence,
        T_world_cam_left=pose.T_world_cam_left,
        device_orientations_world=pose.device_orientations_world,
        latency_ns=pose.latency_ns,
        frame_changes=pose.frame_changes,
        skeleton=None if skeleton is None else skeleton_from_core(pose.timestamp_ns, skeleton),
    )


def reasons_from_core(reasons: Iterable[_core.Reason]) -> tuple[Reason, ...]:
    """The core's ``reasons``, in their order."""
    return tuple(_REASONS[reason] for reason in reasons)


def to_core(pose: Pose | _core.Pose) -> _core.Pose:
    """``pose`` for the core, which may be one of its own already."""
    if isinstance(pose, _core.Pose):
        return pose
    return _core.Pose(
        pose.timestamp_ns,
        _CORE_STATUSES[pose.status],
        [_CORE_REASONS[reason] for reason in pose.reasons],
        pose.joints_world,
        pose.joints_cam_left,
        pose.joint_confidence,
        pose.T_world_cam_left,
        pose.device_orientations_world,
        pose.latency_ns,
        None if pose.skeleton is None else skeleton_to_core(pose.skeleton),
    )
