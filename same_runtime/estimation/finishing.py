"""What is done to poses on their way out, one after the other: smoothing, bones, feet, frame."""

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime.calibration.calibration import Calibration
from same_runtime.core_pose import from_core, to_core
from same_runtime.options import TrackerOptions
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


class PoseFinisher:
    """Finishes the poses of one stream. Any thread may call any method."""

    def __init__(self, options: TrackerOptions, calibration: Calibration) -> None:
        smoothing = options.smoothing
        self._core = _core.PoseFinisher(
            calibration.core,
            None if smoothing is None else (smoothing.min_cutoff_hz, smoothing.cutoff_per_speed),
            options.solve_rotations,
            options.plant_feet,
            options.hold_bone_lengths,
        )

    def reset(self) -> None:
        """Forget what is carried from pose to pose."""
        self._core.reset()

    def finish(self, pose: Pose | _core.Pose, keep: bool = True) -> Pose:
        """``pose``, of the world, as it is given out, in the user's frame. ``keep``: else it is
        beside the stream and leaves no trace in it."""
        return from_core(self._core.finish(to_core(pose), keep))
