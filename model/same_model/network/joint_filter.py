"""A linear filter in the world over where each joint has just been."""

import torch
from torch import Tensor, nn

from same_runtime.conventions import NUM_JOINTS

_FRAMES = 24
_STEPS_S = (1 / 30, 1 / 90)
_LEAST = 0.01


class JointFilter(nn.Module):
    """Weights of a joint's differences to its last frames, whose sum is added to its newest place;
    with ``imu`` also of the differences of where the inertial stage has the joint, whose motion it
    then follows.

    Joints are off by as much in each of 90 frames a second as in each of 30, so there is more to
    average over: the weights go straight with the time between frames. Training without
    recordings at a higher rate leaves them as they are at 30.
    """

    def __init__(self, window: int, imu: bool = False) -> None:
        super().__init__()
        frames = max(1, min(_FRAMES, window - 1))
        start = 0.4 * 0.5 ** torch.arange(frames)
        self.weights = nn.Parameter(start.repeat(NUM_JOINTS, 1))
        self.more_at_90_hz = nn.Parameter(torch.zeros(NUM_JOINTS, frames))
        self.imu_weights = self.imu_more_at_90_hz = None
        if imu:
            self.imu_weights = nn.Parameter(torch.zeros(NUM_JOINTS, frames))
            self.imu_more_at_90_hz = nn.Parameter(torch.zeros(NUM_JOINTS, frames))
        row = torch.arange(window)
        ago = row[:, None] - row - 1
        self.ago: Tensor
        self.register_buffer("ago", ago.clamp(0, frames - 1), persistent=False)
        self.is_past: Tensor
        self.register_buffer("is_past", (ago >= 0) & (ago < frames), persistent=False)
        self.rows_ago: Tensor
        self.register_buffer("rows_ago", (window - 1 - row).float(), persistent=False)

    def forward(self, points: Tensor, window_valid: Tensor, time_offset_s: Tensor) -> Tensor:
        """What to add to the joints (..., T, J, 3) float32 metres that ``points`` (..., T, P, 3)
        begin with, the inertial stage's after them where there is a filter of those; oldest row
        first, all in one frame that stands still; ``window_valid`` (..., T) 1 or 0;
        ``time_offset_s`` (..., T) <= 0 before the newest. A row that is not valid reaches no other;
        what comes out for it means nothing."""
        at_30_hz: Tensor = self.weights
        more: Tensor = self.more_at_90_hz
        if self.imu_weights is not None and self.imu_more_at_90_hz is not None:
            at_30_hz = torch.cat([at_30_hz, self.imu_weights])
            more = torch.cat([more, self.imu_more_at_90_hz])
        # All at once, by weights that are constants of a graph; the second factor, since a CPU
        # multiplies four rows by many columns in less time than many rows by four. Turned in the
        # graph: a constant factor would get 8 bits for an NPU, where metres need more.
        weights = torch.cat([self._by_rows(at_30_hz), self._by_rows(more)], dim=-2).mT
        counts = window_valid[..., None, None]
        # A fourth coordinate of 1 sums the weights of the rows that count.
        placed = torch.cat([points * counts, counts.expand_as(points[..., :1])], dim=-1)
        slow, more_at_90 = (placed.movedim(-3, -1) @ weights).movedim(-1, -3).chunk(2, dim=-3)
        summed = slow + self._fast(window_valid, time_offset_s)[..., None, None, None] * more_at_90
        added = summed[..., :3] - summed[..., 3:] * points
        if self.imu_weights is not None:
            return added[..., :NUM_JOINTS, :] + added[..., NUM_JOINTS:, :]
        return added

    def _by_rows(self, weights: Tensor) -> Tensor:
        """(P, T, T): the weight of each row for each; metres need more bits than half precision."""
        return weights.float()[:, self.ago] * self.is_past

    def _fast(self, window_valid: Tensor, time_offset_s: Tensor) -> Tensor:
        """0 at 30 frames a second and below, 1 at 90 and above, by the mean step of ``forward``'s
        valid rows: (...)."""
        rows = (window_valid * self.rows_ago).sum(dim=-1) + _LEAST
        minus_step_s = (window_valid * time_offset_s).sum(dim=-1) / rows
        slow, fast = _STEPS_S
        return ((minus_step_s + slow) / (slow - fast)).clamp(0.0, 1.0)
