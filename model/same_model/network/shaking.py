"""Whether a window of poses shakes as estimates do, or moves as people do."""

import torch
from torch import Tensor, nn

_SHAKES_M2 = 0.022
_STILL_M2 = 1e-5


class Shaking(nn.Module):
    """Compares the energy of a window's third differences over frames, which is an estimate's
    noise, with the fourth root of that of its first differences.

    It learns nothing: for fused poses of training it is over 0.9 but in one window of a thousand,
    for true ones below 0.1.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        frames = torch.eye(window)
        first, third = frames.diff(dim=0), frames.diff(n=3, dim=0)
        self.differences: Tensor
        self.register_buffer("differences", torch.cat([first, third]), persistent=False)
        self.frames_needed: Tensor
        needed = self.differences.abs().gt(0).float()
        self.register_buffer("frames_needed", needed / needed.sum(-1, keepdim=True), False)
        self.sums: Tensor
        of_first = torch.cat([torch.ones(len(first)), torch.zeros(len(third))])
        self.register_buffer("sums", torch.stack([of_first, 1.0 - of_first]), persistent=False)

    def forward(self, joints: Tensor, window_valid: Tensor) -> Tensor:
        """Between 0, motion as smooth as people's, and 1: (..., 1, 1) for ``joints`` (..., T, J, 3)
        float32 metres in a frame that stands still; ``window_valid`` (..., T) 1 or 0."""
        differences = self.differences @ joints.flatten(-2)
        squares = (differences * differences).sum(dim=-1, keepdim=True)
        share_valid = self.frames_needed @ window_valid[..., None]
        valid = (8.0 * share_valid - 7.0).clamp(0.0, 1.0)  # 1 where all are, else 0
        energies = (self.sums @ (squares * valid)) / (self.sums @ valid).clamp(min=1.0)
        motion, noise = energies[..., :1, :], energies[..., 1:, :]
        # Products instead of roots: of the few operators that a bundle's graph may have.
        shakes = (noise / _SHAKES_M2).clamp(0.0, 100.0)
        shakes = shakes * shakes
        ratio = shakes * shakes / (motion + _STILL_M2)
        ratio = ratio * ratio
        return ratio / (1.0 + ratio)
