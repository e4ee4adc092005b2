"""A network small enough for tests, with weights that make every part matter, and its inputs."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from same_model.config import ModelConfig
from same_model.same_network import SameModel
from same_runtime.conventions import STRAP_MEASURED_SLOT

TINY = ModelConfig(
    preset="tiny",
    input_width=64,
    input_height=48,
    backbone="resnet18",  # blocks with a shortcut of their own and without
    backbone_width=0.125,
    feature_dim=32,
    mmf_layers=1,
    fusion_ffn_dim=32,
    sampling_heads=2,
    sampling_points=4,
    shell_points=4,
    pe_hidden=16,
    inertial_ffn_dim=32,
    window=8,
    ttn_layers=2,
    ttn_dim=32,
    ttn_heads=4,
    ttn_ffn_dim=32,
)


def tiny_model(seed: int = 0, **changes: Any) -> SameModel:
    """A tiny network whose output heads, zero in a fresh one, are random too."""
    torch.manual_seed(seed)
    model = SameModel(replace(TINY, **changes))
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                parameter.normal_(std=0.05)
        if model.config.use_leg_straps:
            model.inertial.embed.weight[-2:, STRAP_MEASURED_SLOT].normal_(std=0.05)
    return model.eval()


def smallest_model() -> SameModel:
    """The network of the bundle in tests/fixtures: as small as it can be and use every input."""
    # With other seeds the one-channel backbone lets images through only faintly.
    return tiny_model(
        seed=3,
        backbone_width=1 / 64,
        feature_dim=4,
        iterations=1,
        fusion_ffn_dim=8,
        pe_hidden=8,
        inertial_blocks=1,
        inertial_ffn_dim=8,
        ttn_layers=1,
        ttn_dim=8,
        ttn_ffn_dim=8,
    )


def random_rotations(*shape: int) -> Tensor:
    """Rotation matrices (*shape, 3, 3)."""
    return torch.linalg.qr(torch.randn(*shape, 3, 3)).Q


def sequence_inputs(frames: int, config: ModelConfig = TINY, seed: int = 1) -> dict[str, Tensor]:
    """Arguments of ``SameModel.forward_sequence`` for a recording of ``frames`` frames."""
    torch.manual_seed(seed)
    size = config.feature_height, config.feature_width
    window = config.window
    rays = torch.nn.functional.normalize(torch.randn(2, 3, *size), dim=1)
    T_anchor_cam = torch.eye(4).repeat(frames, window, 1, 1)
    T_anchor_cam[..., :3, :3] = random_rotations(frames, window)
    T_anchor_cam[..., :3, 3] = torch.randn(frames, window, 3)
    row = torch.arange(window)
    valid = (row[None] >= window - 1 - torch.arange(frames)[:, None]).float()
    T_anchor_cam[valid == 0] = torch.eye(4)
    imu_features = torch.randn(frames, 5, 16)
    imu_features[:, 0, :3] = torch.nn.functional.normalize(imu_features[:, 0, :3], dim=-1)
    imu_features[..., 15] = 1.0
    return {
        "images": torch.randn(frames, 2, 1, config.input_height, config.input_width),
        "view_valid": torch.ones(frames, 2),
        "imu_features": imu_features,
        "rays": rays,
        "origins": torch.tensor([[0.0, 0.0, 0.0], [0.12, 0.0, 0.0]]),
        "axes": torch.nn.functional.normalize(torch.randn(2, 3), dim=1),
        "T_anchor_cam": T_anchor_cam,
        "time_offset_s": (row - window + 1).float().expand(frames, window) / 30.0 * valid,
        "window_valid": valid,
    }


def window_inputs(batch: int, config: ModelConfig = TINY, seed: int = 2) -> dict[str, Tensor]:
    """Arguments of ``SameModel.forward`` for ``batch`` full windows."""
    one = [sequence_inputs(config.window, config, seed + index) for index in range(batch)]
    inputs = {name: torch.stack([sequence[name] for sequence in one]) for name in one[0]}
    for name in ("T_anchor_cam", "time_offset_s", "window_valid"):
        inputs[name] = inputs[name][:, -1]
    return inputs


def fusion_inputs(batch: int, config: ModelConfig = TINY, seed: int = 3) -> dict[str, Tensor]:
    """Arguments of ``FusionStage.forward``: joints in front of the cameras, seen by both."""
    torch.manual_seed(seed)
    height, width = config.feature_height, config.feature_width
    up = torch.randn(batch, 5, 3)
    pixels = torch.rand(batch, 2, 22, 2) * torch.tensor([width - 1.0, height - 1.0])
    return {
        "features": torch.randn(batch, 2, config.feature_dim, height, width),
        "joints_2d": pixels,
        "visibility": torch.rand(batch, 2, 22) * 0.5 + 0.45,
        "view_valid": torch.ones(batch, 2),
        "joints_imu": torch.randn(batch, 22, 3),
        "imu_tokens": torch.randn(batch, 5, config.feature_dim),
        "rays": torch.nn.functional.normalize(torch.randn(batch, 2, 3, height, width), dim=2),
        "origins": torch.randn(batch, 2, 3) * 0.1,
        "axes": torch.nn.functional.normalize(torch.randn(batch, 2, 3), dim=2),
        "imu_features": torch.cat(
            [torch.nn.functional.normalize(up, dim=2), torch.ones(batch, 5, 13)], dim=2
        ),
    }
