"""The operator ``same::spatial_aware_deform_attn`` (Eq. 3-4 up to their linear maps)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def sample_bilinear(maps: Tensor, locations: Tensor) -> Tensor:
    """Read ``maps`` at fractional pixels; outside the map everything is zero.

    ``maps`` (V, C, H, W); ``locations`` (V, rows, K, 2) as (x, y) in pixels with centres at
    integers. Returns (V, C, rows, K).
    """
    height, width = maps.shape[-2:]
    size = locations.new_tensor([width, height])
    return F.grid_sample(
        maps, (2.0 * locations + 1.0) / size - 1.0, padding_mode="zeros", align_corners=False
    )


def deform_attn(features: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """Plain deformable attention: sum over k of A F_v(p) (Zhu et al., 2020).

    ``features`` (V, D, Hf, Wf), ``locations`` (V, J, M, K, 2) feature pixels, ``weights``
    (V, J, M, K). Returns (V, J, M, D) in the dtype of ``features``.
    """
    views, joints, heads, points = weights.shape
    sampled = sample_bilinear(features.to(locations.dtype), locations.flatten(1, 2))
    weights = weights.to(locations.dtype).reshape(views, 1, joints * heads, points)
    sampled = (sampled * weights).sum(dim=-1).transpose(1, 2)
    return sampled.reshape(views, joints, heads, -1).to(features.dtype)


def spatial_aware_deform_attn(
    features: Tensor,
    rays: Tensor,
    origins: Tensor,
    locations: Tensor,
    weights: Tensor,
    depth: Tensor,
    w1: Tensor,
    b1: Tensor,
    delta: float,
    pe_sum: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sample image features and the depth-guided 3D positional embedding; differentiable.

    ``features`` (V, D, Hf, Wf); ``rays`` (V, 3, Hf, Wf) such that ``origin + ray * depth``
    is the 3D point; ``origins`` (V, 3) metres, left-camera frame; ``locations``
    (V, J, M, K, 2) feature pixels (x, y), centres at integers; ``weights`` (V, J, M, K);
    ``depth`` (V, J) metres; ``w1`` (H, 3 N_s) with columns x0 y0 z0 x1 ...; ``b1`` (H).
    ``delta``: half thickness of the shell, metres. ``pe_sum``: sum the embedding over the
    points instead of weighting it by ``weights``.

    Returns ``sampled`` (V, J, M, D) = sum_k A F(p) and ``position`` (V, J, M, H) =
    sum_k A relu(w1 Theta + b1), Theta being the N_s points at radii uniform in
    [depth - delta, depth + delta]; both in the dtype of ``features``, computed in that of
    ``locations``. Bilinear, zero outside the map.
    """
    views, joints, heads, points = weights.shape
    dtype = locations.dtype
    maps = torch.cat([features.to(dtype), rays.to(dtype)], dim=1)
    sampled = sample_bilinear(maps, locations.flatten(1, 2))
    content, ray = sampled.split([features.shape[1], 3], dim=1)
    weights = weights.to(dtype).reshape(views, 1, joints * heads, points)
    content = (content * weights).sum(dim=-1).transpose(1, 2)

    # The N_s points are origin + ray * depth plus fixed steps along the ray, so w1 Theta needs
    # only the sum of w1's blocks and their sum weighted by those steps: 6 inputs, not 3 N_s.
    shell = w1.shape[1] // 3
    blocks = w1.to(dtype).reshape(-1, shell, 3)
    if shell > 1:
        steps = torch.linspace(-delta, delta, shell, dtype=dtype, device=w1.device)
    else:
        steps = torch.zeros(1, dtype=dtype, device=w1.device)
    weight = torch.cat([blocks.sum(dim=1), (blocks * steps[:, None]).sum(dim=1)], dim=1)
    depth = depth.to(dtype).repeat_interleave(heads, dim=1)[:, None, :, None]
    centre = origins.to(dtype)[:, :, None, None] + ray * depth
    inputs = torch.cat([centre, ray], dim=1).permute(0, 2, 3, 1)
    hidden = torch.relu(inputs @ weight.T + b1.to(dtype))
    if not pe_sum:
        hidden = hidden * weights.reshape(views, joints * heads, points, 1)
    position = hidden.sum(dim=2)
    return (
        content.reshape(views, joints, heads, -1).to(features.dtype),
        position.reshape(views, joints, heads, -1).to(features.dtype),
    )


@torch.library.custom_op("same::spatial_aware_deform_attn", mutates_args=())
def exported_deform_attn(
    features: Tensor,
    rays: Tensor,
    origins: Tensor,
    locations: Tensor,
    weights: Tensor,
    depth: Tensor,
    w1: Tensor,
    b1: Tensor,
    delta: float,
    pe_sum: bool,
) -> tuple[Tensor, Tensor]:
    """``spatial_aware_deform_attn`` as one opaque node, which export turns into one kernel."""
    sampled, position = spatial_aware_deform_attn(
        features, rays, origins, locations, weights, depth, w1, b1, delta, pe_sum
    )
    return sampled.contiguous(), position.contiguous()


@exported_deform_attn.register_fake
def _shapes(
    features: Tensor,
    rays: Tensor,
    origins: Tensor,
    locations: Tensor,
    weights: Tensor,
    depth: Tensor,
    w1: Tensor,
    b1: Tensor,
    delta: float,
    pe_sum: bool,
) -> tuple[Tensor, Tensor]:
    views, joints, heads, _ = weights.shape
    return (
        features.new_empty(views, joints, heads, features.shape[1]),
        features.new_empty(views, joints, heads, w1.shape[0]),
    )
