"""Sensor noise, added when images are loaded so that every epoch sees other noise."""

import numpy as np
from numpy.typing import NDArray


def add_sensor_noise(
    images: NDArray[np.uint8],
    rng: np.random.Generator,
    read_noise: float = 1.5,
    shot_noise: float = 0.25,
) -> NDArray[np.uint8]:
    """Noisy copy of ``images`` (..., H, W).

    ``read_noise``: standard deviation in grey levels at black; ``shot_noise``: its growth, as
    the standard deviation per square root of a grey level (Poisson photon noise). Both typical of
    small global-shutter sensors at indoor light (about 36 dB at half scale).
    """
    level = images.astype(np.float32)
    spread = np.sqrt(np.float32(read_noise**2) + np.float32(shot_noise**2) * level)
    noisy = level + spread * rng.standard_normal(images.shape, dtype=np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
