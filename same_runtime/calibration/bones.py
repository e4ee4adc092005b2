"""The user's bone lengths: the median of poses that stand, or given; put upon poses if asked."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.json_values import float_vector, shown
from same_runtime._core import stands_upright
from same_runtime.conventions import JOINT_NAMES, NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, read_only_copy
from same_runtime.skeleton.bone_lengths import bone_lengths, with_bone_lengths

_SAMPLES: Final = 60
_TAKE_EVERY: Final = 10
"""Of the poses in any posture, for who never stands."""
_LEFT: Final = np.array([i for i, name in enumerate(JOINT_NAMES) if name.startswith("left")])
_SHORTEST_M: Final = 0.01
_LONGEST_M: Final = 1.0


class Bones:
    """Length of each bone, metres."""

    def __init__(self) -> None:
        self.lengths_m: NDArray[np.float64] | None = None
        self._upright: list[NDArray[np.float64]] = []
        self._any: list[NDArray[np.float64]] = []
        self._poses = 0

    def set(self, lengths_m: NDArray[np.float64]) -> None:
        """Give the lengths: (22,) from each joint's parent, 0.01..1 m."""
        self.lengths_m = checked_lengths("lengths_m", lengths_m)

    def update(self, pose: Pose) -> None:
        """Take one pose; only VALID ones count, and at first only upright ones: of a body that
        sits, a network tells lengths badly."""
        if self.lengths_m is not None or pose.status is not PoseStatus.VALID:
            return
        lengths = bone_lengths(pose.joints_world)
        if not _human(lengths):
            return
        if stands_upright(pose.joints_world):
            self._upright.append(lengths)
        if self._poses % _TAKE_EVERY == 0:
            self._any.append(lengths)
        self._poses += 1
        for samples in (self._upright, self._any):
            if len(samples) >= _SAMPLES:
                measured = np.asarray(np.median(samples, axis=0))
                # Each right joint follows its left one.
                measured[_LEFT] = measured[_LEFT + 1] = measured[[_LEFT, _LEFT + 1]].mean(axis=0)
                self.lengths_m = read_only_copy(measured)
                self._upright, self._any = [], []
                return

    def held(self, pose: Pose) -> Pose:
        """``pose`` with these lengths, once they are known."""
        lengths = self.lengths_m
        if lengths is None or not pose.joints_world.any():
            return pose
        return pose.with_joints(with_bone_lengths(pose.joints_world, lengths))


def checked_lengths(name: str, lengths_m: object) -> NDArray[np.float64]:
    """``lengths_m`` as (22,) read-only, 0 for the pelvis. Raises ``InvalidInputError``."""
    lengths = float_vector(name, lengths_m, NUM_JOINTS)
    if not _human(lengths):
        raise InvalidInputError(
            f"{name}: expected ({NUM_JOINTS},) of {_SHORTEST_M:g}..{_LONGEST_M:g} metres, "
            f"got {shown(lengths_m)}"
        )
    lengths[0] = 0.0
    return read_only_copy(lengths)


def _human(lengths_m: NDArray[np.float64]) -> bool:
    return bool(((lengths_m[1:] >= _SHORTEST_M) & (lengths_m[1:] <= _LONGEST_M)).all())
