"""The user's own skeleton: the offset of each joint from its parent."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.pose import read_only_copy
from same_runtime.skeleton.quaternions import unit
from same_runtime.skeleton.rest_pose import MEASURED_DIRECTIONS, REST_DIRECTIONS

_SAMPLES: Final = 120
_MEASURED: Final = np.array(MEASURED_DIRECTIONS)


class UserSkeleton:
    """The offsets, metres, in the T-pose: a constant skeleton.

    They are those of the first pose, then once and for all the median of the first ``_SAMPLES``
    good ones. ``lengths_m``: (22,), where these are known.
    """

    def __init__(self, lengths_m: NDArray[np.float64] | None) -> None:
        self._given_m = lengths_m
        self._samples: list[NDArray[np.float64]] = []
        self.offsets_m: NDArray[np.float64] | None = None
        self.changed_count = 0

    def update(self, offsets: NDArray[np.float64], good: bool) -> NDArray[np.float64]:
        """Take one pose's bones (22, 3), metres, in the axes of each joint's parent, and return
        the offsets that hold now."""
        if self.offsets_m is None:
            self._set(offsets)
        if good and len(self._samples) < _SAMPLES:
            self._samples.append(offsets)
            if len(self._samples) == _SAMPLES:
                self._set(np.asarray(np.median(self._samples, axis=0)))
        assert self.offsets_m is not None
        return self.offsets_m

    def _set(self, offsets: NDArray[np.float64]) -> None:
        lengths = self._given_m
        if lengths is None:
            lengths = np.linalg.norm(offsets, axis=1)
        directions = np.array(REST_DIRECTIONS)
        directions[_MEASURED] = unit(offsets[_MEASURED])
        self.offsets_m = read_only_copy(directions * lengths[:, None])
        self.changed_count += 1
