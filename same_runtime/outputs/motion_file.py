"""What motion files share: every pose's skeleton is kept and written when the file is closed."""

from abc import abstractmethod
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_engines.atomic_files import PartialFile, told_disk
from same_engines.errors import RecordingError
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose
from same_runtime.skeleton.quaternions import multiply, rotate
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.skeleton.skeleton import Skeleton

_HEAD: Final = JOINT_NAMES.index("head")
_WAY_TO_HEAD: Final = [JOINT_NAMES.index(n) for n in ("spine1", "spine2", "spine3", "neck", "head")]

ENDS_M: Final = {
    "head": (0.0, 0.18, 0.0),
    "left_wrist": (0.17, 0.0, 0.0),
    "right_wrist": (-0.17, 0.0, 0.0),
    "left_foot": (0.0, 0.0, 0.07),
    "right_foot": (0.0, 0.0, 0.07),
}
"""Where heads, hands and toes end, for the programs' eyes; metres, file axes."""
_BEGUN_ANEW_NS: Final = 1_000_000_000
"""A pose that is earlier by more than this is not late: a clock or a tracker has begun anew."""
_PAUSE_NS: Final = 10_000_000_000
"""Further apart no motion is between two poses: somebody paused, or a clock jumped."""
_ONE_STEP_NS: Final = 16_666_667
"""From one pose to the next, where no two tell."""


class _Kept(NamedTuple):
    timestamp_ns: int
    section: int
    """How often stamps had begun anew."""
    head: NDArray[np.float32]
    local: NDArray[np.float32]


class Motion(NamedTuple):
    """n poses of one skeleton in file axes: y up, the T-pose faces +z, left at +x."""

    times_ns: NDArray[np.int64]
    """(n,), rising."""
    offsets_m: NDArray[np.float64]
    """(22, 3) from each joint's parent in the T-pose."""
    roots_m: NDArray[np.float64]
    """(n, 3) of the pelvis."""
    rotations: NDArray[np.float64]
    """(n, 22, 4) xyzw, joint to its parent."""


class MotionClip:
    """Collects the skeletons of poses that follow each other; ``most``: only the newest so many.
    Where their stamps begin anew or leave out over 10 s the motion goes on at once. For one thread
    at a time."""

    def __init__(self, most: int | None = None) -> None:
        self._offsets_m = REST_OFFSETS_M
        self._poses: deque[_Kept] = deque(maxlen=most)

    def add(self, skeleton: Skeleton) -> bool:
        """Take one more; False, and nothing changes, where it is no later than the last."""
        section = 0
        if self._poses:
            late_ns = self._poses[-1].timestamp_ns - skeleton.timestamp_ns
            if 0 <= late_ns <= _BEGUN_ANEW_NS:
                return False
            section = self._poses[-1].section + (late_ns > 0)
        self._offsets_m = skeleton.offsets_m
        head, local = skeleton.joints_world[_HEAD], skeleton.rotations_local
        self._poses.append(
            _Kept(skeleton.timestamp_ns, section, head.astype(np.float32), local.astype(np.float32))
        )
        return True

    def between(self, from_ns: int, to_ns: int) -> "MotionClip":
        """A clip of the poses from and to these times since stamps last began anew, which another
        thread may use."""
        part = MotionClip()
        part._offsets_m = self._offsets_m
        part._poses.extend(
            pose
            for pose in self._poses
            if pose.section == self._poses[-1].section and from_ns <= pose.timestamp_ns <= to_ns
        )
        return part

    def motion(self) -> Motion | None:
        """The poses; None where there are none."""
        if not self._poses:
            return None
        stamps, _, heads, locals_ = zip(*self._poses, strict=True)
        times = np.array(stamps)
        steps = np.diff(times)
        goes_on = (steps > 0) & (steps <= _PAUSE_NS)
        step_ns = np.median(steps[goes_on]) if goes_on.any() else _ONE_STEP_NS
        for first in np.flatnonzero(~goes_on) + 1:
            times[first:] += times[first - 1] + round(step_ns) - times[first]
        # One skeleton for all: the newest is the user's as measured.
        offsets, local = self._offsets_m, np.stack(locals_).astype(np.float64)
        local /= np.linalg.norm(local, axis=-1, keepdims=True)
        roots = np.stack(heads) - _head_from_root(local, offsets)
        return Motion(
            times,
            _facing_plus_z(offsets),
            _facing_plus_z(roots),
            local * (-1.0, 1.0, -1.0, 1.0),
        )


class MotionFile(Output):
    """Writes every pose that has a body, when it is closed; without any there is no file. Raises
    ``RecordingError`` where the file cannot be written."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(str(path))
        self._solver = SkeletonSolver()
        self._clip = MotionClip()
        with self._told_disk():
            self._file = PartialFile(Path(path))
            self._file.partial.touch()

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        return skeleton is not None and self._clip.add(skeleton)

    def _close(self) -> None:
        try:
            motion = self._clip.motion()
            if motion is not None:
                with self._told_disk():
                    self._file.partial.write_bytes(self._content(motion))
                    self._file.commit()
        finally:
            self._file.discard()

    @abstractmethod
    def _content(self, motion: Motion) -> bytes:
        """The file."""

    def _told_disk(self) -> AbstractContextManager[None]:
        return told_disk(RecordingError, self.name, "choose another place")


def _head_from_root(
    local: NDArray[np.float64], offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 3) from the root to the head, world axes, of local rotations (n, 22, 4)."""
    turned, place = local[:, 0], np.zeros((len(local), 3))
    for joint in _WAY_TO_HEAD:
        place = place + rotate(turned, offsets[joint])
        turned = multiply(turned, local[:, joint])
    return place


def _facing_plus_z(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half a turn about y: from a T-pose that faces -z."""
    return np.asarray(vectors * (-1.0, 1.0, -1.0))
