"""What comes out: one full-body pose with its status."""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES, NUM_DEVICES, NUM_JOINTS
from same_runtime.field_docs import with_field_docs
from same_runtime.skeleton.skeleton import Skeleton

Scalar = TypeVar("Scalar", bound=np.generic)


class PoseStatus(Enum):
    """How far a pose can be trusted: the levels of OpenXR's
    ``XR_BD_body_tracking_auxiliary_metrics``."""

    INVALID = "INVALID"
    """Do not use: the joints are the last known ones, zeros, or made from nonsense."""
    LIMITED = "LIMITED"
    """Usable, but something is missing: see the reasons."""
    VALID = "VALID"
    """Every input was there."""


class Reason(Enum):
    """Why a pose is not VALID."""

    HEAD_LOST = "no head pose at the frame's time: nothing can be placed in the world"
    RELOCALISED = (
        "the head jumped as no head can, or was recentred; the body was moved along with it"
    )
    OVERLOADED = "frames came faster than the network takes them; older ones were dropped"
    WARMING_UP = "fewer frames than the temporal window holds since start, reset or a long gap"
    NO_IMAGES = "no camera gave an image"
    CAMERA_LOST = "one camera gave no image"
    CONTROLLER_LOST = "a controller has no pose at the frame's time"
    LEG_TRACKER_LOST = "a leg tracker has no reading at the frame's time"
    STALE = "the newest estimate is too far from the pose's time: frames or samples stopped coming"
    OTHER_CLOCK = "a stream's timestamps are on another clock than the others': see stats().streams"
    VIEW_SKEW = "left and right images come, but too far apart in time to be a stereo pair"
    CAMERAS_COVERED = "a camera's images are dark or flat: covered, off, or the room is too dark"
    CAMERAS_SATURATED = "a camera's images are white: too much light, or a wrong exposure"
    NOT_WORN = "the head lies still and the cameras see nobody: the headset is not worn"
    IMPLAUSIBLE_HEAD = "the head is where, or as, no head can be: a wrong unit, frame or order"
    IMPLAUSIBLE_CONTROLLER = "a controller is out of an arm's reach of the head"
    IMPLAUSIBLE_LEG = "a leg tracker turns or accelerates as no leg does"
    MOUNT_CHANGED = "a leg tracker no longer sits as it was calibrated: slipped, turned or swapped"
    IMPLAUSIBLE_POSE = "the estimated body has bones that nobody has, or is below the floor"


_HEAD: Final = JOINT_NAMES.index("head")
_ARRAYS: Final = (
    "joints_world",
    "joints_cam_left",
    "joint_confidence",
    "T_world_cam_left",
    "device_orientations_world",
)


def read_only_copy(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A copy of ``array`` that refuses to be written."""
    copy = np.array(array)
    copy.setflags(write=False)
    return copy


def in_frame(
    T_world_frame: NDArray[np.float64], joints_world: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``joints_world`` (n, 3), metres, in another frame: summed in the core's order, so that both
    come to the same bits."""
    x, y, z = (joints_world - T_world_frame[:3, 3]).T[..., None]
    rows = T_world_frame[:3, :3]
    return np.asarray(x * rows[0] + y * rows[1] + z * rows[2])


@with_field_docs
@dataclass(frozen=True, eq=False, repr=False)
class Pose:
    """A full-body pose at the time of one frame. The default value is safely INVALID.

    Its arrays are copies and read-only: neither the tracker nor another reader of the same pose
    can change them. Copy one to work on it in place.
    """

    timestamp_ns: int = 0
    """Time of the pose: the frame's mid-exposure time."""
    status: PoseStatus = PoseStatus.INVALID
    """How far the pose can be trusted."""
    reasons: tuple[Reason, ...] = ()
    """Why the status is not VALID; empty when it is."""
    joints_world: NDArray[np.float64] = field(default_factory=lambda: np.zeros((NUM_JOINTS, 3)))
    """(22, 3) metres, world frame, SMPL order (``conventions.JOINT_NAMES``)."""
    joints_cam_left: NDArray[np.float64] = field(default_factory=lambda: np.zeros((NUM_JOINTS, 3)))
    """(22, 3) metres, left-camera frame."""
    joint_confidence: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(NUM_JOINTS, np.float32)
    )
    """(22,) in [0, 1], of the camera that sees the joint best: near 1 seen, near 0.5 in the image
    but hidden, near 0 outside; 0 without images."""
    T_world_cam_left: NDArray[np.float64] = field(default_factory=lambda: np.zeros((4, 4)))
    """(4, 4) left camera to world at ``timestamp_ns``."""
    device_orientations_world: NDArray[np.float64] = field(
        default_factory=lambda: np.zeros((NUM_DEVICES, 4))
    )
    """(5, 4) xyzw, each worn device (``conventions.DEVICES``) to world at ``timestamp_ns``; zeros
    where it is missing. What ``SkeletonSolver`` takes twists from."""
    latency_ns: int = 0
    """Time from the call of ``push`` to this pose."""
    frame_changes: int = 0
    """How often the frame that poses come out in had become another one by then, by ``recentre`` or
    ``reference_space_changed``: the body stays, its numbers jump."""
    skeleton: Skeleton | None = None
    """The body as rotations and constant bones, with ``TrackerOptions.solve_rotations``;
    ``SkeletonSolver`` makes it of any pose."""

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            object.__setattr__(self, name, read_only_copy(getattr(self, name)))

    def __repr__(self) -> str:
        """One line: time, status, reasons, and where pelvis and head are."""
        said = ", ".join([self.status.name, *(reason.name for reason in self.reasons)])
        pelvis, head = (
            "({:.2f}, {:.2f}, {:.2f})".format(*self.joints_world[joint]) for joint in (0, _HEAD)
        )
        return f"Pose({1e-9 * self.timestamp_ns:.3f} s, {said}, pelvis {pelvis} m, head {head} m)"

    @property
    def reason(self) -> Reason | None:
        """The gravest reason, or None when VALID."""
        return self.reasons[0] if self.reasons else None

    def with_joints(self, joints_world: NDArray[np.float64]) -> "Pose":
        """The pose with other joints, (22, 3) metres, world; without a skeleton."""
        joints_cam_left = in_frame(self.T_world_cam_left, joints_world)
        return replace(
            self, joints_world=joints_world, joints_cam_left=joints_cam_left, skeleton=None
        )

    @property
    def rotations_world(self) -> NDArray[np.float64] | None:
        """(22, 4) xyzw, T-pose to world, of ``skeleton``."""
        return None if self.skeleton is None else self.skeleton.rotations_world

    @property
    def rotations_local(self) -> NDArray[np.float64] | None:
        """(22, 4) xyzw, joint to its parent, of ``skeleton``; the pelvis's is to the world."""
        return None if self.skeleton is None else self.skeleton.rotations_local

    @property
    def bone_lengths_m(self) -> NDArray[np.float64] | None:
        """(22,) from each joint's parent, constant per user, of ``skeleton``."""
        return None if self.skeleton is None else self.skeleton.bone_lengths_m

    @property
    def root(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """The pelvis of ``skeleton``: (3,) metres and (4,) xyzw, world."""
        return None if self.skeleton is None else self.skeleton.root
