"""Literal float64 NumPy form of the spatially aware deformable attention: what its tests trust."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bilinear_zeros(maps: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sample ``maps`` (C, H, W) at ``xy`` (..., 2) pixels, centres at integers; returns (..., C).

    Each of the four taps that lies outside the map counts as zero.
    """
    _, height, width = maps.shape
    x0, y0 = np.floor(xy[..., 0]), np.floor(xy[..., 1])
    total = np.zeros((*xy.shape[:-1], maps.shape[0]))
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = x0 + dx, y0 + dy
            share = (1 - np.abs(xy[..., 0] - x)) * (1 - np.abs(xy[..., 1] - y))
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            column = np.where(inside, x, 0).astype(np.int64)
            row = np.where(inside, y, 0).astype(np.int64)
            tap = np.moveaxis(maps[:, row, column], 0, -1)
            total += np.where(inside, share, 0.0)[..., None] * tap
    return total


def deform_attn_reference(
    features: ArrayLike,
    rays: ArrayLike,
    origins: ArrayLike,
    locations: ArrayLike,
    weights: ArrayLike,
    depth: ArrayLike,
    w1: ArrayLike,
    b1: ArrayLike,
    delta: float,
    pe_sum: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eq. 3-4 of the SAME paper, point by point, up to their outer linear maps.

    ``features`` (V, D, Hf, Wf); ``rays`` (V, 3, Hf, Wf), left-camera axes; ``origins`` (V, 3), m;
    ``locations`` (V, J, M, K, 2), feature pixels (x, y); ``weights`` (V, J, M, K);
    ``depth`` (V, J), m; ``w1`` (H, 3 N_s), columns x0 y0 z0 x1 y1 z1 ...; ``b1`` (H);
    ``delta`` half length of the shell, m. ``pe_sum`` leaves the weights out of ``position``.
    Returns sampled (V, J, M, D) and position (V, J, M, H), float64.
    """
    features, rays, origins, locations, weights, depth, w1, b1 = (
        np.asarray(a, dtype=np.float64)
        for a in (features, rays, origins, locations, weights, depth, w1, b1)
    )
    num_points = w1.shape[1] // 3
    step = np.linspace(-delta, delta, num_points) if num_points > 1 else np.zeros(1)
    sampled, position = [], []
    for view in range(features.shape[0]):
        value = bilinear_zeros(features[view], locations[view])  # (J, M, K, D)
        ray = bilinear_zeros(rays[view], locations[view])  # (J, M, K, 3)
        radius = depth[view][:, None] + step  # (J, N_s)
        points = origins[view] + ray[:, :, :, None, :] * radius[:, None, None, :, None]
        theta = points.reshape(*ray.shape[:-1], 3 * num_points)
        hidden = np.maximum(theta @ w1.T + b1, 0.0)  # (J, M, K, H)
        attention = weights[view][..., None]
        sampled.append((attention * value).sum(axis=2))
        position.append((hidden if pe_sum else attention * hidden).sum(axis=2))
    return np.stack(sampled), np.stack(position)
