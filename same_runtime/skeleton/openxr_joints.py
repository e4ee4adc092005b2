"""The 24 joints of OpenXR's ``XR_BD_body_tracking``: the 22 and two hands.

Status and reasons of a ``Pose`` are what ``XR_BD_body_tracking_auxiliary_metrics`` has as status
and message.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.quaternions import rotate
from same_runtime.skeleton.skeleton import Skeleton

OPENXR_JOINT_NAMES: Final = (*JOINT_NAMES, "left_hand", "right_hand")
"""In the order of ``XrBodyJointBD``."""

_WRISTS: Final = [JOINT_NAMES.index(name) for name in ("left_wrist", "right_wrist")]
_HAND_SHARE: Final = 0.35
"""Wrist to the middle of the hand, over the length of the forearm."""


def openxr_joints(skeleton: Skeleton) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(24, 3) positions, metres, and (24, 4) orientations xyzw, both in the pose's world frame.

    The axes are the extension's: in the T-pose each joint's +x is the body's right, +z backward.
    The hands turn as the wrists, and lie straight beyond them.
    """
    hands = skeleton.rotations_world[_WRISTS]
    ahead = rotate(hands, _HAND_SHARE * skeleton.offsets_m[_WRISTS])
    positions = np.concatenate((skeleton.joints_world, skeleton.joints_world[_WRISTS] + ahead))
    return positions, np.concatenate((skeleton.rotations_world, hands))


ORIENTATION_VALID, POSITION_VALID, ORIENTATION_TRACKED, POSITION_TRACKED = 1, 2, 4, 8
"""Bits of ``XrSpaceLocationFlags``."""
_SEEN: Final = 0.5
"""Confidence above which a camera sees a joint."""
_DEVICE_JOINTS: Final = tuple(JOINT_NAMES.index(n) for n in ("head", "left_wrist", "right_wrist"))


class OpenXrBody(NamedTuple):
    """One pose as ``XrBodyJointLocationsBD`` has it."""

    positions: NDArray[np.float64]
    """(24, 3) metres, world."""
    orientations: NDArray[np.float64]
    """(24, 4) xyzw, world."""
    flags: NDArray[np.uint64]
    """(24,) ``XrSpaceLocationFlags``: valid unless the pose is INVALID, tracked where a camera sees
    the joint or a device is worn there."""
    all_joint_poses_tracked: bool
    linear_velocities: NDArray[np.float64]
    """(24, 3) m/s, world."""
    angular_velocities: NDArray[np.float64]
    """(24, 3) rad/s, world."""


def openxr_body(pose: Pose, skeleton: Skeleton) -> OpenXrBody:
    """``skeleton``, solved from ``pose``, in the extension's shape."""
    positions, orientations = openxr_joints(skeleton)
    seen = pose.joint_confidence > _SEEN
    for joint, device in zip(_DEVICE_JOINTS, pose.device_orientations_world, strict=False):
        seen[joint] |= bool(device.any())
    tracked = np.concatenate((seen, seen[_WRISTS]))
    flags = np.where(
        tracked,
        ORIENTATION_VALID | POSITION_VALID | ORIENTATION_TRACKED | POSITION_TRACKED,
        ORIENTATION_VALID | POSITION_VALID,
    )
    valid = pose.status is not PoseStatus.INVALID
    turning = skeleton.angular_velocities_world[_WRISTS]
    carried = np.cross(turning, positions[-2:] - skeleton.joints_world[_WRISTS])
    moving = skeleton.velocities_world[_WRISTS] + carried
    return OpenXrBody(
        positions,
        orientations,
        flags.astype(np.uint64) * valid,
        bool(valid and tracked.all()),
        np.concatenate((skeleton.velocities_world, moving)),
        np.concatenate((skeleton.angular_velocities_world, turning)),
    )
