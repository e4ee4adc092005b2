"""Whether a window of poses shakes as estimates do, or moves as people do."""

import torch
from torch import Tensor, nn

from same_runtime.conventions import NUM_JOINTS

_BETWEEN_CM2 = 2.4
_STEEPNESS = 6.0
_MOST_M = 0.05
_LEAST = 0.01


class Shaking(nn.Module):
    """Looks at third differences over frames, of which people's motion has little and noise much:
    1.7 to 2.2 mm of it, in each coordinate and frame, are what lies between the two. It learns
    nothing, and says 0 of fewer than four valid frames in a row: a stream's first three poses are
    fusion's."""

    def __init__(self, window: int) -> None:
        super().__init__()
        # Small integers on the right, which quantising keeps exactly.
        third = torch.eye(window).diff(n=3, dim=0).T
        self.third: Tensor
        self.register_buffer("third", third.contiguous(), persistent=False)
        self.frames: Tensor
        self.register_buffer("frames", third.ne(0).float().contiguous(), persistent=False)

    def forward(self, joints: Tensor, window_valid: Tensor) -> Tensor:
        """Between 0, as people move, and 1: (..., 1, 1) for ``joints`` (..., T, J, 3) float32
        metres in a frame that stands still; ``window_valid`` (..., T) 1 or 0."""
        # Bounded, so that one jump is not all of it, and an NPU's 16 bits are fine enough.
        differences = joints.flatten(-2).transpose(-1, -2) @ self.third
        differences_cm = 100.0 * differences.clamp(-_MOST_M, _MOST_M)
        squares = (differences_cm * differences_cm).sum(dim=-2, keepdim=True) * (1.0 / NUM_JOINTS)
        # Sigmoids and no bounds, which quantising takes for ranges and drops.
        valid = torch.sigmoid(30.0 * (window_valid[..., None, :] @ self.frames - 3.5))  # all four
        number = valid.sum(dim=-1, keepdim=True) + _LEAST
        mean = (squares * valid).sum(dim=-1, keepdim=True) / number
        return torch.sigmoid(_STEEPNESS * (mean - _BETWEEN_CM2))
