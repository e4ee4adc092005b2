"""Smoothing of poses on their way out."""

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime.core_pose import to_core
from same_runtime.pose import Pose
from same_runtime.skeleton.one_euro import OneEuro


class PoseSmoother:
    """Filters the joints of poses that follow each other. The head, and the hands whose
    controllers are tracked, stay where the pose has them and take their share of the body along:
    what is measured well is not delayed."""

    def __init__(self, settings: OneEuro) -> None:
        self._core = _core.PoseSmoother(settings.min_cutoff_hz, settings.cutoff_per_speed)

    def smooth(self, pose: Pose, keep: bool) -> NDArray[np.float64]:
        """The joints (22, 3), metres, world. ``keep``: else they leave no trace."""
        return self._core.smooth(to_core(pose), keep)
