"""NumPy's files from others: the header in the one form that NumPy writes, then plain numbers.

NumPy's own reader runs a Python tokenizer over the header and raises whatever that raises.
"""

import re
import struct
import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import DataError
from same_engines.files.regular_files import open_regular

NUMBER_TYPES: Final = frozenset(
    f"{kind}{size}"
    for kind, sizes in {"f": "248", "i": "1248", "u": "1248", "b": "1"}.items()
    for size in sizes
)
"""Kind and bytes of the elements that data of others may have: plain numbers."""

_MAGIC: Final = b"\x93NUMPY"
_MOST_HEADER_BYTES: Final = 4096
_MOST_DIMENSIONS: Final = 8
_HEADER: Final = re.compile(
    rb"\{'descr': '([<>|=])([a-zA-Z]\d*)', 'fortran_order': (True|False), "
    rb"'shape': \(([\d, ]{0,200})\), \} *\n"
)
_TEXT: Final = re.compile(r"<U\d{1,2}")
_MOST_UNPACKED_BYTES: Final = 128 << 20
"""Of a ``.npz`` file's arrays together, beyond the size of the file itself."""


def read_header(file: IO[bytes]) -> tuple[str, bool, tuple[int, ...]]:
    """Element type (as ``<f4``), whether in Fortran's order, and shape of the ``.npy`` file; the
    data follow. Raises ``DataError``."""
    start = file.read(8)
    if len(start) < 8 or start[:6] != _MAGIC or start[6] not in (1, 2) or start[7] != 0:
        raise DataError("not a npy file")
    form = "<H" if start[6] == 1 else "<I"
    length = file.read(struct.calcsize(form))
    if len(length) < struct.calcsize(form):
        raise DataError("not a npy file (truncated)")
    (size,) = struct.unpack(form, length)
    match = _HEADER.fullmatch(file.read(min(size, _MOST_HEADER_BYTES)))
    if match is None:
        raise DataError("not a npy file (its header is not one that NumPy writes)")
    order, kind, fortran, listed = (part.decode() for part in match.groups())
    sizes = [part.strip() for part in listed.split(",")]
    if sizes[-1] == "":
        sizes.pop()
    if len(sizes) > _MOST_DIMENSIONS or not all(
        part.isdecimal() and len(part) < 16 for part in sizes
    ):
        raise DataError(f"not a npy file (shape {listed:.40})")
    return order + kind, fortran == "True", tuple(map(int, sizes))


def load_array(path: Path, in_memory: bool = False) -> NDArray[Any]:
    """The numbers in a ``.npy`` file, read-only: mapped, or with ``in_memory`` read.

    Raises ``DataError`` for a missing or damaged file and for anything but numbers.
    """
    try:
        with open_regular(path) as file:
            kind, fortran, shape = read_header(file)
            at = file.tell()
            dtype = number_type(kind)
            have = file.seek(0, 2) - at
            if have != prod(shape) * dtype.itemsize:
                raise DataError(f"{have} bytes of data for {shape} of {kind}")
            order: Any = "F" if fortran else "C"
            if have and not in_memory:
                return np.memmap(file, dtype, "r", at, shape, order)
            file.seek(at)
            return np.frombuffer(file.read(have), dtype).reshape(shape, order=order)
    except OSError as error:
        raise DataError(f"{path}: missing or damaged ({error.strerror or error})") from None
    except DataError as error:
        raise DataError(f"{path}: missing or damaged ({error})") from None


def number_type(kind: str) -> np.dtype[Any]:
    """The dtype named ``kind``, such as ``<f4``. Raises ``DataError`` unless it is a number's."""
    if kind.lstrip("<>=|") not in NUMBER_TYPES or len(kind) > 3:
        raise DataError(f"elements of type {kind:.40}; expected plain numbers")
    return np.dtype(kind)


def load_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays ``names`` of a ``.npz`` file, of numbers or text, those that it has. Raises
    ``DataError``."""
    found: dict[str, NDArray[Any]] = {}
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            left = _MOST_UNPACKED_BYTES + file.seek(0, 2)
            for name in names:
                if f"{name}.npy" not in archive.namelist():
                    continue
                with archive.open(f"{name}.npy") as member:
                    kind, fortran, shape = read_header(member)
                    dtype = np.dtype(kind) if _TEXT.fullmatch(kind) else number_type(kind)
                    size = prod(shape) * dtype.itemsize
                    left -= size
                    if left < 0:
                        raise DataError(f"{name}: {size} bytes are too many for such a file")
                    data = member.read(size + 1)
                if len(data) != size:
                    raise DataError(f"{name}: {len(data)} bytes of data for {shape} of {kind}")
                order: Any = "F" if fortran else "C"
                found[name] = np.frombuffer(data, dtype).reshape(shape, order=order)
    except DataError as error:
        raise DataError(f"{path}: damaged ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: missing or damaged ({error.strerror or error})") from None
    except Exception as error:  # a damaged archive raises many kinds
        raise DataError(f"{path}: damaged ({type(error).__name__}: {error})") from None
    return found
