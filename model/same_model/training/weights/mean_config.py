"""What ``same-train mean`` is told; apart from what does it, which needs PyTorch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from same_engines.errors import InvalidInputError

StageOfWeights = Literal["visual", "inertial", "fusion", "temporal"]


@dataclass(frozen=True)
class MeanConfig:
    """Average the weights of checkpoints that began at the same ones, stage by stage.

    A point on the way from old weights to new ones keeps most of what either knows. Evaluate what
    comes out: it is another checkpoint.
    """

    checkpoints: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Two or more checkpoints of one network."""
    out: Path
    """Checkpoint to write."""
    shares: tuple[float, ...] = ()
    """How much each one counts, summing to 1; alike unless given."""
    stages: tuple[StageOfWeights, ...] = ()
    """The stages to average, the others as in the first checkpoint; all unless given."""

    def __post_init__(self) -> None:
        count = len(self.checkpoints)
        if count < 2:
            raise InvalidInputError(f"checkpoints: expected two or more, got {count}")
        if not self.shares:
            return
        whole = math.isclose(sum(self.shares), 1.0, abs_tol=1e-6)
        if len(self.shares) != count or not whole or min(self.shares) < 0:
            raise InvalidInputError(
                f"shares: expected {count} numbers of at least 0 that sum to 1, one for each "
                "checkpoint, got "
                f"{' '.join(f'{share:g}' for share in self.shares)}"
            )
