"""Where the tracker for other languages is: the shared library and header of the C ABI."""

import sys
from pathlib import Path

from same_runtime import _core

_HERE = Path(_core.__file__).parent / "native"


def library_path() -> Path:
    """The shared library of ``same.h`` that this package brings, for C, C++, C# and others."""
    name = {"win32": "same.dll", "darwin": "libsame.dylib"}.get(sys.platform, "libsame.so")
    return _HERE / name


def include_path() -> Path:
    """The folder to compile against: it holds ``same/same.h``."""
    return _HERE / "include"
