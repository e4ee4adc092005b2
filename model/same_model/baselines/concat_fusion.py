"""The MEPoser-like baseline: features concatenated, an LSTM over time, one head for all joints.

After the multi-modal baseline of Fan et al. (2025) as the paper describes it: image and inertial
features are concatenated and an LSTM regresses the pose. It reads the same two backbones as SAME,
but knows neither the lenses nor a way to ask one modality about the other.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.network.inertial import LstmState
from same_model.network.layers import offset_head
from same_model.network.standing_pose import standing_joints_cam_left
from same_runtime.conventions import NUM_DEVICES, NUM_JOINTS, NUM_VIEWS

_LSTM_LAYERS = 2


class ConcatOutput(NamedTuple):
    """Joints of T frames and the recurrent state after them."""

    joints: Tensor
    """(B, T, J, 3) float32 metres, left-camera frame."""
    joint_confidence: Tensor
    """(B, T, J) float32 in [0, 1]: visibility in the view that sees the joint best."""
    state: LstmState
    """(2, B, 4 D) each."""


def features_at_joints(features: Tensor, joints_2d: Tensor) -> Tensor:
    """The feature map read at each heatmap joint: (B, V, D, Hf, Wf), (B, V, J, 2) feature pixels
    -> (B, V, J, D), bilinear, zero outside. It has no weights, so that it can be cached."""
    height, width = features.shape[-2:]
    scale = joints_2d.new_tensor([2.0 / (width - 1), 2.0 / (height - 1)])
    grid = (joints_2d * scale - 1.0).flatten(0, 1)[:, :, None].to(features.dtype)
    read = F.grid_sample(features.flatten(0, 1), grid, align_corners=True)
    return read[..., 0].transpose(1, 2).unflatten(0, joints_2d.shape[:2])


class ConcatFusion(nn.Module):
    """Joint features, 2D joints, visibilities and inertial tokens -> LSTM -> joints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, hidden = config.feature_dim, 4 * config.feature_dim
        self.embed = nn.Linear(NUM_VIEWS * NUM_JOINTS * (dim + 3) + NUM_DEVICES * dim, hidden)
        self.lstm = nn.LSTM(hidden, hidden, _LSTM_LAYERS, batch_first=True)
        self.head = offset_head(hidden, hidden, NUM_JOINTS * 3)
        size = torch.tensor([config.feature_width, config.feature_height], dtype=torch.float32)
        self.half_size: Tensor
        self.register_buffer("half_size", size / 2.0, persistent=False)
        self.mean_pose: Tensor
        self.register_buffer("mean_pose", torch.from_numpy(standing_joints_cam_left()))

    def initial_state(self, batch: int = 1) -> LstmState:
        """The state of a stream that has seen nothing: zeros (2, B, 4 D)."""
        zeros = self.embed.weight.new_zeros(_LSTM_LAYERS, batch, self.lstm.hidden_size)
        return LstmState(zeros, zeros.clone())

    def forward(
        self,
        joint_features: Tensor,
        joints_2d: Tensor,
        visibility: Tensor,
        view_valid: Tensor,
        imu_tokens: Tensor,
        state: LstmState | None = None,
    ) -> ConcatOutput:
        """Advance by T frames.

        ``joint_features`` (B, T, V, J, D) of ``features_at_joints``, ``joints_2d``
        (B, T, V, J, 2) feature pixels, ``visibility`` (B, T, V, J), ``view_valid`` (B, T, V),
        ``imu_tokens`` (B, T, N, D); all float32. A view that is not valid contributes nothing.
        """
        seen = (visibility * view_valid[..., None])[..., None]
        place = (joints_2d - self.half_size) / self.half_size
        views = torch.cat([joint_features, place, torch.ones_like(seen)], dim=-1) * seen
        x = F.relu(self.embed(torch.cat([views.flatten(2), imu_tokens.flatten(2)], dim=-1)))
        remembered, (h, c) = self.lstm(x, state or self.initial_state(len(x)))
        offsets = self.head(remembered).float().unflatten(-1, (NUM_JOINTS, 3))
        confidence = seen[..., 0].amax(dim=2)
        return ConcatOutput(self.mean_pose + offsets, confidence, LstmState(h, c))
