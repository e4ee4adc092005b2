"""Places in images whose middle is denser (``ModelConfig.column_zoom`` and ``row_zoom``)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from same_model.config import ModelConfig


def to_zoomed(places: NDArray[np.floating], config: ModelConfig) -> NDArray[np.floating]:
    """Pixels (..., 2) of an evenly spaced feature map, in the zoomed one: floats of the same type;
    pixel centres are at integers, and places may be outside.

    The root of the cubic that ``cpp/include/same/image_zoom.hpp`` reads images by, which is one
    for every zoom above 1 (Cardano's formula, in its hyperbolic form).
    """
    return _each_axis(places, config, _zoomed)


def from_zoomed(places: NDArray[np.floating], config: ModelConfig) -> NDArray[np.floating]:
    """``to_zoomed`` undone."""
    return _each_axis(places, config, _even)


def _each_axis(
    places: NDArray[np.floating],
    config: ModelConfig,
    change: Callable[[NDArray[np.float64], float], NDArray[np.float64]],
) -> NDArray[np.floating]:
    sizes = (config.feature_width, config.feature_height)
    out = places.copy()
    for axis, (size, zoom) in enumerate(zip(sizes, config.zooms, strict=True)):
        if zoom != 1.0:
            place = (places[..., axis].astype(np.float64) + 0.5) * (2 / size) - 1
            out[..., axis] = (change(place, zoom) + 1) * (size / 2) - 0.5
    return out


def _zoomed(place: NDArray[np.float64], zoom: float) -> NDArray[np.float64]:
    linear = 1 / (zoom - 1)
    root = np.sqrt(linear / 3)
    return 2 * root * np.sinh(np.arcsinh(place * (linear + 1) / (2 * root**3)) / 3)


def _even(place: NDArray[np.float64], zoom: float) -> NDArray[np.float64]:
    return place / zoom + (1 - 1 / zoom) * place**3
