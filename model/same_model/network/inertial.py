"""Inertial stage: one recurrent token per worn device.

After HMD-Poser (Dai et al., 2024), which works in the global frame; here each frame is turned
upright inside (``network/upright.py``), and comes out in the left-camera frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.network.layers import EncoderLayer, module_dtype, offset_head
from same_model.network.standing_pose import standing_joints_cam_left, standing_joints_upright
from same_model.network.upright import Upright
from same_runtime.conventions import (
    ANGULAR_VELOCITY_SLOTS,
    FEATURE_DIM,
    LEG_TOKENS,
    NUM_DEVICES,
    NUM_JOINTS,
    POSITION_OR_ACCELERATION_SLOTS,
    STRAP_MEASURED_SLOT,
)

_TYPICAL_ANGULAR_VELOCITY = 3.0  # rad/s
_TYPICAL_ACCELERATION = 10.0  # m/s^2
_LARGEST_FEATURE = 8.0


class LstmState(NamedTuple):
    """Recurrent state between frames: two tensors (L, B, N, D); zeros at a stream's start."""

    h: Tensor
    c: Tensor


class InertialOutput(NamedTuple):
    """What the inertial stage makes of T frames."""

    joints_imu: Tensor
    """(B, T, J, 3) float32 metres, left-camera frame."""
    tokens: Tensor
    """(B, T, N, D): F_imu."""
    state: LstmState


def _feature_scale() -> Tensor:
    scale = torch.ones(NUM_DEVICES, FEATURE_DIM)
    scale[:, ANGULAR_VELOCITY_SLOTS] = 1.0 / _TYPICAL_ANGULAR_VELOCITY
    scale[LEG_TOKENS, POSITION_OR_ACCELERATION_SLOTS] = 1.0 / _TYPICAL_ACCELERATION
    return scale


def _uniform(bound: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


class TokenLinear(nn.Module):
    """One linear layer per token, each with its own weights."""

    def __init__(self, tokens: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = _uniform(inputs**-0.5, tokens, inputs, outputs)
        self.bias = nn.Parameter(torch.zeros(tokens, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(N, rows, inputs) -> (N, rows, outputs)."""
        return x @ self.weight + self.bias


class TokenLstm(nn.Module):
    """One LSTM per token, each with its own weights, run as batched matrix products."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.input_gates = TokenLinear(tokens, dim, 4 * dim)
        self.hidden_weight = _uniform(dim**-0.5, tokens, dim, 4 * dim)
        # An open forget gate at the start carries gradients through long windows.
        nn.init.ones_(self.input_gates.bias[..., dim : 2 * dim])

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``x`` (N, T, B, D), ``h`` and ``c`` (N, B, D) -> outputs (N, T, B, D), next h, next c."""
        tokens, frames, batch, dim = x.shape
        gates = self.input_gates(x.reshape(tokens, frames * batch, dim))
        gates = gates.reshape(tokens, frames, batch, 4 * dim)
        outputs = []
        # Unbound at once: the gradient of an index is as large as what it indexes.
        for gate in gates.unbind(dim=1):
            write, keep, candidate, read = (gate + h @ self.hidden_weight).chunk(4, -1)
            c = torch.sigmoid(keep) * c + torch.sigmoid(write) * torch.tanh(candidate)
            h = torch.sigmoid(read) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h, c


class InertialBlock(nn.Module):
    """Token LSTMs over time (residual, LayerNorm), then a Transformer layer over the tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.lstm = TokenLstm(NUM_DEVICES, dim)
        self.norm = nn.LayerNorm(dim)
        self.spatial = EncoderLayer(dim, config.inertial_heads, config.inertial_ffn_dim)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``x`` (B, T, N, D), ``h`` and ``c`` (B, N, D) -> the same three, advanced by T frames."""
        remembered, h, c = self.lstm(x.permute(2, 1, 0, 3), h.transpose(0, 1), c.transpose(0, 1))
        x = self.norm(x + remembered.permute(2, 1, 0, 3))
        x = self.spatial(x.flatten(0, 1)).reshape(x.shape)
        return x, h.transpose(0, 1), c.transpose(0, 1)


class InertialStage(nn.Module):
    """J_imu and F_imu from the tokens of ``same_runtime.conventions.FEATURE_DIM``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.feature_dim
        self.feature_scale: Tensor
        self.register_buffer("feature_scale", _feature_scale(), persistent=False)
        self.upright = Upright() if config.pose_frame == "upright" else None
        mean_pose = standing_joints_upright() if self.upright else standing_joints_cam_left()
        self.mean_pose: Tensor
        self.register_buffer("mean_pose", torch.from_numpy(mean_pose))
        self.embed = TokenLinear(NUM_DEVICES, FEATURE_DIM, dim)
        self.ignore_straps()
        self.blocks = nn.ModuleList(InertialBlock(config) for _ in range(config.inertial_blocks))
        self.norm = nn.LayerNorm(dim)
        self.head = offset_head(NUM_DEVICES * dim, 4 * dim, NUM_JOINTS * 3)
        # A wrist moves with its controller: a straight line from the readings says so within a
        # few steps of training, the recurrent network does not in thousands.
        self.direct = nn.Linear(NUM_DEVICES * FEATURE_DIM, NUM_JOINTS * 3)
        nn.init.zeros_(self.direct.weight)
        nn.init.zeros_(self.direct.bias)

    @torch.no_grad()
    def ignore_straps(self) -> None:
        """Do as if nothing were said of leg straps: what it says has not been learned."""
        self.embed.weight[LEG_TOKENS, STRAP_MEASURED_SLOT] = 0.0

    def initial_state(self, batch: int = 1) -> LstmState:
        """The state of a stream that has seen nothing: zeros (L, B, N, D)."""
        weight = self.embed.weight
        zeros = weight.new_zeros(len(self.blocks), batch, NUM_DEVICES, weight.shape[-1])
        return LstmState(zeros, zeros.clone())

    def forward(self, imu_features: Tensor, state: LstmState | None = None) -> InertialOutput:
        """Advance by the T frames of ``imu_features`` (B, T, N, 16) float32.

        ``state`` is what the previous call returned, or None at a stream's start. T frames
        at once and T calls of one frame give the same outputs.
        """
        batch, frames = imu_features.shape[:2]
        if state is None:
            state = self.initial_state(batch)
        R_upright_cam = None
        if self.upright is not None:
            R_upright_cam = self.upright.rotation(imu_features)
            imu_features = self.upright.turned(imu_features, R_upright_cam)
        # Bounded, so that one spike or a saturated sensor cannot poison the recurrent state.
        x = (imu_features * self.feature_scale.float()).clamp(-_LARGEST_FEATURE, _LARGEST_FEATURE)
        x = x.to(module_dtype(self))
        direct = self.direct(x.flatten(2))
        tokens = x.permute(2, 0, 1, 3).reshape(NUM_DEVICES, batch * frames, FEATURE_DIM)
        x = self.embed(tokens).reshape(NUM_DEVICES, batch, frames, -1).permute(1, 2, 0, 3)
        next_h, next_c = [], []
        for index, block in enumerate(self.blocks):
            x, h, c = block(x, state.h[index], state.c[index])
            next_h.append(h)
            next_c.append(c)
        x = self.norm(x)
        offsets = direct + self.head(x.flatten(2))
        joints = self.mean_pose.float() + offsets.float().reshape(batch, frames, NUM_JOINTS, 3)
        if R_upright_cam is not None:
            joints = joints @ R_upright_cam
        return InertialOutput(
            joints,
            x,
            LstmState(torch.stack(next_h), torch.stack(next_c)),
        )
