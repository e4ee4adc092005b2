"""What is done to poses on their way out, one after the other: smoothing, bones, feet, frame."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.calibration.calibration import Calibration
from same_runtime.conventions import JOINT_NAMES
from same_runtime.estimation.prediction import FOLLOWS_HAND, FOLLOWS_HEAD
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, Reason
from same_runtime.skeleton.one_euro import OneEuro, OneEuroState
from same_runtime.skeleton.rotations import SkeletonSolver

_LONGEST_GAP_NS: Final = 500_000_000
_HEAD: Final = JOINT_NAMES.index("head")
_WRISTS: Final = (JOINT_NAMES.index("left_wrist"), JOINT_NAMES.index("right_wrist"))


class PoseSmoother:
    """Filters the joints of poses that follow each other. The head, and the hands whose
    controllers are tracked, stay where the pose has them and take their share of the body along:
    what is measured well is not delayed."""

    def __init__(self, settings: OneEuro) -> None:
        self._settings = settings
        self._newest: tuple[int, OneEuroState] | None = None

    def reset(self) -> None:
        """Forget what is carried from pose to pose."""
        self._newest = None

    def smooth(self, pose: Pose, keep: bool) -> NDArray[np.float64]:
        """The joints (22, 3), metres, world. ``keep``: else they leave no trace."""
        joints = pose.joints_world
        gap_ns = pose.timestamp_ns - self._newest[0] if self._newest else -1
        if not keep and -_LONGEST_GAP_NS <= gap_ns <= 0:
            gap_ns = 1
        restart = Reason.RELOCALISED in pose.reasons or not 0 <= gap_ns <= _LONGEST_GAP_NS
        if self._newest is None or restart:
            state = OneEuroState.start(joints)
        elif gap_ns == 0:
            state = self._newest[1]
        else:
            state = self._newest[1].after(joints, 1e-9 * gap_ns, self._settings)
        if keep:
            self._newest = pose.timestamp_ns, state
        smooth = state.values + FOLLOWS_HEAD * (joints[_HEAD] - state.values[_HEAD])
        controllers = pose.device_orientations_world[1:3]
        for wrist, follows, controller in zip(_WRISTS, FOLLOWS_HAND, controllers, strict=True):
            if controller.any():
                smooth = smooth + follows * (joints[wrist] - smooth[wrist])
        return np.asarray(smooth)


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
