"""What is done to poses on their way out, one after the other: smoothing, bones, feet, frame."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core
from same_runtime.calibration.calibration import Calibration
from same_runtime.core_pose import to_core
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose
from same_runtime.skeleton.one_euro import OneEuro
from same_runtime.skeleton.rotations import SkeletonSolver


class PoseSmoother:
    """Filters the joints of poses that follow each other. The head, and the hands whose
    controllers are tracked, stay where the pose has them and take their share of the body along:
    what is measured well is not delayed."""

    def __init__(self, settings: OneEuro) -> None:
        self._core = _core.PoseSmoother(settings.min_cutoff_hz, settings.cutoff_per_speed)

    def reset(self) -> None:
        """Forget what is carried from pose to pose."""
        self._core.reset()

    def smooth(self, pose: Pose, keep: bool) -> NDArray[np.float64]:
        """The joints (22, 3), metres, world. ``keep``: else they leave no trace."""
        return self._core.smooth(to_core(pose), keep)


class PoseFinisher:
    """Finishes the poses of one stream. Any thread may call any method.

    ``floor``: gives the floor's height in the world, metres.
    """

    def __init__(
        self, options: TrackerOptions, calibration: Calibration, floor: Callable[[], float]
    ) -> None:
        self._calibration = calibration
        self._floor = floor
        self._smoother = PoseSmoother(options.smoothing) if options.smoothing else None
        self._solver = None
        if options.solve_rotations:
            self._solver = SkeletonSolver(None, options.ground_y_m, options.plant_feet)
        self._lengths_m: NDArray[np.float64] | None = None
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Forget what is carried from pose to pose."""
        with self._lock:
            if self._smoother is not None:
                self._smoother.reset()
            if self._solver is not None:
                self._solver.reset()

    def finish(self, pose: Pose, keep: bool = True) -> Pose:
        """``pose``, of the world, as it is given out, in the user's frame. ``keep``: else it is
        beside the stream and leaves no trace in it."""
        if pose.joints_world.any():
            with self._lock:
                if self._smoother is not None:
                    pose = pose.with_joints(self._smoother.smooth(pose, keep))
                if self._solver is not None:
                    pose = self._solved(pose, self._solver, keep)
        return self._calibration.in_user_frame(pose)

    def _solved(self, pose: Pose, solver: SkeletonSolver, keep: bool) -> Pose:
        lengths_m = self._calibration.bone_lengths_m
        if lengths_m is not None and lengths_m is not self._lengths_m:
            solver.set_bone_lengths(lengths_m)
            self._lengths_m = lengths_m
        solver.set_floor(self._floor())
        skeleton = solver.solve(pose, keep)
        assert skeleton is not None
        return replace(pose.with_joints(skeleton.joints_world), skeleton=skeleton)
