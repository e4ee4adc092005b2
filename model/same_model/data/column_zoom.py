"""Places in images whose middle columns are denser (``ModelConfig.column_zoom``)."""

import numpy as np
from numpy.typing import NDArray


def to_zoomed(places: NDArray[np.floating], width: int, column_zoom: float) -> NDArray[np.floating]:
    """Pixels (..., 2) of an evenly spaced image of ``width`` columns, in the zoomed image of that
    width: floats; pixel centres are at integers, and places may be outside.

    The root of the cubic that ``cpp/include/same/column_zoom.hpp`` reads images by, which is one
    for every zoom above 1 (Cardano's formula, in its hyperbolic form).
    """
    if column_zoom == 1.0:
        return places
    place = (places[..., 0].astype(np.float64) + 0.5) * (2 / width) - 1
    linear = 1 / (column_zoom - 1)
    root = np.sqrt(linear / 3)
    sine = place * (linear + 1) / (2 * root**3)
    columns = (2 * root * np.sinh(np.arcsinh(sine) / 3) + 1) * (width / 2) - 0.5
    return np.stack([columns.astype(places.dtype), places[..., 1]], axis=-1)


def from_zoomed(
    places: NDArray[np.floating], width: int, column_zoom: float
) -> NDArray[np.floating]:
    """``to_zoomed`` undone."""
    if column_zoom == 1.0:
        return places
    place = (places[..., 0].astype(np.float64) + 0.5) * (2 / width) - 1
    even = place / column_zoom + (1 - 1 / column_zoom) * place**3
    columns = (even + 1) * (width / 2) - 0.5
    return np.stack([columns.astype(places.dtype), places[..., 1]], axis=-1)
