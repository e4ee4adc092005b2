"""A pose as a skeleton: what avatars, protocols and files take."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from same_runtime.skeleton.quaternions import multiply, rotate


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
    """How often ``offsets_m`` changed: once at the first pose, once when the user is measured."""

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
        rotations_world = multiply(turn_xyzw, self.rotations_world)
        rotations_local = self.rotations_local.copy()
        rotations_local[0] = rotations_world[0]
        moved = {
            "joints_world": rotate(turn_xyzw, self.joints_world) + translation_m,
            "rotations_world": rotations_world,
            "rotations_local": rotations_local,
            "velocities_world": rotate(turn_xyzw, self.velocities_world),
            "angular_velocities_world": rotate(turn_xyzw, self.angular_velocities_world),
        }
        for array in moved.values():
            array.setflags(write=False)
        return replace(self, **moved)
