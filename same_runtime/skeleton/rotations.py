"""From 22 positions to a skeleton: a rotation at every joint, bones that never stretch."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_runtime.conventions import JOINT_PARENTS, NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus, Reason, read_only_copy
from same_runtime.skeleton.bone_lengths import joints_of_bones
from same_runtime.skeleton.directions import (
    ELBOWS,
    HAND_FROM_GRIP,
    KNEES,
    LEAVES,
    REST_BONES,
    REST_SIDES,
    Directions,
    joint,
    observed_directions,
)
from same_runtime.skeleton.quaternions import (
    about,
    cross,
    dot,
    inverse,
    multiply,
    rotate,
    shortest_arc,
    towards,
    unit,
)
from same_runtime.skeleton.user_skeleton import UserSkeleton

Array = NDArray[np.float64]

_PARENTS: Final = np.maximum(JOINT_PARENTS, 0)
_LEAF_PARENTS: Final = _PARENTS[LEAVES]
_HINGES: Final = np.array([*KNEES, *ELBOWS])
_HEAD: Final = joint("head")
_IDENTITY: Final = np.array((0.0, 0.0, 0.0, 1.0))
_LONGEST_GAP_S: Final = 0.5
_SLOWEST_S: Final = 0.5
"""Within about this time a twist of which next to nothing is known goes to where it may be."""
_FASTEST_TWIST_RAD_S: Final = 25.0
_FASTEST_LEAF_RAD_S: Final = 40.0


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A pose as a skeleton: what avatars, protocols and files take. Arrays are read-only.

    Rotations are from the T-pose of ``docs/skeleton.md``, in which all are the identity.
    """

    timestamp_ns: int
    status: PoseStatus
    joints_world: NDArray[np.float64]
    """(22, 3) metres: the pose's bones at the user's lengths, from the pose's head on."""
    rotations_world: NDArray[np.float64]
    """(22, 4) xyzw, T-pose to world."""
    rotations_local: NDArray[np.float64]
    """(22, 4) xyzw, joint to its parent; the pelvis's is to the world."""
    offsets_m: NDArray[np.float64]
    """(22, 3) from each joint's parent in the T-pose: constant per user."""
    changed_count: int
    """How often ``offsets_m`` changed: once at the first pose, once when the user is measured."""

    @property
    def bone_lengths_m(self) -> NDArray[np.float64]:
        """(22,) from each joint's parent; 0 for the pelvis."""
        return np.asarray(np.linalg.norm(self.offsets_m, axis=1))


