"""Kannala-Brandt fisheye projection and its inverse in PyTorch, differentiable in everything.

The same lens as ``same_runtime.camera``; for training augmentations and calibration fits.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_NEWTON_STEPS = 20
_NEAR_AXIS = 1e-6


class Lens(NamedTuple):
    """Lens parameters; tensors that broadcast against the points' leading axes."""

    focal: Tensor
    """(..., 2): fx, fy in pixels."""
    centre: Tensor
    """(..., 2): cx, cy in pixels, pixel centres at integers."""
    k: Tensor
    """(..., 4): k1..k4."""
    max_incidence: Tensor
    """(...): largest incidence angle that the lens images, radians."""


def _radius(theta: Tensor, k: Tensor) -> Tensor:
    t2 = theta * theta
    k1, k2, k3, k4 = k.unbind(-1)
    return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


def _slope(theta: Tensor, k: Tensor) -> Tensor:
    t2 = theta * theta
    k1, k2, k3, k4 = k.unbind(-1)
    return 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))


def project(points_cam: Tensor, lens: Lens, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Project camera-frame points, also those beside or behind the image plane.

    ``points_cam`` (..., 3) metres, OpenCV axes. ``width``, ``height``: image size, pixels.
    Returns pixels (..., 2) and a mask (...) that is true where the incidence is within
    ``max_incidence`` and the pixel inside the image. Source: Kannala and Brandt, 2006.
    """
    xy, z = points_cam[..., :2], points_cam[..., 2]
    squared = (xy * xy).sum(dim=-1)
    # On the axis r(theta) / rho is 0 / 0; there the lens is a pinhole, to second order.
    near_axis = squared <= (_NEAR_AXIS * z) ** 2
    rho = torch.where(near_axis, torch.ones_like(squared), squared).sqrt()
    theta = torch.where(near_axis & (z < 0), torch.pi, torch.atan2(rho, z))
    depth = torch.where(near_axis & (z > 0), z, torch.ones_like(z))
    scale = torch.where(near_axis, 1.0 / depth, _radius(theta, lens.k) / rho)
    pixels = lens.focal * scale[..., None] * xy + lens.centre
    theta = torch.where(near_axis & (z > 0), torch.zeros_like(theta), theta)
    limit = pixels.new_tensor([width - 0.5, height - 0.5])
    valid = (
        (theta <= lens.max_incidence)
        & (points_cam.abs().amax(dim=-1) > 0)
        & (pixels >= -0.5).all(dim=-1)
        & (pixels <= limit).all(dim=-1)
    )
    return pixels, valid


def _incidence(radius: Tensor, k: Tensor, max_incidence: Tensor) -> Tensor:
    """Solve r(theta) = radius by Newton's method held inside a bracket; no gradient."""
    low, high = torch.zeros_like(radius), max_incidence.expand_as(radius)
    theta = torch.minimum(radius, high)
    for _ in range(_NEWTON_STEPS):
        error = _radius(theta, k) - radius
        high = torch.where(error > 0, theta, high)
        low = torch.where(error <= 0, theta, low)
        step = theta - error / _slope(theta, k)
        theta = torch.where((step >= low) & (step <= high), step, 0.5 * (low + high))
    return theta


def unproject(pixels: Tensor, lens: Lens) -> tuple[Tensor, Tensor]:
    """Unit viewing rays in the camera frame of ``pixels`` (..., 2).

    Returns rays (..., 3), OpenCV axes, and a mask (...) that is false beyond
    ``max_incidence``, where the ray is that of the lens's edge.
    """
    xy = (pixels - lens.centre) / lens.focal
    squared = (xy * xy).sum(dim=-1)
    on_axis = squared == 0
    radius = torch.where(on_axis, torch.ones_like(squared), squared).sqrt()
    direction = xy / radius[..., None]
    radius = torch.where(on_axis, torch.zeros_like(radius), radius)
    edge = _radius(lens.max_incidence, lens.k)
    target = torch.minimum(radius, edge)
    with torch.no_grad():
        theta = _incidence(target, lens.k, lens.max_incidence)
        slope = _slope(theta, lens.k)
    # One Newton step from the root leaves its value and has the implicit function's gradient.
    theta = theta - (_radius(theta, lens.k) - target) / slope
    rays = torch.cat([theta.sin()[..., None] * direction, theta.cos()[..., None]], dim=-1)
    return rays, radius <= edge
