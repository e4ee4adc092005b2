"""Reading BVH motion capture files, plain or packed with xz."""

import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError

_MAX_JOINTS = 512


@dataclass(frozen=True)
class BvhClip:
    """One motion capture clip in its file's own units and axes (y up in the clips we read)."""

    names: tuple[str, ...]
    """Joint names, parents before children."""
    parents: tuple[int, ...]
    """Index of each joint's parent; -1 for the root."""
    offsets: NDArray[np.float64]
    """(joints, 3) rest offset from the parent, file units."""
    root_positions: NDArray[np.float64]
    """(frames, 3) file units."""
    rotations_xyzw: NDArray[np.float64]
    """(frames, joints, 4) unit quaternions, joint to parent."""
    fps: float
    """Frames per second."""

    def global_rotations(self) -> NDArray[np.float64]:
        """(frames, joints, 4) unit quaternions xyzw, joint to the file's world."""
        turned: list[Rotation] = []
        for joint, parent in enumerate(self.parents):
            local = Rotation.from_quat(self.rotations_xyzw[:, joint])
            turned.append(local if parent < 0 else turned[parent] * local)
        return np.stack([r.as_quat() for r in turned], axis=1)


def read_bvh(path: Path) -> BvhClip:
    """Read one ``.bvh`` or ``.bvh.xz`` file.

    Raises ``DataError``, naming the file and what is wrong in it, for a missing, truncated or
    malformed file.
    """
    path = Path(path)
    try:
        with lzma.open(path, "rt") if path.suffix == ".xz" else open(path) as text:
            return _parse(text)
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    except _Malformed as error:
        raise DataError(f"{path}: not a valid BVH file: {error}") from None


class _Malformed(Exception):
    pass


def _numbers(words: list[str], count: int, what: str) -> list[float]:
    try:
        values = [float(w) for w in words]
    except ValueError:
        raise _Malformed(f"{what}: expected numbers, got {' '.join(words)[:60]!r}") from None
    if len(values) != count:
        raise _Malformed(f"{what}: expected {count} numbers, got {len(values)}")
    return values


def _parse(text: TextIO) -> BvhClip:
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int] = []
    pending = -1
    in_end_site = False
    if text.readline().strip() != "HIERARCHY":
        raise _Malformed("expected HIERARCHY in the first line")
    for line in text:
        words = line.split()
        if not words:
            continue
        key = words[0]
        if key in ("ROOT", "JOINT"):
            if len(words) < 2 or (key == "ROOT") != (not names) or len(names) >= _MAX_JOINTS:
                raise _Malformed(f"unexpected {line.strip()[:60]!r}")
            names.append(words[1])
            parents.append(stack[-1] if stack else -1)
            offsets.append([0.0, 0.0, 0.0])
            channels.append([])
            pending = len(names) - 1
        elif key == "End":
            in_end_site = True
            pending = stack[-1] if stack else -1
        elif key == "{":
            if pending < 0:
                raise _Malformed("'{' without a joint")
            stack.append(pending)
        elif key == "}":
            if not stack:
                raise _Malformed("'}' without '{'")
            stack.pop()
            in_end_site = False
        elif key == "OFFSET":
            values = _numbers(words[1:], 3, "OFFSET")
            if stack and not in_end_site:
                offsets[stack[-1]] = values
        elif key == "CHANNELS":
            if not stack or len(words) < 2 or words[1] != str(len(words) - 2):
                raise _Malformed(f"unexpected {line.strip()[:60]!r}")
            channels[stack[-1]] = words[2:]
        elif key == "MOTION":
            break
        else:
            raise _Malformed(f"unexpected {line.strip()[:60]!r}")
    else:
        raise _Malformed("no MOTION section")
    if not names or stack:
        raise _Malformed("unbalanced hierarchy")

    frames_line, time_line = text.readline().split(), text.readline().split()
    if frames_line[:1] != ["Frames:"] or time_line[:2] != ["Frame", "Time:"]:
        raise _Malformed("expected 'Frames:' and 'Frame Time:' after MOTION")
    frames = int(_numbers(frames_line[1:], 1, "Frames")[0])
    frame_time = _numbers(time_line[2:], 1, "Frame Time")[0]
    if frames < 1 or not 1e-4 < frame_time < 1.0:
        raise _Malformed(f"expected frames >= 1 and a sane frame time, got {frames}, {frame_time}")
    width = sum(len(c) for c in channels)
    try:
        motion = np.array(text.read().split(), dtype=np.float64)
    except ValueError as error:
        raise _Malformed(f"motion: {error}") from None
    if motion.size != frames * width:
        raise _Malformed(
            f"motion: expected {frames} frames of {width} values, got {motion.size} values"
        )
    if not np.isfinite(motion).all():
        raise _Malformed("motion: non-finite values")
    motion = motion.reshape(frames, width)

    positions = np.tile(np.array(offsets[0]), (frames, 1))
    rotations = np.empty((frames, len(names), 4))
    column = 0
    for joint, wanted in enumerate(channels):
        order, angles = "", []
        for name in wanted:
            axis, kind = name[:1].upper(), name[1:]
            if axis not in ("X", "Y", "Z") or kind not in ("position", "rotation"):
                raise _Malformed(f"unknown channel {name[:40]!r}")
            if kind == "rotation":
                order += axis
                angles.append(motion[:, column])
            elif joint == 0:
                positions[:, "XYZ".index(axis)] = motion[:, column]
            column += 1
        if len(set(order)) != len(order):
            raise _Malformed(f"joint {names[joint]}: repeated rotation channel")
        rotations[:, joint] = (
            Rotation.from_euler(order, np.stack(angles, axis=1), degrees=True).as_quat()
            if order
            else (0.0, 0.0, 0.0, 1.0)
        )
    return BvhClip(
        tuple(names), tuple(parents), np.array(offsets), positions, rotations, 1.0 / frame_time
    )
