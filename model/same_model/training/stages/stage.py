"""What the loop needs of a training stage."""

from abc import abstractmethod

import numpy as np
from torch import Tensor, nn

Batch = dict[str, Tensor]


class Stage(nn.Module):
    """One stage of training: which weights learn, from which batches, by which loss.

    Its parameters are those that learn. ``forward`` maps a batch to a scalar loss and its parts.
    """

    frames_per_step: int
    """Frames that one step of one process sees."""
    frames_in_total: int
    """Frames of the training data."""

    @abstractmethod
    def make_batch(self, rng: np.random.Generator) -> Batch:
        """A training batch, augmented; the same generator state gives the same batch."""

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss and its parts."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Errors on the held-out performers; empty without any."""
