"""From 22 positions to a skeleton: a rotation at every joint, bones that never stretch."""

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_flag, checked_number
from same_engines.json_values import float_vector, shown
from same_runtime import _core
from same_runtime._core import LONGEST_BONE_M
from same_runtime.conventions import NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.skeleton.skeleton import Skeleton, skeleton_from_core


class SkeletonSolver:
    """Turns poses, one after the other, into skeletons.

    Each bone points exactly where the pose has it. Its twist comes from the headset, the
    controllers and the leg sensors, from the plane of elbow and knee, and while the limb is
    straight from what was before. The solver carries that from pose to pose, and begins anew where
    the frame that poses come out in is another one: keep one for each tracker and give it every
    pose. For one thread at a time.

    ``bone_lengths_m``: (22,) metres, for instance ``tracker.calibration.bone_lengths_m``; None
    measures them. ``ground_y_m``: the floor's height in the poses' world. ``plant_feet``: as
    ``TrackerOptions.plant_feet``. Raises ``InvalidInputError`` for lengths of another shape or
    beyond 0..1 m, and other types.
    """

    def __init__(
        self,
        bone_lengths_m: NDArray[np.float64] | None = None,
        ground_y_m: float = 0.0,
        plant_feet: bool = False,
    ) -> None:
        self._core = _core.SkeletonSolver()
        self.set_floor(ground_y_m)
        self._core.plant_feet = checked_flag("plant_feet", plant_feet)
        if bone_lengths_m is not None:
            self.set_bone_lengths(bone_lengths_m)
        self._newest: tuple[Pose, Skeleton] | None = None
        self._frame_changes = 0

    def set_bone_lengths(self, bone_lengths_m: NDArray[np.float64]) -> None:
        """Give the lengths from now on; see the class."""
        lengths = float_vector("bone_lengths_m", bone_lengths_m, NUM_JOINTS)
        lengths[0] = 0.0  # the pelvis has no parent
        if not ((lengths >= 0.0) & (lengths <= LONGEST_BONE_M)).all():
            raise InvalidInputError(
                f"bone_lengths_m: expected ({NUM_JOINTS},) of 0..{LONGEST_BONE_M:g} metres, "
                f"got {shown(bone_lengths_m)}"
            )
        self._core.give_lengths(lengths)

    def set_floor(self, ground_y_m: float) -> None:
        """Give the floor's height from now on, metres."""
        self._core.ground_y = checked_number("ground_y_m", ground_y_m, -1e3, 1e3, "metres")

    def reset(self) -> None:
        """Forget what is carried from pose to pose; the user's lengths stay."""
        self._core.reset()
        self._newest = None

    def solve(self, pose: Pose, keep: bool = True) -> Skeleton | None:
        """The skeleton of ``pose``; None while the pose has no body (before the first estimate).

        A pose that has one already (``TrackerOptions.solve_rotations``) gives that. ``keep``:
        False for a pose beside the sequence, such as one of ``tracker.at_time``; it is solved
        from what is carried and leaves no trace. Raises ``InvalidInputError`` for what is no
        ``Pose``.
        """
        if not isinstance(pose, Pose):
            raise InvalidInputError(f"pose: expected a Pose, got {type(pose).__name__}")
        if pose.skeleton is not None:
            return pose.skeleton
        if self._newest is not None and pose is self._newest[0]:
            return self._newest[1]  # as asked for by a second output
        if not pose.joints_world.any():
            return None
        solved = self._core.solve(
            pose.timestamp_ns,
            pose.joints_world,
            pose.device_orientations_world,
            pose.status is PoseStatus.VALID,
            Reason.RELOCALISED in pose.reasons or pose.frame_changes != self._frame_changes,
            keep,
        )
        skeleton = skeleton_from_core(pose.timestamp_ns, solved)
        if keep:
            self._newest = pose, skeleton
            self._frame_changes = pose.frame_changes
        return skeleton
