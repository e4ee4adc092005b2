"""What Table 2 says of SA-MVF, in kind: the 3D embedding is what ties pixels to space."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import TINY
from torch import Tensor

from same_model.network.fusion import FusionStage
from same_model.network.standing_pose import standing_joints_cam_left
from same_runtime.camera import CameraRig, FisheyeCamera

STEPS = 300
BATCH = 32


def stereo_rig() -> CameraRig:
    def camera(x: float) -> FisheyeCamera:
        T_head_cam = np.eye(4)
        T_head_cam[0, 3] = x
        return FisheyeCamera(
            TINY.input_width,
            TINY.input_height,
            23.0,
            23.0,
            31.5,
            23.5,
            (0.02, 0.0, 0.0, 0.0),
            T_head_cam,
            1.6,
        )

    return CameraRig(camera(0.0), camera(0.12))


def mean_error_m(use_sa_mvf_pe: bool) -> float:
    """Train fusion on exact 2D joints over features of pure noise; the error it ends with."""
    torch.manual_seed(0)
    config = replace(TINY, feature_dim=64, pe_hidden=32, use_sa_mvf_pe=use_sa_mvf_pe)
    rig = stereo_rig()
    rays, origins, axes = (
        torch.from_numpy(x).expand(BATCH, *x.shape)
        for x in rig.ray_map(config.feature_width, config.feature_height)
    )
    fusion = FusionStage(config).train()
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=2e-3)
    standing = torch.from_numpy(standing_joints_cam_left())
    errors = []
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = 2e-3 * (1 - step / STEPS)
        truth = standing + 0.1 * torch.randn(BATCH, 1, 3) + 0.08 * torch.randn(BATCH, 22, 3)
        joints_2d, visible = project_to_features(truth, origins[0], rig)
        joints = fusion(
            torch.randn(BATCH, 2, 64, config.feature_height, config.feature_width),
            joints_2d,
            visible,
            torch.ones(BATCH, 2),
            standing.expand(BATCH, -1, -1),
            torch.zeros(BATCH, 5, 64),
            rays,
            origins,
            axes,
            torch.zeros(BATCH, 5, 16),
        ).joints
        loss = (joints - truth[:, None]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        in_both = visible.amin(dim=1) > 0
        errors.append((joints[:, -1] - truth).norm(dim=-1)[in_both].mean().item())
    return float(np.mean(errors[-20:]))


def project_to_features(truth: Tensor, origins: Tensor, rig: CameraRig) -> tuple[Tensor, Tensor]:
    pixels, valid = [], []
    for origin, camera in zip(origins, rig.cameras, strict=True):
        # The rig's cameras are parallel, so the right one's frame differs by its origin only.
        in_view = camera.project((truth - origin).double().numpy())
        pixels.append(torch.from_numpy(in_view[0]).float())
        valid.append(torch.from_numpy(in_view[1]).float())
    return (torch.stack(pixels, dim=1) + 0.5) / 4 - 0.5, torch.stack(valid, dim=1)


@pytest.mark.slow
def test_fusion_triangulates_only_with_the_3d_embedding() -> None:
    assert mean_error_m(use_sa_mvf_pe=True) < 0.7 * mean_error_m(use_sa_mvf_pe=False)
