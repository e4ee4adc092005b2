"""Bone lengths: measured from joints, and put upon them."""

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core


def bone_lengths(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(22,) from each joint's parent, in the unit of ``joints`` (22, 3); 0 for the pelvis."""
    return _core.bone_lengths(joints)


def with_bone_lengths(
    joints: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``joints`` (22, 3) with every bone's direction kept and its length that of ``lengths``
    (22,). The head stays: its place is the best known."""
    return _core.with_bone_lengths(joints, lengths)
