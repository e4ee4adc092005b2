"""BVH motion files, for Blender, Maya, MotionBuilder and game engines."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.atomic_files import PartialFile
from same_engines.errors import RecordingError
from same_engines.field_checks import checked_number
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs.output import Output
from same_runtime.pose import Pose
from same_runtime.skeleton.quaternions import multiply, rotate
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M
from same_runtime.skeleton.rotations import SkeletonSolver

_HEAD: Final = JOINT_NAMES.index("head")
_ENDS_M: Final = {
    "head": (0.0, 0.18, 0.0),
    "left_wrist": (0.17, 0.0, 0.0),
    "right_wrist": (-0.17, 0.0, 0.0),
    "left_foot": (0.0, 0.0, 0.07),
    "right_foot": (0.0, 0.0, 0.07),
}
"""Where heads, hands and toes end, for the programs' eyes; file axes."""
_EULER_ORDER: Final = "ZXY"
_WAY_TO_HEAD: Final = [JOINT_NAMES.index(n) for n in ("spine1", "spine2", "spine3", "neck", "head")]


def _depth_first(joint: int) -> list[int]:
    children = [child for child, parent in enumerate(JOINT_PARENTS) if parent == joint]
    return [joint, *(below for child in children for below in _depth_first(child))]


_COLUMNS: Final = _depth_first(0)
"""The joints in the order in which the file's hierarchy names them."""


class BvhFile(Output):
    """Writes every pose that has a body into a BVH file, when it is closed.

    File axes are what programs expect: y up, the T-pose faces +z, left at +x; ``scale`` units a
    metre (100: centimetres). Frames are evenly spaced at the median spacing of the poses; where a
    pose is missing the nearest one stands. Raises ``RecordingError`` where the file cannot be
    written. Without any pose no file is written.
    """

    def __init__(self, path: str | Path, scale: float = 100.0) -> None:
        super().__init__(str(path))
        self._scale = checked_number("scale", scale, 1e-3, 1e5, "units a metre")
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
        if skeleton is None:
            return False
        self._offsets_m = skeleton.offsets_m
        self._times_ns.append(skeleton.timestamp_ns)
        self._heads.append(skeleton.joints_world[_HEAD])
        self._locals.append(skeleton.rotations_local)
        return True

    def _close(self) -> None:
        try:
            if self._times_ns:
                self._file.partial.write_text(self._text())
                self._file.commit()
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            self._file.discard()

    def _text(self) -> str:
        # One skeleton for the whole file: the newest is the user's as measured.
        offsets, local = self._offsets_m, np.stack(self._locals)
        roots = np.stack(self._heads) - _head_from_root(local, offsets)
        chosen, frame_s = _even_frames(np.array(self._times_ns))
        flipped = local[chosen][:, _COLUMNS] * (-1.0, 1.0, -1.0, 1.0)
        angles = Rotation.from_quat(flipped.reshape(-1, 4)).as_euler(_EULER_ORDER, degrees=True)
        places = _facing_plus_z(roots[chosen]) * self._scale
        rows = np.concatenate((places, angles.reshape(len(chosen), -1)), axis=1)
        skeleton = _hierarchy(0, _facing_plus_z(offsets) * self._scale, self._scale, "")
        lines = ["HIERARCHY", *skeleton]
        lines += ["MOTION", f"Frames: {len(chosen)}", f"Frame Time: {frame_s:.8f}"]
        lines += [_numbers(row) for row in rows]
        return "\n".join([*lines, ""])

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


def _even_frames(times_ns: NDArray[np.int64]) -> tuple[NDArray[np.intp], float]:
    """The pose nearest to each frame's time, and the time between frames, seconds."""
    step_ns = max(float(np.median(np.diff(times_ns))), 1e6) if len(times_ns) > 1 else 1e9 / 60.0
    count = 1 + round((times_ns[-1] - times_ns[0]) / step_ns)
    wanted = times_ns[0] + np.arange(count) * step_ns
    after = np.clip(np.searchsorted(times_ns, wanted), 1, max(len(times_ns) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(times_ns) - 1)
    nearer = np.abs(times_ns[after] - wanted) < np.abs(times_ns[before] - wanted)
    return np.where(nearer, after, before), 1e-9 * step_ns


def _facing_plus_z(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half a turn about y: from a T-pose that faces -z."""
    return np.asarray(vectors * (-1.0, 1.0, -1.0))


def _hierarchy(joint: int, offsets: NDArray[np.float64], scale: float, indent: str) -> list[str]:
    """The lines of ``joint`` and all below it, in the order of the motion's columns."""
    name, inner = JOINT_NAMES[joint], indent + "  "
    kind, places = ("ROOT", "6 Xposition Yposition Zposition") if joint == 0 else ("JOINT", "3")
    lines = [
        f"{indent}{kind} {name}",
        f"{indent}{{",
        f"{inner}OFFSET {_numbers(offsets[joint])}",
        f"{inner}CHANNELS {places} " + " ".join(f"{axis}rotation" for axis in _EULER_ORDER),
    ]
    for child, parent in enumerate(JOINT_PARENTS):
        if parent == joint:
            lines += _hierarchy(child, offsets, scale, inner)
    if name in _ENDS_M:
        end = _numbers(scale * np.array(_ENDS_M[name]))
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {end}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]


def _numbers(numbers: NDArray[np.float64]) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
