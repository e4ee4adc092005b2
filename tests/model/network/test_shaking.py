"""Smooth windows are told from shaking ones, whatever of them is valid."""

import pytest
import torch
from tiny_model import TINY, tiny_model

from same_model.network.shaking import Shaking

WINDOW = 32


def motion(rate_hz: float, speed: float) -> torch.Tensor:
    """(1, T, 22, 3) metres: every joint to and fro, twice in three seconds."""
    time = torch.arange(WINDOW) / rate_hz
    phase = 2 * torch.pi * 0.7 * time[:, None, None] + torch.arange(22)[:, None] + torch.arange(3)
    return (0.3 * speed * torch.sin(phase))[None]


@pytest.mark.parametrize("rate_hz", [30, 90])
@pytest.mark.parametrize("speed", [0.0, 0.3, 1.0])
def test_what_moves_smoothly_does_not_shake_and_what_is_off_by_a_centimetre_does(
    rate_hz: float, speed: float
) -> None:
    torch.manual_seed(0)
    joints, valid = motion(rate_hz, speed), torch.ones(1, WINDOW)
    assert Shaking(WINDOW)(joints, valid).item() < 0.01
    assert Shaking(WINDOW)(joints + 0.01 * torch.randn_like(joints), valid).item() > 0.95
    assert Shaking(WINDOW)(joints + 100.0 * torch.randn_like(joints), valid).item() > 0.95


def test_rows_that_are_not_valid_count_nothing_and_too_few_say_nothing() -> None:
    torch.manual_seed(0)
    joints, valid = motion(30, 1.0), torch.ones(1, WINDOW)
    valid[:, :20] = 0
    joints[:, :20] = torch.randn(1, 20, 22, 3)
    assert Shaking(WINDOW)(joints, valid).item() < 0.01
    valid[:, :29] = 0
    assert Shaking(WINDOW)(torch.randn_like(joints), valid).item() < 1e-6


def test_the_temporal_network_leaves_a_smooth_pose_alone() -> None:
    torch.manual_seed(0)
    stage = tiny_model(use_imu_filter=False).temporal
    with torch.no_grad():
        for parameter in stage.head.parameters():
            parameter.normal_()
    window = TINY.window
    smooth = motion(30, 0.3)[:, :window]
    offsets = -torch.arange(window - 1, -1, -1.0)[None] / 30
    poses = torch.eye(4).expand(1, window, 4, 4)
    with torch.no_grad():
        kept = stage(smooth, poses, offsets, torch.ones(1, window))
        shaky = smooth + 0.02 * torch.randn_like(smooth)
        moved = stage(shaky, poses, offsets, torch.ones(1, window))
    assert (kept - smooth).abs().max() < 1e-3
    assert (moved - shaky).abs().max() > 1e-2
