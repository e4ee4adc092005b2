"""The T-pose that rotations are measured from: see ``docs/skeleton.md``.

In it every joint has the world's axes: +x to the body's right, +y up, +z backward (OpenXR). The
body faces -z, arms out to the sides with the palms down, legs straight down, feet forward.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES
from same_runtime.pose import read_only_copy
from same_runtime.skeleton.quaternions import unit

_MIDDLE_AND_RIGHT: Final = {
    "pelvis": (0.0, 0.0, 0.0),
    "right_hip": (0.113, -0.015, 0.009),
    "spine1": (0.0, 0.153, 0.025),
    "right_knee": (0.0, -0.405, 0.0),
    "spine2": (0.0, 0.083, 0.002),
    "right_ankle": (0.0, -0.440, 0.0),
    "spine3": (0.0, 0.133, 0.010),
    "right_foot": (0.0, -0.050, -0.151),
    "neck": (0.0, 0.187, -0.036),
    "right_collar": (0.024, 0.110, -0.052),
    "head": (0.0, 0.100, -0.034),
    "right_shoulder": (0.155, 0.0, 0.0),
    "right_elbow": (0.268, 0.0, 0.0),
    "right_wrist": (0.239, 0.0, 0.0),
}
"""Offset of each joint from its parent, metres: the shipped body's mean, limbs straightened."""


def _rest_offset(joint: str) -> tuple[float, float, float]:
    x, y, z = _MIDDLE_AND_RIGHT[joint.replace("left_", "right_")]
    return (-x if joint.startswith("left_") else x, y, z)


REST_OFFSETS_M: Final[NDArray[np.float64]] = read_only_copy(
    np.array([_rest_offset(joint) for joint in JOINT_NAMES])
)
"""(22, 3) of a mean adult; a user's have other lengths, and at pelvis and chest directions."""

REST_DIRECTIONS: Final[NDArray[np.float64]] = read_only_copy(unit(REST_OFFSETS_M))
"""(22, 3) unit, from each joint's parent; zero for the pelvis."""

MEASURED_DIRECTIONS: Final = tuple(
    JOINT_NAMES.index(name)
    for name in ("left_hip", "right_hip", "spine1", "neck", "left_collar", "right_collar")
)
"""Joints that share their parent with others. One rotation cannot point three bones, so their
directions in the pelvis and in the chest are the user's own, like lengths."""
