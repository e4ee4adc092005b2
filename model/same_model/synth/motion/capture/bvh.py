"""Reading BVH motion capture files, plain or packed with xz.

Any hierarchy, any channels in any order on any joint. PyPI's readers do less: ``pybvh`` takes three
rotations on every joint and nothing else, ``bvhio`` is slower and has no word for a damaged file.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.synth.motion.capture.skeleton import (
    MAX_FRAMES,
    MAX_JOINTS,
    Malformed,
    SkeletonClip,
    numbers,
    read_text_file,
)


def read_bvh(path: Path) -> SkeletonClip:
    """Read one ``.bvh`` or ``.bvh.xz`` file.

    Raises ``DataError``, naming the file and what is wrong in it, for a missing, truncated or
    malformed file.
    """
    return read_text_file(Path(path), "BVH", _parse)


class _Hierarchy:
    """The joints, filled line by line."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[NDArray[np.float64]] = []
        self.channels: list[list[str]] = []
        self.ends: dict[int, NDArray[np.float64]] = {}
        self._stack: list[int] = []
        self._pending = -1
        self._in_end = False

    def take(self, line: str) -> None:
        """Read one line before MOTION."""
        key, *words = line.split()
        match key.upper():
            case "ROOT" | "JOINT":
                self._joint(key.upper(), words)
            case "END":
                self._in_end = True
                self._pending = self._top("End Site")
            case "{":
                if self._pending < 0:
                    raise Malformed("'{' without a joint")
                self._stack.append(self._pending)
                self._pending = -1
            case "}":
                self._top("'}'")
                self._stack.pop()
                self._in_end = False
            case "OFFSET":
                joint, offset = self._top("OFFSET"), numbers(words, "OFFSET", 3)
                if self._in_end:
                    self.ends[joint] = offset
                else:
                    self.offsets[joint] = offset
            case "CHANNELS":
                joint = self._top("CHANNELS")
                if not words or words[0] != str(len(words) - 1):
                    raise Malformed(f"unexpected {line.strip()[:60]!r}")
                self.channels[joint] = words[1:]
            case _:
                raise Malformed(f"unexpected {line.strip()[:60]!r}")

    def close(self) -> None:
        if not self.names or self._stack:
            raise Malformed("unbalanced hierarchy")

    def _top(self, what: str) -> int:
        if not self._stack:
            raise Malformed(f"{what} outside a joint")
        return self._stack[-1]

    def _joint(self, key: str, words: list[str]) -> None:
        if not words:
            raise Malformed(f"{key} without a name")
        if key == "ROOT" and self.names:
            raise Malformed(f"a second ROOT {words[0][:40]!r}: expected one figure per file")
        if key == "JOINT" and not self._stack:
            raise Malformed(f"JOINT {words[0][:40]!r} outside the ROOT")
        if len(self.names) >= MAX_JOINTS:
            raise Malformed(f"expected at most {MAX_JOINTS} joints, got more")
        self.names.append(" ".join(words))
        self.parents.append(self._stack[-1] if self._stack else -1)
        self.offsets.append(np.zeros(3))
        self.channels.append([])
        self._pending = len(self.names) - 1


def _parse(lines: list[str]) -> SkeletonClip:
    if not lines or lines[0].split()[0].upper() != "HIERARCHY":
        raise Malformed("expected HIERARCHY in the first line")
    tree = _Hierarchy()
    rest = iter(lines[1:])
    for line in rest:
        if line.split()[0].upper() == "MOTION":
            break
        tree.take(line)
    else:
        raise Malformed("no MOTION section")
    tree.close()
    fps, motion = _motion(list(rest), sum(len(c) for c in tree.channels))
    return _clip(tree, fps, motion)


def _motion(lines: list[str], width: int) -> tuple[float, NDArray[np.float64]]:
    """Frames per second and (frames, width) channel values."""
    head = [line.split() for line in lines[:2]]
    if len(head) < 2 or head[0][:1] != ["Frames:"] or head[1][:2] != ["Frame", "Time:"]:
        raise Malformed("expected 'Frames:' and 'Frame Time:' after MOTION")
    count = float(numbers(head[0][1:], "Frames", 1)[0])
    frame_time = float(numbers(head[1][2:], "Frame Time", 1)[0])
    if not 1 <= count <= MAX_FRAMES or count != int(count):
        raise Malformed(f"Frames: expected a whole number from 1 on, got {head[0][1]}")
    if not 1e-4 < frame_time < 1.0:
        raise Malformed(f"expected a frame time of 0.0001 to 1 s, got {frame_time:g}")
    values = numbers(" ".join(lines[2:]).split(), "motion")
    if values.size != count * width:
        raise Malformed(
            f"motion: expected {int(count)} frames of {width} values, got {values.size} values"
        )
    return 1.0 / frame_time, values.reshape(int(count), width)


def _clip(tree: _Hierarchy, fps: float, motion: NDArray[np.float64]) -> SkeletonClip:
    rotations = np.empty((len(motion), len(tree.names), 4))
    moved: dict[int, NDArray[np.float64]] = {}
    column = 0
    for joint, wanted in enumerate(tree.channels):
        order = ""
        angles: list[NDArray[np.float64]] = []
        for name in wanted:
            axis, kind = name[:1].upper(), name[1:].lower()
            if axis not in ("X", "Y", "Z") or kind not in ("position", "rotation"):
                raise Malformed(f"unknown channel {name[:40]!r}")
            if kind == "rotation":
                order += axis
                angles.append(motion[:, column])
            else:
                place = moved.setdefault(joint, np.tile(tree.offsets[joint], (len(motion), 1)))
                place[:, "XYZ".index(axis)] = motion[:, column]
            column += 1
        if len(set(order)) != len(order):
            raise Malformed(f"joint {tree.names[joint]}: repeated rotation channel")
        rotations[:, joint] = (
            Rotation.from_euler(order, np.stack(angles, axis=1), degrees=True).as_quat()
            if order
            else (0.0, 0.0, 0.0, 1.0)
        )
    roots = moved.pop(0, np.tile(tree.offsets[0], (len(motion), 1)))
    for joint, place in moved.items():
        # Some writers store what is added to the offset instead of the offset itself.
        length = float(np.linalg.norm(tree.offsets[joint]))
        if float(np.linalg.norm(place, axis=1).mean()) < 0.1 * length:
            moved[joint] = place + tree.offsets[joint]
    names, parents = tuple(tree.names), tuple(tree.parents)
    offsets = np.array(tree.offsets)
    return SkeletonClip(names, parents, offsets, roots, rotations, fps, moved, tree.ends)
