"""The 24 joints of OpenXR's ``XR_BD_body_tracking``: the 22 and two hands."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES
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
