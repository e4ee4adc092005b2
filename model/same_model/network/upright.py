"""The left-camera frame turned upright: a pose looks alike there however the head is held.

Legs stand under a head that nods, but swing about in its camera's frame; a network that works in
that frame has to learn the turning from data, and knows it only where the data has been.
"""

import numpy as np
import torch
from torch import Tensor, nn

from same_model.network.standing_pose import standing_camera_axes
from same_runtime.conventions import LEG_TOKENS, NUM_DEVICES, VALID_SLOT

_UP = slice(0, 3)
_VECTORS = 5  # of three slots each, before the last slot
_LEAST = 0.05  # of 1 + cos: bounds the rotation where the head hangs upside down


def _turning_slots() -> Tensor:
    """(N, 5, 1): 1 for vectors in camera axes. A device's angular velocity is in its own axes,
    the head's first two vectors say how the camera is held, and a leg's last one is none."""
    turns = torch.ones(NUM_DEVICES, _VECTORS, 1)
    turns[:, 2] = 0.0
    turns[LEG_TOKENS, 4] = 0.0
    turns[0, :2] = 0.0
    return turns


class Upright(nn.Module):
    """Turns inertial features into axes x right, y up, z back, at the left camera.

    The rotation is the shortest that brings the head token's up to where it is for a standing
    wearer, then the one that turns such a wearer's camera upright. So it is smooth for every head
    but one upside down, and heading is the camera's.
    """

    def __init__(self) -> None:
        super().__init__()
        R_upright_standing = standing_camera_axes().T
        up = R_upright_standing.T @ np.array([0.0, 1.0, 0.0])
        # With v = u x up the shortest rotation is cos 1 + [v]x + v v^T / (1 + cos), in which all
        # but the last term is linear in u. Row i of the table is what u's i-th coordinate brings
        # to v, to v turned upright, to the linear terms turned upright, and to cos.
        v = np.cross(np.eye(3), up)
        skew = np.cross(v[:, None, :], np.eye(3)[None]).transpose(0, 2, 1)
        linear = R_upright_standing @ (up[:, None, None] * np.eye(3) + skew)
        table = np.hstack([v, v @ R_upright_standing.T, linear.reshape(3, 9), up[:, None]])
        self.up: Tensor
        self.table: Tensor
        self.turns: Tensor
        for name, value in (("up", up), ("table", table)):
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)
        self.register_buffer("turns", _turning_slots(), persistent=False)

    def rotation(self, imu_features: Tensor) -> Tensor:
        """``R_upright_cam`` (..., 3, 3) float32 of tokens (..., N, 16); a head without a valid
        token counts as one that stands."""
        head = imu_features[..., 0, :]
        up = head[..., _UP] + (1.0 - head[..., VALID_SLOT:]) * self.up.float()
        # Not a matrix product, whose constants an NPU would round to 8 bits.
        parts = (up[..., :, None] * self.table.float()).sum(dim=-2)
        v, v_upright, linear, cosine = parts.split([3, 3, 9, 1], dim=-1)
        v = v / (1.0 + cosine).clamp(min=_LEAST)
        return linear.unflatten(-1, (3, 3)) + v_upright[..., :, None] * v[..., None, :]

    def turned(self, imu_features: Tensor, R_upright_cam: Tensor) -> Tensor:
        """Tokens (..., N, 16) with their vectors in the upright axes."""
        vectors = imu_features[..., :VALID_SLOT].unflatten(-1, (_VECTORS, 3))
        turned = vectors @ R_upright_cam.transpose(-1, -2)[..., None, :, :]
        vectors = vectors + (turned - vectors) * self.turns.float()
        return torch.cat([vectors.flatten(-2), imu_features[..., VALID_SLOT:]], dim=-1)
