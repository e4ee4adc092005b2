"""What things are made of: albedo and texture of skin, cloth, gadgets, walls and furniture."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

TEXTURE_SIZE = 256
SKIN, SHIRT, TROUSERS, SHOES, CONTROLLER, TRACKER, HEAD = range(7)
FLOOR, WALL, CEILING, FURNITURE = 7, 8, 9, 10
NUM_FURNITURE_MATERIALS = 3
NUM_MATERIALS = FURNITURE + NUM_FURNITURE_MATERIALS

# Tile of each material's texture, metres.
_TILE_M = {
    SKIN: 0.3,
    SHIRT: 0.5,
    TROUSERS: 0.6,
    SHOES: 0.2,
    CONTROLLER: 0.1,
    TRACKER: 0.1,
    HEAD: 0.3,
    FLOOR: 1.6,
    WALL: 3.0,
    CEILING: 2.4,
}


def _noise(rng: np.random.Generator, sigma: float) -> NDArray[np.float64]:
    field = gaussian_filter(rng.normal(size=(TEXTURE_SIZE, TEXTURE_SIZE)), sigma, mode="wrap")
    return np.asarray(field / (field.std() + 1e-9))


def _planks(rng: np.random.Generator) -> NDArray[np.float64]:
    rows = int(rng.choice([4, 8, 16]))
    width = TEXTURE_SIZE // rows
    out = np.empty((TEXTURE_SIZE, TEXTURE_SIZE))
    grain = gaussian_filter(rng.normal(size=out.shape), (0.7, 12.0), mode="wrap")
    for row in range(rows):
        part = slice(row * width, (row + 1) * width)
        cut = int(rng.integers(TEXTURE_SIZE))
        tones = rng.normal(0.0, 0.12, 2)
        columns = (np.arange(TEXTURE_SIZE) - cut) % TEXTURE_SIZE
        tone = np.where(columns < TEXTURE_SIZE // 2, tones[0], tones[1])
        out[part] = 1.0 + tone
        seam = np.minimum(columns, np.abs(columns - TEXTURE_SIZE // 2)) < 2
        out[part][:, seam] *= 0.6
        out[row * width : row * width + 1 + (width > 30)] *= 0.6
    return out + 0.6 * grain


def _tiles(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([2, 4, 8]))
    size = TEXTURE_SIZE // count
    tone = 1.0 + rng.normal(0.0, 0.06, (count, count))
    out = np.kron(tone, np.ones((size, size)))
    grid = np.arange(TEXTURE_SIZE) % size < max(1, size // 24)
    joint = float(rng.uniform(0.5, 1.3))
    out[grid] *= joint
    out[:, grid] *= joint
    return out + 0.04 * _noise(rng, 3.0)


def _checker(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([4, 8]))
    y, x = np.indices((TEXTURE_SIZE, TEXTURE_SIZE)) * count // TEXTURE_SIZE
    return 1.0 + float(rng.uniform(0.1, 0.45)) * ((x + y) % 2 * 2 - 1) + 0.03 * _noise(rng, 2.0)


def _stripes(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([4, 8, 16]))
    phase = np.arange(TEXTURE_SIZE) * count % TEXTURE_SIZE / TEXTURE_SIZE
    stripe = np.where(phase < rng.uniform(0.3, 0.7), 1.0, -1.0) * float(rng.uniform(0.1, 0.5))
    out = 1.0 + np.repeat(stripe[:, None], TEXTURE_SIZE, axis=1)
    if rng.random() < 0.4:
        out = out.T
    return out + 0.05 * _noise(rng, 1.5)


def _carpet(rng: np.random.Generator) -> NDArray[np.float64]:
    return 1.0 + 0.12 * _noise(rng, 0.8) + 0.08 * _noise(rng, 8.0)


def _cloud(rng: np.random.Generator) -> NDArray[np.float64]:
    return 1.0 + 0.05 * _noise(rng, 1.2) + 0.07 * _noise(rng, 16.0)


def _patches(rng: np.random.Generator) -> NDArray[np.float64]:
    """Pictures, switches and windows on a wall; prints on a shirt."""
    out = _cloud(rng)
    for _ in range(int(rng.integers(1, 5))):
        h, w = rng.integers(TEXTURE_SIZE // 12, TEXTURE_SIZE // 3, 2)
        y, x = rng.integers(0, TEXTURE_SIZE - h), rng.integers(0, TEXTURE_SIZE - w)
        out[y : y + h, x : x + w] = rng.uniform(0.3, 1.7)
        inner = out[y + h // 8 : y + h - h // 8, x + w // 8 : x + w - w // 8]
        inner *= rng.uniform(0.6, 1.4)
    return out


_KINDS = {
    FLOOR: (_planks, _planks, _tiles, _checker, _carpet, _cloud),
    WALL: (_cloud, _patches, _patches, _stripes, _tiles),
    CEILING: (_cloud, _tiles),
    SHIRT: (_cloud, _cloud, _stripes, _patches, _checker),
    TROUSERS: (_cloud, _cloud, _cloud, _stripes),
}
_ALBEDO = {
    SKIN: (0.25, 0.75),
    SHIRT: (0.08, 0.85),
    TROUSERS: (0.06, 0.6),
    SHOES: (0.08, 0.85),
    CONTROLLER: (0.06, 0.8),
    TRACKER: (0.06, 0.5),
    HEAD: (0.3, 0.5),
    FLOOR: (0.15, 0.7),
    WALL: (0.35, 0.85),
    CEILING: (0.6, 0.9),
}


def _mip_chain(texture: NDArray[np.float64]) -> NDArray[np.float32]:
    levels = []
    level = texture
    while True:
        levels.append(level.ravel())
        if len(level) <= 4:
            return np.concatenate(levels).astype(np.float32)
        level = level.reshape(len(level) // 2, 2, len(level) // 2, 2).mean(axis=(1, 3))


def random_materials(
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``materials`` and ``mips`` of a ``Scene``."""
    materials = np.empty((NUM_MATERIALS, 2), np.float32)
    mips = []
    for m in range(NUM_MATERIALS):
        kinds = _KINDS.get(m, (_cloud,) if m < FURNITURE else (_planks, _cloud, _cloud))
        texture = kinds[int(rng.integers(len(kinds)))](rng)
        tile = _TILE_M.get(m, 1.2) * float(rng.uniform(0.7, 1.4))
        materials[m] = rng.uniform(*_ALBEDO.get(m, (0.08, 0.8))), TEXTURE_SIZE / tile
        mips.append(_mip_chain(np.clip(texture, 0.05, 2.0)))
    return materials, np.stack(mips)
