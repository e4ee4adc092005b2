"""A captured clip on its own skeleton, as any of the readers returns it."""

import codecs
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_engines.files.regular_files import open_regular

MAX_JOINTS = 512
MAX_FRAMES = 10_000_000
Read = TypeVar("Read")


@dataclass(frozen=True)
class SkeletonClip:
    """One motion capture clip in its file's own joints, units and axes."""

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
    moved: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    """Joints whose offset changes: joint to (frames, 3) offsets from the parent, file units."""
    ends: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    """Joints that end in nothing: joint to (3,) offset of that end, file units."""

    @property
    def frames(self) -> int:
        return len(self.root_positions)

    def poses(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World (frames, joints, 3) positions and (frames, joints, 4) rotations xyzw."""
        turned: list[Rotation] = []
        placed: list[NDArray[np.float64]] = []
        for joint, parent in enumerate(self.parents):
            local = Rotation.from_quat(self.rotations_xyzw[:, joint])
            if parent < 0:
                turned.append(local)
                placed.append(self.root_positions)
            else:
                offset = self.moved.get(joint, self.offsets[joint])
                turned.append(turned[parent] * local)
                placed.append(placed[parent] + turned[parent].apply(offset))
        return np.stack(placed, axis=1), np.stack([r.as_quat() for r in turned], axis=1)

    def ancestors(self, joint: int) -> list[int]:
        """The joint and all above it, itself first."""
        path = [joint]
        while self.parents[path[-1]] >= 0:
            path.append(self.parents[path[-1]])
        return path


_MOST_BYTES: Final = 64 << 20
_MOST_LINES: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 20
_LARGEST: Final = 1e9
"""No unit makes a person's places so large; squares of far larger numbers are infinite."""


class Malformed(Exception):
    """What a parser found wrong; ``read_text_file`` adds the file and its kind."""


def read_text_file(path: Path, kind: str, parse: Callable[[list[str]], Read]) -> Read:
    """Run ``parse`` on the lines of a text file, plain or packed with xz.

    Blank lines and a byte order mark are dropped. Raises ``DataError``, naming the file and what
    is wrong in it, for a missing, truncated or malformed file.
    """
    try:
        with open_regular(path) as file, _unpacked(file, path) as plain:
            content = plain.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise Malformed(f"more than {_MOST_BYTES} bytes of text")
        return parse(_lines(content))
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    except Malformed as error:
        raise DataError(f"{path}: not a valid {kind} file: {error}") from None


def _lines(content: bytes) -> list[str]:
    """Those that are not blank. Short ones take many times their size in memory."""
    lines = content.removeprefix(codecs.BOM_UTF8).replace(b"\r", b"\n").split(b"\n", _MOST_LINES)
    if len(lines) > _MOST_LINES or max(map(len, lines)) > _LONGEST_LINE:
        raise Malformed(f"more than {_MOST_LINES} lines, or one of over {_LONGEST_LINE} bytes")
    # Joint names may be in another encoding; the numbers are not.
    decoded = (line.decode(errors="replace") for line in lines)
    return [line for line in decoded if line.strip()]  # text has more kinds of blanks than bytes


def _unpacked(file: IO[bytes], path: Path) -> IO[bytes]:
    return lzma.open(file) if path.suffix == ".xz" else file


def numbers(words: list[str], what: str, count: int | None = None) -> NDArray[np.float64]:
    """The numbers in ``words``; raises ``Malformed``, with a hint, for what is none or is no
    place or angle of a person."""
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        bad = next(word for word in words if not _is_number(word))
        hint = "; decimal commas? write points" if _is_number(bad.replace(",", ".")) else ""
        raise Malformed(f"{what}: expected numbers, got {bad[:40]!r}{hint}") from None
    if count is not None and len(values) != count:
        raise Malformed(f"{what}: expected {count} numbers, got {len(values)}")
    if not np.isfinite(values).all():
        raise Malformed(f"{what}: non-finite values")
    if (np.abs(values) > _LARGEST).any():
        raise Malformed(f"{what}: expected numbers within {_LARGEST:g}, got larger ones")
    return values


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
