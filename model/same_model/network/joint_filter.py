"""Each joint drawn towards where it has just been: a linear filter in the world."""

import torch
from torch import Tensor, nn

from same_runtime.conventions import NUM_JOINTS

_FRAMES = 16


class JointFilter(nn.Module):
    """Weights of a joint's differences to its last frames, which are added to its newest place."""

    def __init__(self, window: int) -> None:
        super().__init__()
        frames = max(1, min(_FRAMES, window - 1))
        start = 0.4 * 0.5 ** torch.arange(frames)
        self.weights = nn.Parameter(start.repeat(NUM_JOINTS, 1))
        row = torch.arange(window)
        ago = row[:, None] - row - 1
        self.ago: Tensor
        self.register_buffer("ago", ago.clamp(0, frames - 1), persistent=False)
        self.is_past: Tensor
        self.register_buffer("is_past", (ago >= 0) & (ago < frames), persistent=False)

    def forward(self, joints: Tensor, window_valid: Tensor) -> Tensor:
        """Filter ``joints`` (..., T, J, 3) float32 metres, oldest row first, all in one frame that
        stands still; ``window_valid`` (..., T) 1 or 0. A row that is not valid reaches no other and
        stays as it is."""
        # Metres need more bits than half precision has.
        weights = self.weights.float()[:, self.ago] * self.is_past
        counts = window_valid[..., None, None]
        # A fourth coordinate of 1 sums the weights of the rows that count.
        placed = torch.cat([joints * counts, counts.expand_as(joints[..., :1])], dim=-1)
        summed = (weights @ placed.transpose(-3, -2)).transpose(-3, -2)
        return joints + (summed[..., :3] - summed[..., 3:] * joints) * counts
