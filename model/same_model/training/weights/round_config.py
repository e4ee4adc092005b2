"""What ``same-train round`` is told; apart from what does it, which needs PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from same_engines.errors import InvalidInputError

_MOST_BITS: Final = 23


@dataclass(frozen=True)
class RoundConfig:
    """Round a checkpoint's weights, so that its bundle packs to half the size.

    Batch normalisations are folded into their convolutions first. Evaluate what comes out: it is
    another checkpoint.
    """

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """Checkpoint that same-train wrote."""
    out: Path
    """Checkpoint to write."""
    bits: int = 10
    """Bits kept of the 23 after a float's leading one; float16 has 10, bfloat16 7."""

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= _MOST_BITS:
            raise InvalidInputError(f"bits: expected 1 to {_MOST_BITS}, got {self.bits}")