class SkeletonSolver:
    """Turns poses, one after the other, into skeletons.

    Each bone points exactly where the pose has it. Its twist comes from the headset, the
    controllers and the leg sensors, from the plane of elbow and knee, and while the limb is
    straight from what was before. The solver carries that from pose to pose: keep one for each
    tracker and give it every pose. For one thread at a time.

    ``bone_lengths_m``: (22,) metres, for instance ``tracker.calibration.bone_lengths_m``; None
    measures them. Raises ``InvalidInputError`` for another shape or lengths that are not finite
    and at least 0.
    """

    def __init__(self, bone_lengths_m: NDArray[np.float64] | None = None) -> None:
        if bone_lengths_m is not None:
            try:
                lengths = np.array(bone_lengths_m, np.float64)
            except (TypeError, ValueError):
                lengths = np.empty(0)
            if lengths.shape != (NUM_JOINTS,) or not (np.isfinite(lengths) & (lengths >= 0)).all():
                raise InvalidInputError(
                    f"bone_lengths_m: expected ({NUM_JOINTS},) metres, got {bone_lengths_m!r}"
                )
            bone_lengths_m = lengths
        self._user = UserSkeleton(bone_lengths_m)
        self._newest_ns = 0
        self._rotations: Array | None = None
        self._newest: tuple[Pose, Skeleton] | None = None
        self._legs = np.zeros((2, 4))

    def reset(self) -> None:
        """Forget what is carried from pose to pose; the user's lengths stay."""
        self._rotations = self._newest = None

    def solve(self, pose: Pose) -> Skeleton | None:
        """The skeleton of ``pose``; None while the pose has no body (before the first estimate).
        Raises ``InvalidInputError`` for what is no ``Pose``."""
        if not isinstance(pose, Pose):
            raise InvalidInputError(f"pose: expected a Pose, got {type(pose).__name__}")
        if self._newest is not None and pose is self._newest[0]:
            return self._newest[1]  # as asked for by a second output
        joints = pose.joints_world
        if not joints.any():
            return None
        gap_s = 1e-9 * (pose.timestamp_ns - self._newest_ns)
        if not 0.0 <= gap_s <= _LONGEST_GAP_S or Reason.RELOCALISED in pose.reasons:
            self._rotations = None
        devices = pose.device_orientations_world
        rotations = self._rotations_world(joints, devices, gap_s)
        self._rotations, self._newest_ns = rotations, pose.timestamp_ns
        self._legs = devices[3:]
        to_parent = inverse(rotations[_PARENTS])
        local = multiply(to_parent, rotations)
        local[0] = rotations[0]
        offsets = self._user.update(
            rotate(to_parent, joints - joints[_PARENTS]), pose.status is PoseStatus.VALID
        )
        bones = rotate(rotations[_PARENTS], offsets)
        skeleton = Skeleton(
            pose.timestamp_ns,
            pose.status,
            read_only_copy(joints_of_bones(joints[_HEAD], bones)),
            read_only_copy(rotations),
            read_only_copy(local),
            offsets,
            self._user.changed_count,
        )
        self._newest = pose, skeleton
        return skeleton

    def _rotations_world(self, joints: Array, devices: Array, gap_s: float) -> Array:
        before = self._rotations
        if before is None:
            expected = np.zeros((4, 3))
            seen = observed_directions(joints, devices, expected)
            start = _swung(np.tile(_IDENTITY, (NUM_JOINTS, 1)), seen)
            rotations = _twisted(start, seen, np.inf, np.pi)
            rotations[LEAVES] = _leaves(rotations, devices)
            return rotations
        start = before.copy()
        was_there = np.asarray(self._legs.any(axis=1) & devices[3:].any(axis=1))[:, None]
        turned = multiply(multiply(devices[3:], inverse(self._legs)), before[KNEES])
        start[KNEES] = np.where(was_there, turned, before[KNEES])
        expected = rotate(start[_HINGES], REST_SIDES[_HINGES])
        seen = observed_directions(joints, devices, expected)
        rotations = _twisted(_swung(start, seen), seen, gap_s, _FASTEST_TWIST_RAD_S * gap_s)
        rotations[LEAVES] = towards(
            before[LEAVES], _leaves(rotations, devices), _FASTEST_LEAF_RAD_S * gap_s
        )
        # q and -q are the same rotation; what interpolates between poses wants the nearer.
        nearer = np.asarray(np.where(dot(rotations, before) < 0.0, -1.0, 1.0))
        return np.asarray(rotations * nearer[:, None])


def _swung(rotations: Array, seen: Directions) -> Array:
    """``rotations`` with every bone turned on the shortest way to where it is seen."""
    return multiply(shortest_arc(rotate(rotations, REST_BONES), seen.bones), rotations)


def _twisted(rotations: Array, seen: Directions, gap_s: float, largest: float) -> Array:
    """``rotations`` twisted about their bones to the sides, the slower the less these are known,
    and at most by ``largest`` radians."""
    bones, sides = seen
    now = rotate(rotations, REST_SIDES)
    along = dot(bones, sides)
    sine = dot(bones, cross(now, sides))
    cosine = dot(now, sides) - dot(bones, now) * along
    known = np.minimum(np.sqrt(dot(sides, sides) - along * along + 1e-12), 1.0)
    share = 1.0 if gap_s == np.inf else gap_s / (gap_s + _SLOWEST_S * (1.0 - known) + 1e-9)
    angles = np.arctan2(sine, cosine) * share * (known > 1e-3)
    return unit(multiply(about(bones, np.clip(angles, -largest, largest)), rotations))


def _leaves(rotations: Array, devices: Array) -> Array:
    """(5, 4): head and hands as their devices, where there are any, else as their parents."""
    leaves = rotations[_LEAF_PARENTS]
    worn = devices[:3].copy()
    worn[1:] = multiply(worn[1:], HAND_FROM_GRIP)
    leaves[:3] = np.where(worn.any(axis=1)[:, None], worn, leaves[:3])
    return leaves
