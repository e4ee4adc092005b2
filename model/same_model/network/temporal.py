"""Temporal stage: a window of poses, refined in a frame that knows gravity and the floor."""

import torch
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.network.joint_filter import JointFilter
from same_model.network.layers import EncoderLayer, feed_forward, module_dtype, offset_head
from same_model.network.shaking import Shaking
from same_runtime.conventions import NUM_JOINTS

_MASKED = -1e4  # finite in half precision, and exp of it is zero in every precision
_FARTHEST_M = 5.0


def window_row(config: ModelConfig, joints_local: Tensor, joints_imu: Tensor | None) -> Tensor:
    """The ``ModelConfig.window_points`` (..., P, 3) of frames, from what fusion and the inertial
    stage make of them (..., J, 3); the latter is needed with ``use_imu_filter`` alone."""
    if not config.use_imu_filter:
        return joints_local
    assert joints_imu is not None
    return torch.cat([joints_local, joints_imu], dim=-2)


def shift_window(window_joints: Tensor, row: Tensor) -> Tensor:
    """Drop the oldest row of (..., T, P, 3) and append the newest (..., P, 3)."""
    return torch.cat([window_joints[..., 1:, :, :], row[..., None, :, :]], dim=-3)


class TemporalStage(nn.Module):
    """The temporal Transformer network (paper, "Pose Refinement in the Global Frame")."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.use_ttn = config.use_ttn
        if not self.use_ttn:
            return
        dim = config.ttn_dim
        self.joint_filter = (
            JointFilter(config.window, config.use_imu_filter) if config.use_joint_filter else None
        )
        self.shaking = Shaking(config.window) if config.use_joint_filter else None
        self.embed_pose = nn.Linear(NUM_JOINTS * 3, dim)
        self.embed_time = feed_forward(2, dim, dim)
        self.layers = nn.ModuleList(
            EncoderLayer(dim, config.ttn_heads, config.ttn_ffn_dim)
            for _ in range(config.ttn_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.head = offset_head(dim, dim, NUM_JOINTS * 3)

    def forward(
        self,
        points_local: Tensor,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
        newest: int | None = None,
    ) -> Tensor:
        """Refine a window, oldest row first, newest last; all tensors float32.

        ``points_local`` (..., T, P, 3) metres of ``window_row``, each row in its own frame's left
        camera; ``T_anchor_cam`` (..., T, 4, 4) that camera to the window's anchor frame (origin at
        the newest head's floor projection, y up, floor at y = 0); ``time_offset_s`` (..., T)
        seconds <= 0 before the newest; ``window_valid`` (..., T) 1 or 0. Returns (..., T, J, 3)
        metres in the anchor frame, or the last ``newest`` rows of that only. A row that is not
        valid reaches no other and comes out as ``T_anchor_cam`` moved it.
        """
        rotation, translation = T_anchor_cam[..., :3, :3], T_anchor_cam[..., None, :3, 3]
        points = points_local @ rotation.transpose(-1, -2) + translation
        joints = points[..., :NUM_JOINTS, :]
        given = slice(None if newest is None else -newest, None)
        if not self.use_ttn:
            return joints[..., given, :, :]
        amount = window_valid[..., None, None]
        if self.joint_filter is not None and self.shaking is not None:
            # What shakes no more than people do is left alone: there is nothing to mend.
            amount = amount * self.shaking(joints, window_valid)[..., None]
            joints = joints + self.joint_filter(points, window_valid, time_offset_s) * amount
        dtype = module_dtype(self)
        # Bounded, so that a relocalised headset's far-off past stays within what was trained.
        pose = joints.flatten(-2).clamp(-_FARTHEST_M, _FARTHEST_M).to(dtype)
        when = torch.stack([time_offset_s, window_valid], dim=-1).to(dtype)
        x = self.embed_pose(pose) + self.embed_time(when)
        key_bias = ((1.0 - window_valid) * _MASKED).to(dtype)[..., None, None, :]
        *first, last = self.layers
        for layer in first:
            x = layer(x, key_bias)
        x = last(x, key_bias, newest)
        joints = joints[..., given, :, :]
        residual = self.head(self.norm(x)).to(joints.dtype).reshape(joints.shape)
        return joints + residual * amount[..., given, :, :]
