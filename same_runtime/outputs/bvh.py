"""BVH motion files, for Blender, Maya, MotionBuilder and game engines."""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.field_checks import checked_number
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs.motion_file import ENDS_M, Motion, MotionFile

_EULER_ORDER: Final = "ZXY"
CENTIMETRES: Final = 100.0
"""Units a metre."""


def _depth_first(joint: int) -> list[int]:
    children = [child for child, parent in enumerate(JOINT_PARENTS) if parent == joint]
    return [joint, *(below for child in children for below in _depth_first(child))]


_COLUMNS: Final = _depth_first(0)
"""The joints in the order in which the file's hierarchy names them."""


class BvhFile(MotionFile):
    """Writes every pose that has a body into a BVH file, when it is closed.

    File axes are what programs expect: y up, the T-pose faces +z, left at +x; ``scale`` units a
    metre (100: centimetres). Frames are evenly spaced at the median spacing of the poses; where a
    pose is missing the nearest one stands, and after over 10 s without one the motion goes on at
    once. Raises ``RecordingError`` where the file cannot be written. Without any pose no file is
    written.
    """

    def __init__(self, path: str | Path, scale: float = CENTIMETRES) -> None:
        self._scale = checked_number("scale", scale, 1e-3, 1e5, "units a metre")
        super().__init__(path)

    def _content(self, motion: Motion) -> bytes:
        return bvh_of(motion, self._scale)


def bvh_of(motion: Motion, scale: float = CENTIMETRES) -> bytes:
    """``motion`` as a BVH file; see ``BvhFile``."""
    chosen, frame_s = _even_frames(motion.times_ns)
    rotations = motion.rotations[chosen][:, _COLUMNS]
    angles = Rotation.from_quat(rotations.reshape(-1, 4)).as_euler(_EULER_ORDER, degrees=True)
    places = motion.roots_m[chosen] * scale
    rows = np.concatenate((places, angles.reshape(len(chosen), -1)), axis=1)
    lines = ["HIERARCHY", *_hierarchy(0, motion.offsets_m * scale, scale, "")]
    lines += ["MOTION", f"Frames: {len(chosen)}", f"Frame Time: {frame_s:.8f}"]
    lines += [_numbers(row) for row in rows]
    return "\n".join([*lines, ""]).encode()


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
    if name in ENDS_M:
        end = _numbers(scale * np.array(ENDS_M[name]))
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  OFFSET {end}", f"{inner}}}"]
    return [*lines, f"{indent}}}"]


def _numbers(numbers: NDArray[np.float64]) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
