"""What motion files share: every pose's skeleton is kept and written when the file is closed."""

from abc import abstractmethod
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_engines.atomic_files import PartialFile
from same_engines.errors import RecordingError
from same_runtime.conventions import JOINT_NAMES
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose
from same_runtime.skeleton.quaternions import multiply, rotate
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M
from same_runtime.skeleton.rotations import SkeletonSolver

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


class MotionFile(Output):
    """Writes every pose that has a body, when it is closed; without any there is no file. Raises
    ``RecordingError`` where the file cannot be written."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(str(path))
        self._solver = SkeletonSolver()
        self._offsets_m = REST_OFFSETS_M
        self._times_ns: list[int] = []
        self._heads: list[NDArray[np.float64]] = []
        self._locals: list[NDArray[np.float64]] = []
        self._file = PartialFile(Path(path))
        try:
            self._file.partial.touch()
        except OSError as error:
            raise self._unwritable(error) from None

    def _send(self, pose: Pose) -> bool:
        skeleton = self._solver.solve(pose)
        if skeleton is None or (self._times_ns and pose.timestamp_ns <= self._times_ns[-1]):
            return False
        self._offsets_m = skeleton.offsets_m
        self._times_ns.append(skeleton.timestamp_ns)
        self._heads.append(skeleton.joints_world[_HEAD])
        self._locals.append(skeleton.rotations_local)
        return True

    def _close(self) -> None:
        try:
            if self._times_ns:
                self._file.partial.write_bytes(self._content(self._motion()))
                self._file.commit()
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            self._file.discard()

    @abstractmethod
    def _content(self, motion: Motion) -> bytes:
        """The file."""

    def _motion(self) -> Motion:
        # One skeleton for the whole file: the newest is the user's as measured.
        offsets, local = self._offsets_m, np.stack(self._locals)
        roots = np.stack(self._heads) - _head_from_root(local, offsets)
        return Motion(
            np.array(self._times_ns),
            _facing_plus_z(offsets),
            _facing_plus_z(roots),
            local * (-1.0, 1.0, -1.0, 1.0),
        )

    def _unwritable(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"{self.name}: cannot be written ({error.strerror}); choose another place"
        )


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
