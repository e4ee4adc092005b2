"""What the loop needs of a training stage."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor, nn

from same_model.losses import LossConfig
from same_model.same_network import SameModel
from same_model.training.config import AugmentConfig

Batch = dict[str, Tensor]
Data = TypeVar("Data")


@dataclass(frozen=True, eq=False)
class StageSetup(Generic[Data]):
    """What a stage is made from; ``Data``: frames, or frozen backbones' outputs for them."""

    model: SameModel
    data: Data
    held_out: Data | None
    batch: int
    """Frames, stretches or windows of a step of one process."""
    stretch: int
    """Longest run of frames over which a recurrent state is carried."""
    augment: AugmentConfig
    loss: LossConfig
    in_bfloat16: bool = False
    """Whether the visual stage, where it learns, computes in bfloat16 as far as it can."""


class Stage(nn.Module, Generic[Data]):
    """One stage of training: which weights learn, from which batches, by which loss.

    Its parameters are those that learn. ``forward`` maps a batch to a scalar loss and its parts.
    """

    frames_per_step: int
    """Frames that one step of one process sees."""
    frames_in_total: int
    """Frames of the training data."""

    def __init__(self, setup: StageSetup[Data]) -> None:
        super().__init__()
        # Not the model: a stage's parameters are those that learn.
        self._data, self._held_out = setup.data, setup.held_out
        self._augment, self._loss = setup.augment, setup.loss
        self._batch, self._stretch = setup.batch, setup.stretch
        self._window = setup.model.config.window
        self._in_bfloat16 = setup.in_bfloat16

    @abstractmethod
    def make_batch(self, rng: np.random.Generator) -> Batch:
        """A training batch, augmented; the same generator state gives the same batch."""

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts."""

    def finish(self) -> None:
        """What is done once with the averaged weights, after the last step; the same weights and
        data give the same again."""

    def validate(self) -> dict[str, float]:
        """Errors on the held-out performers; empty without any."""
        return {} if self._held_out is None else self._errors(self._held_out)

    @abstractmethod
    def _errors(self, held_out: Data) -> dict[str, float]:
        """Errors on the held-out performers."""
