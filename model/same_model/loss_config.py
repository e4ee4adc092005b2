"""Weights of the training losses, which commands read without PyTorch."""

from dataclasses import dataclass
from typing import Literal

from same_engines.field_checks import check_ranges
from same_runtime.cli.option_types import Flag

ErrorForm = Literal["squared", "distance"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of Eq. 11 (the paper does not print its own)."""

    local: float = 1.0
    """lambda_L; for fusion from images (``end_to_end``) the weight of its error beside the visual
    stage's loss: for ``distance`` some 20."""
    anchor: float = 1.0
    """lambda_G."""
    ground: float = 1.0
    """lambda_ground; 0 switches the ground-penetration loss off (Table 4)."""
    form: ErrorForm = "squared"
    """``squared``: the paper's mean squared coordinates; ``distance``: the metric itself, which
    rare large errors dominate less. Weigh ``ground`` some 30 times more with it."""
    steady: float = 0.0
    """Temporal stage: weight of the error of accelerations, in metres per square of a thirtieth of
    a second, between the newest rows of four windows that follow each other, which is what a stream
    shows; 0: windows are drawn one by one, and nothing says that one's joints go on from the
    last's. For ``distance`` some 0.5."""
    standing: float = 0.0
    """Temporal stage: weight of the error of the velocities, in metres per thirtieth of a second,
    of toes that truly stand, in the same windows; for ``distance`` some 0.7."""
    lowest: float = 0.0
    """Temporal stage: weight of the error of the lowest joint's height in the newest rows, metres;
    for ``distance`` some 0.3."""
    late: float = 0.0
    """Temporal stage: weight of the metres that the newest rows of a batch lie behind, or ahead,
    along their motion, each joint by itself; for ``distance`` some 0.1."""
    legs: float = 1.0
    """Visual stage: how many times the 2D joints of the lower body count."""
    deep_supervision: Flag = True
    """Average the local loss over every iteration's joints instead of the last's only."""

    def __post_init__(self) -> None:
        weight = (0.0, 1e6)
        check_ranges(self, local=weight, anchor=weight, ground=weight, steady=weight)
        check_ranges(self, standing=weight, lowest=weight, late=weight, legs=weight)
