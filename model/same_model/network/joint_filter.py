"""A linear filter in the world over where each joint has just been."""

import torch
from torch import Tensor, nn

from same_runtime.conventions import NUM_JOINTS

_FRAMES = 24
_STEPS_S = (1 / 30, 1 / 90)
_LEAST = 0.01


class JointFilter(nn.Module):
    """Weights of a joint's differences to its last frames, whose sum is added to its newest place:
    of its own differences, which draws it towards where it was, or of those of another stage's
    joint, whose motion it then follows. ``first``: before training, the weight of the last frame,
    of which each one before has half.

    Joints are off by as much in each of 90 frames a second as in each of 30, so there is more to
    average over: the weights go straight with the time between frames. Training without
    recordings at a higher rate leaves them as they are at 30.
    """

    def __init__(self, window: int, first: float = 0.4) -> None:
        super().__init__()
        frames = max(1, min(_FRAMES, window - 1))
        start = first * 0.5 ** torch.arange(frames)
        self.weights = nn.Parameter(start.repeat(NUM_JOINTS, 1))
        self.more_at_90_hz = nn.Parameter(torch.zeros(NUM_JOINTS, frames))
        row = torch.arange(window)
        ago = row[:, None] - row - 1
        self.ago: Tensor
        self.register_buffer("ago", ago.clamp(0, frames - 1), persistent=False)
        self.is_past: Tensor
        self.register_buffer("is_past", (ago >= 0) & (ago < frames), persistent=False)
        self.rows_ago: Tensor
        self.register_buffer("rows_ago", (window - 1 - row).float(), persistent=False)

    def forward(self, joints: Tensor, window_valid: Tensor, time_offset_s: Tensor) -> Tensor:
        """What to add to ``joints`` (..., T, J, 3) float32 metres, oldest row first, all in one
        frame that stands still; ``window_valid`` (..., T) 1 or 0; ``time_offset_s`` (..., T) <= 0
        before the newest. A row that is not valid reaches no other; what comes out for it means
        nothing."""
        # Both at once, by weights that are constants of a graph.
        weights = torch.cat([self._by_rows(self.weights), self._by_rows(self.more_at_90_hz)], -2)
        counts = window_valid[..., None, None]
        # A fourth coordinate of 1 sums the weights of the rows that count.
        placed = torch.cat([joints * counts, counts.expand_as(joints[..., :1])], dim=-1)
        at_30_hz, more = (weights @ placed.transpose(-3, -2)).transpose(-3, -2).chunk(2, dim=-3)
        summed = at_30_hz + self._fast(window_valid, time_offset_s)[..., None, None, None] * more
        return summed[..., :3] - summed[..., 3:] * joints

    def _by_rows(self, weights: Tensor) -> Tensor:
        """(J, T, T): the weight of each row for each; metres need more bits than half precision."""
        return weights.float()[:, self.ago] * self.is_past

    def _fast(self, window_valid: Tensor, time_offset_s: Tensor) -> Tensor:
        """0 at 30 frames a second and below, 1 at 90 and above, by the mean step of ``forward``'s
        valid rows: (...)."""
        rows = (window_valid * self.rows_ago).sum(dim=-1) + _LEAST
        minus_step_s = (window_valid * time_offset_s).sum(dim=-1) / rows
        slow, fast = _STEPS_S
        return ((minus_step_s + slow) / (slow - fast)).clamp(0.0, 1.0)
