"""A pose as a skeleton: what avatars, protocols and files take."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_runtime import _core


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A rotation at every joint and bones of constant length. Arrays are read-only.

    Rotations are from the T-pose of ``docs/skeleton.md``, in which all are the identity.
    """

    timestamp_ns: int
    joints_world: NDArray[np.float64]
    """(22, 3) metres: the pose's bones at the user's lengths, from the pose's head on."""
    rotations_world: NDArray[np.float64]
    """(22, 4) xyzw, T-pose to world."""
    rotations_local: NDArray[np.float64]
    """(22, 4) xyzw, joint to its parent; the pelvis's is to the world."""
    velocities_world: NDArray[np.float64]
    """(22, 3) m/s of the joints, a mean over about 30 ms; zeros in a first pose."""
    angular_velocities_world: NDArray[np.float64]
    """(22, 3) rad/s about the world's axes, likewise."""
    foot_contacts: NDArray[np.float64]
    """(2,) 0..1: how sure it is that the left and the right toes stand on the floor, by their
    height and speed."""
    offsets_m: NDArray[np.float64]
    """(22, 3) from each joint's parent in the T-pose: constant per user."""
    changed_count: int
    """How often ``offsets_m`` changed: at the first pose, whenever the user is measured better, as
    by standing after sitting, and when lengths are given."""

    @property
    def bone_lengths_m(self) -> NDArray[np.float64]:
        """(22,) from each joint's parent; 0 for the pelvis."""
        return np.asarray(np.linalg.norm(self.offsets_m, axis=1))

    @property
    def root(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The pelvis: (3,) metres and (4,) xyzw, world. Forward kinematics of ``rotations_local``
        and ``offsets_m`` from here gives ``joints_world``."""
        return self.joints_world[0], self.rotations_world[0]

    def moved(
        self, turn_xyzw: NDArray[np.float64], translation_m: NDArray[np.float64]
    ) -> "Skeleton":
        """The same body in another frame: turned by (4,), then moved by (3,)."""
        moved = skeleton_to_core(self).moved(turn_xyzw, translation_m)
        return skeleton_from_core(self.timestamp_ns, moved)


def skeleton_from_core(timestamp_ns: int, skeleton: _core.Skeleton) -> Skeleton:
    """The core's ``skeleton``, of the pose at ``timestamp_ns``."""
    return Skeleton(
        timestamp_ns,
        skeleton.joints,
        skeleton.rotations_world,
        skeleton.rotations_local,
        skeleton.velocities,
        skeleton.turn_rates,
        skeleton.foot_contacts,
        skeleton.offsets,
        skeleton.changed_count,
    )


def skeleton_to_core(skeleton: Skeleton) -> _core.Skeleton:
    """``skeleton`` for the core."""
    return _core.Skeleton(
        skeleton.joints_world,
        skeleton.rotations_world,
        skeleton.rotations_local,
        skeleton.velocities_world,
        skeleton.angular_velocities_world,
        skeleton.foot_contacts,
        skeleton.offsets_m,
        skeleton.changed_count,
    )
