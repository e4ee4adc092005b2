"""The user's height: measured while the head is upright, or given."""

from typing import Final

import numpy as np

from same_engines.field_checks import checked_number
from same_runtime._core import DeviceStates
from same_runtime.calibration.state import CalibrationState

EYE_HEIGHT_SHARE: Final = 0.936
"""Height of the eyes over stature (Winter, Biomechanics and Motor Control, 2009, fig. 4.1)."""
LOWEST_M: Final = 0.8
HIGHEST_M: Final = 2.5
_UPRIGHT_COS: Final = np.cos(np.deg2rad(20.0))
_SAMPLES: Final = 120


class Height:
    """Stature, metres."""

    def __init__(self) -> None:
        self.state = CalibrationState.COLLECTING
        self.user_height_m: float | None = None
        self._head_heights: list[float] = []

    def set(self, height_m: float) -> None:
        """Give the stature, 0.8..2.5 m."""
        height_m = checked_number("height_m", height_m, LOWEST_M, HIGHEST_M, "metres")
        self.user_height_m, self.state = height_m, CalibrationState.GIVEN

    def update(self, states: DeviceStates, ground_y_m: float) -> None:
        """Take the head in ``states``, whose world has its floor at ``ground_y_m``.

        A head where no upright person has it does not count: the headset lies on a table, the
        floor is not the world's, or another unit came for metres.
        """
        if self.state is not CalibrationState.COLLECTING:
            return
        if states.upwards(0) < _UPRIGHT_COS:
            return
        head_height_m = float(states.position(0)[1]) - ground_y_m
        if not LOWEST_M <= head_height_m / EYE_HEIGHT_SHARE <= HIGHEST_M:
            return
        self._head_heights.append(head_height_m)
        if len(self._head_heights) >= _SAMPLES:
            # People stoop more often than they stretch.
            self.user_height_m = float(np.percentile(self._head_heights, 90)) / EYE_HEIGHT_SHARE
            self.state = CalibrationState.DONE
            self._head_heights.clear()
