"""A reader under attack."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

BUNDLE: Final = Path(__file__).resolve().parents[3] / "tests" / "fixtures" / "tiny.same"


@dataclass(frozen=True)
class Target:
    """``make`` gives a changed file; ``read`` reads the file at a path as the SDK would, and
    raises ``SameError`` kinds only."""

    make: Callable[[Random], bytes]
    read: Callable[[Path], object]
    suffix: str = ""
