"""What surrounds the wearer: a room with furniture and a lamp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_model.synth.render.materials import (
    FURNITURE,
    NUM_FURNITURE_MATERIALS,
    random_materials,
)


@dataclass(frozen=True)
class Scene:
    """Room, furniture and materials of one recording."""

    materials: NDArray[np.float32]
    """(NUM_MATERIALS, 2): albedo (0..1), texels per metre of mip level 0."""
    mips: NDArray[np.float32]
    """(NUM_MATERIALS, texels) every material's texture at sizes 256, 128 … 4, level after level."""
    room: NDArray[np.float64]
    """(6,) x_min, x_max, floor, ceiling, z_min, z_max, metres, world."""
    boxes: NDArray[np.float64]
    """(n, 9) furniture: centre (3), half size (3), cos yaw, sin yaw, material."""
    light: NDArray[np.float64]
    """(3,) unit direction towards the main lamp, world."""
    ambient: float
    diffuse: float
    shadow: float
    """0..1, how dark the lamp's shadow is."""


def random_scene(
    rng: np.random.Generator,
    path_xz: NDArray[np.float64],
    seat: tuple[float, float, float] | None = None,
) -> Scene:
    """A room around a path that it leaves clear.

    ``path_xz``: (frames, 2) metres, where the wearer goes. ``seat``: (x, height, z) of a stool
    to put there.
    """
    materials, mips = random_materials(rng)
    room = _random_room(rng, path_xz)
    boxes = _random_furniture(rng, room, path_xz)
    if seat is not None:
        boxes.append(_random_stool(rng, *seat))
    light = _random_light(rng)
    ambient = float(rng.uniform(0.35, 0.75))
    return Scene(
        materials,
        mips,
        room,
        np.array(boxes, np.float64).reshape(-1, 9),
        light,
        ambient,
        float(1.15 - ambient),
        float(rng.uniform(0.25, 0.8)),
    )


def _random_room(rng: np.random.Generator, path_xz: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = path_xz.min(axis=0), path_xz.max(axis=0)
    margins = rng.uniform(1.0, 3.5, 4)
    return np.array(
        [
            low[0] - margins[0],
            high[0] + margins[1],
            0.0,
            rng.uniform(2.4, 3.2),
            low[1] - margins[2],
            high[1] + margins[3],
        ]
    )


def _random_furniture(
    rng: np.random.Generator, room: NDArray[np.float64], path_xz: NDArray[np.float64]
) -> list[list[float]]:
    """Some ``boxes`` that stand clear of the path."""
    boxes: list[list[float]] = []
    wanted = int(rng.integers(3, 9))
    for _ in range(wanted * 6):
        if len(boxes) == wanted:
            break
        half = rng.uniform((0.15, 0.15, 0.15), (0.7, 0.9, 0.5))
        x, z = rng.uniform(room[0], room[1]), rng.uniform(room[4], room[5])
        reach = float(np.hypot(half[0], half[2])) + 0.55
        if np.hypot(path_xz[:, 0] - x, path_xz[:, 1] - z).min() < reach:
            continue
        yaw = rng.uniform(0, np.pi)
        material = FURNITURE + int(rng.integers(NUM_FURNITURE_MATERIALS))
        boxes.append([x, half[1], z, half[0], half[1], half[2], np.cos(yaw), np.sin(yaw), material])
    return boxes


def _random_stool(rng: np.random.Generator, x: float, height: float, z: float) -> list[float]:
    half_width = float(rng.uniform(0.15, 0.22))
    yaw = rng.uniform(0, np.pi)
    half = [half_width, height / 2, half_width]
    return [x, height / 2, z, *half, np.cos(yaw), np.sin(yaw), FURNITURE]


def _random_light(rng: np.random.Generator) -> NDArray[np.float64]:
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(np.deg2rad(45), np.deg2rad(85))
    return np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.sin(azimuth),
        ]
    )
