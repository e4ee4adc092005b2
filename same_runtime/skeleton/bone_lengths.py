"""Bone lengths: measured from joints, and put upon them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS

_PARENTS: Final = np.maximum(JOINT_PARENTS, 0)
_HEAD: Final = JOINT_NAMES.index("head")


def _bones_on_the_way() -> NDArray[np.float64]:
    ways = np.zeros((NUM_JOINTS, NUM_JOINTS))
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            ways[joint] = ways[parent]
            ways[joint, joint] = 1.0
    return ways


_FROM_ROOT: Final = _bones_on_the_way()
_FROM_HEAD: Final = _FROM_ROOT - _FROM_ROOT[_HEAD]
"""(22, 22): which bones, and in which direction, lead from the head to each joint."""


def bone_lengths(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(22,) from each joint's parent, in the unit of ``joints`` (22, 3); 0 for the pelvis."""
    bones = joints - joints[_PARENTS]
    return np.sqrt(np.einsum("ij,ij->i", bones, bones))


def joints_of_bones(head: NDArray[np.float64], bones: NDArray[np.float64]) -> NDArray[np.float64]:
    """Joints (22, 3) of a body with its head at ``head`` (3,) and ``bones`` (22, 3) from each
    joint's parent, in the same frame; the pelvis's is not used."""
    return np.asarray(head + _FROM_HEAD @ bones)


def with_bone_lengths(
    joints: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``joints`` (22, 3) with every bone's direction kept and its length that of ``lengths``
    (22,). The head stays: its place is the best known."""
    bones = joints - joints[_PARENTS]
    scale = lengths / np.maximum(np.linalg.norm(bones, axis=1), 1e-9)
    return joints_of_bones(joints[_HEAD], bones * scale[:, None])
