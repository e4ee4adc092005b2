"""Random changes of network inputs; every one takes its numbers from the caller's generator."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.training.config import AugmentConfig
from same_runtime.conventions import (
    ANGULAR_VELOCITY_SLOTS,
    FEATURE_STRIDE,
    JOINT_NAMES,
    LEG_TOKENS,
    NUM_DEVICES,
    POSE_DEVICES,
    POSITION_OR_ACCELERATION_SLOTS,
    VALID_SLOT,
    VELOCITY_SLOTS,
)

MIRRORED_JOINTS = tuple(
    JOINT_NAMES.index(
        name.replace("left_", "right_")
        if name.startswith("left_")
        else name.replace("right_", "left_")
    )
    for name in JOINT_NAMES
)
"""The joint that each joint becomes in a mirror."""

_POSES = slice(0, len(POSE_DEVICES))


def photometric(images: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Other gain, contrast, gamma and noise for each stereo pair of ``images`` (B, V, H, W) float
    in [0, 255]; the views differ a little in gain."""
    if strength == 0:
        return images
    batch, views = images.shape[:2]

    def draw(spread: float, *shape: int) -> Tensor:
        numbers = rng.normal(0.0, spread * strength, (batch, *shape, *(1,) * (3 - len(shape))))
        return torch.from_numpy(numbers.astype(np.float32)).to(images.device)

    x = (images / 255.0).clamp(min=1e-4)
    x = x ** torch.exp(draw(0.2))
    x = x * torch.exp(draw(0.2) + draw(0.05, views)) + draw(0.02)
    generator = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(x.shape, generator=generator, device=images.device)
    level = strength * (0.008 + 0.012 * torch.from_numpy(rng.random((batch, 1, 1, 1))).to(x))
    return ((x + noise * level) * 255.0).clamp(0.0, 255.0)


def mirror(
    images: Tensor, joints_2d: Tensor, visible: Tensor, chosen: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror the stereo pairs ``chosen`` (B,) bool: the left view becomes the right view.

    ``images`` (B, V, H, W), ``joints_2d`` (B, V, J, 2) feature pixels, ``visible`` (B, V, J).
    """
    width = images.shape[-1] // FEATURE_STRIDE
    order = list(MIRRORED_JOINTS)
    flipped_2d = joints_2d.flip(1)[:, :, order]
    flipped_2d = torch.stack([width - 1 - flipped_2d[..., 0], flipped_2d[..., 1]], dim=-1)
    pick = chosen[:, None, None]
    return (
        torch.where(pick[..., None], images.flip(1).flip(-1), images),
        torch.where(pick[..., None], flipped_2d, joints_2d),
        torch.where(pick, visible.flip(1)[:, :, order], visible),
    )


def _noise_scale() -> NDArray[np.float32]:
    scale = np.zeros((NUM_DEVICES, 16), np.float32)
    scale[:, :6] = 0.009
    scale[0, 3:6] = (0.005, 0.0, 0.0)
    scale[:, ANGULAR_VELOCITY_SLOTS] = 0.05
    scale[1:, POSITION_OR_ACCELERATION_SLOTS] = 0.002
    scale[LEG_TOKENS, POSITION_OR_ACCELERATION_SLOTS] = 0.1
    scale[_POSES, VELOCITY_SLOTS] = 0.02
    return scale


_NOISE_SCALE = _noise_scale()


def drop_devices(
    features: NDArray[np.float32], chance: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Lose devices of (B, T, N, 16) for random spans, as the core would show it.

    Each device but the head is lost with ``chance`` somewhere in the T frames; in one of six of
    these cases for all of them. In half of the batch the legs, which share a receiver, are lost
    together. The token is zero meanwhile, its velocities also on the first frame after.
    """
    batch, frames = features.shape[:2]
    lost = rng.random((batch, NUM_DEVICES)) < chance
    lost[:, 0] = False
    length = np.exp(rng.uniform(np.log(2.0), np.log(90.0), lost.shape)).astype(np.int64)
    start = (rng.random(lost.shape) * (frames + 30)).astype(np.int64) - 30
    throughout = rng.random(lost.shape) < 1 / 6
    start, length = np.where(throughout, 0, start), np.where(throughout, frames, length)
    together = rng.random(batch) < 1 / 2
    for span in (lost, start, length):
        span[together, LEG_TOKENS] = span[together, LEG_TOKENS.start, None]
    time = np.arange(frames)[None, :, None]
    gone = lost[:, None] & (time >= start[:, None]) & (time < (start + length)[:, None])
    back = lost[:, None] & (time == (start + length)[:, None])
    out = features * ~gone[..., None]
    out[..., ANGULAR_VELOCITY_SLOTS] *= ~back[..., None]
    out[..., _POSES, VELOCITY_SLOTS] *= ~back[..., _POSES, None]
    return out


def jitter_devices(
    features: NDArray[np.float32],
    augment: AugmentConfig,
    rng: np.random.Generator,
    step_s: NDArray[np.float32] | np.float32,
) -> NDArray[np.float32]:
    """Sensor noise and a time offset on (B, T, N, 16); frames are ``step_s`` (B,) seconds apart."""
    out = features.copy()
    if augment.time_offset_s > 0:
        offset_s = rng.normal(0.0, augment.time_offset_s, len(out))
        part = (offset_s / step_s).clip(-1, 1)[:, None, None, None]
        valid = features[..., VALID_SLOT] > 0
        for shift in (1, -1):
            neighbour = np.roll(features, shift, axis=1)
            usable = valid & (np.roll(features[..., VALID_SLOT], shift, axis=1) > 0)
            usable[:, 0 if shift == 1 else -1] = False
            weight = np.where(usable[..., None], np.maximum(part * shift, 0.0), 0.0)
            out = (out + weight * (neighbour - features)).astype(np.float32)
    if augment.imu_noise > 0:
        noise = rng.standard_normal(out.shape, dtype=np.float32) * _NOISE_SCALE
        out += augment.imu_noise * noise * features[..., VALID_SLOT:]
    return out


def drop_views(
    batch: int, frames: int, chance: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """``view_valid`` (batch, frames, 2): one view, or both, lost for a random span."""
    valid = np.ones((batch, frames, 2), np.float32)
    draw = rng.random(batch)
    for i in np.flatnonzero(draw < 2 * chance):
        length = int(rng.integers(1, frames + 1)) if rng.random() < 0.5 else frames
        start = int(rng.integers(0, frames - length + 1))
        views = slice(None) if draw[i] < chance else int(rng.integers(2))
        valid[i, start : start + length, views] = 0.0
    return valid


def jitter_rays(
    rays: Tensor, origins: Tensor, degrees: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turn each camera of ``rays`` (B, V, 3, Hf, Wf) about its own random axis and shift its
    centre ``origins`` (B, V, 3) by 3 mm a degree: what a worse calibration would give."""
    if degrees == 0:
        return rays, origins
    batch, views = rays.shape[:2]
    turn = torch.from_numpy(rng.normal(0.0, np.deg2rad(degrees), (batch, views, 3))).to(rays)
    turn = turn[..., None, None].expand_as(rays)
    shift = torch.from_numpy(rng.normal(0.0, 0.003 * degrees, (batch, views, 3))).to(origins)
    return rays + torch.linalg.cross(turn, rays, dim=2), origins + shift
