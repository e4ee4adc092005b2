"""The 24 joints of OpenXR's ``XR_BD_body_tracking``: the 22 and two hands.

Status and reasons of a ``Pose`` are what ``XR_BD_body_tracking_auxiliary_metrics`` has as status
and message.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime.conventions import JOINT_NAMES
from same_runtime.core_pose import to_core
from same_runtime.pose import Pose
from same_runtime.skeleton.skeleton import Skeleton, skeleton_to_core

OPENXR_JOINT_NAMES: Final = (*JOINT_NAMES, "left_hand", "right_hand")
"""In the order of ``XrBodyJointBD``."""


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


def openxr_joints(skeleton: Skeleton) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(24, 3) positions, metres, and (24, 4) orientations xyzw, both in the pose's world frame.

    The axes are the extension's: in the T-pose each joint's +x is the body's right, +z backward.
    The hands turn as the wrists, and lie straight beyond them.
    """
    body = openxr_body(Pose(), skeleton)
    return body.positions, body.orientations


def openxr_body(pose: Pose, skeleton: Skeleton) -> OpenXrBody:
    """``skeleton``, solved from ``pose``, in the extension's shape."""
    return OpenXrBody(*_core.openxr_body(to_core(pose), skeleton_to_core(skeleton)))
