"""The user's bone lengths: the median of the first poses, or given; put upon poses if asked."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_runtime.conventions import NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, read_only_copy
from same_runtime.skeleton.bone_lengths import bone_lengths, with_bone_lengths

_SAMPLES: Final = 120
_SHORTEST_M: Final = 0.01
_LONGEST_M: Final = 1.0


class Bones:
    """Length of each bone, metres."""

    def __init__(self) -> None:
        self.lengths_m: NDArray[np.float64] | None = None
        self._measured: list[NDArray[np.float64]] = []

    def set(self, lengths_m: NDArray[np.float64]) -> None:
        """Give the lengths: (22,) from each joint's parent, 0.01..1 m."""
        try:
            lengths = np.array(lengths_m, np.float64)
        except (TypeError, ValueError):
            lengths = np.empty(0)
        if lengths.shape != (NUM_JOINTS,) or not _human(lengths):
            raise InvalidInputError(
                f"lengths_m: expected ({NUM_JOINTS},) of {_SHORTEST_M:g}..{_LONGEST_M:g} metres, "
                f"got {lengths_m!r}"
            )
        lengths[0] = 0.0
        self.lengths_m = read_only_copy(lengths)

    def update(self, pose: Pose) -> None:
        """Take one pose; only VALID ones count."""
        if self.lengths_m is not None or pose.status is not PoseStatus.VALID:
            return
        lengths = bone_lengths(pose.joints_world)
        if not _human(lengths):
            return
        self._measured.append(lengths)
        if len(self._measured) >= _SAMPLES:
            self.lengths_m = read_only_copy(np.asarray(np.median(self._measured, axis=0)))
            self._measured.clear()

    def held(self, pose: Pose) -> Pose:
        """``pose`` with these lengths, once they are known."""
        lengths = self.lengths_m
        if lengths is None or not pose.joints_world.any():
            return pose
        joints_world = with_bone_lengths(pose.joints_world, lengths)
        T_world_cam = pose.T_world_cam_left
        return replace(
            pose,
            joints_world=joints_world,
            joints_cam_left=(joints_world - T_world_cam[:3, 3]) @ T_world_cam[:3, :3],
        )


def _human(lengths_m: NDArray[np.float64]) -> bool:
    return bool(((lengths_m[1:] >= _SHORTEST_M) & (lengths_m[1:] <= _LONGEST_M)).all())
