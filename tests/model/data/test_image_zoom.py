"""Joints are where the zoomed image shows them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_model.config import PRESETS
from same_model.data.image_zoom import from_zoomed, to_zoomed
from same_runtime._core import ImagePreprocessor

LITE = PRESETS["lite"]
ZOOMS = st.floats(1.0, 4.0)


@given(st.floats(-3, 4), st.floats(-3, 4), ZOOMS, ZOOMS)
def test_places_come_back(across: float, down: float, column_zoom: float, row_zoom: float) -> None:
    config = replace(LITE, column_zoom=column_zoom, row_zoom=row_zoom)
    places = np.array([[across * config.feature_width, down * config.feature_height]])
    there = to_zoomed(places, config)
    np.testing.assert_allclose(from_zoomed(there, config), places, atol=1e-4)


def test_the_middle_is_magnified_and_the_edges_stay() -> None:
    config = replace(LITE, column_zoom=1.8, row_zoom=1.5)
    edges_and_middle = np.array([[-0.5, -0.5], [19.5, 14.5], [39.5, 29.5]])
    np.testing.assert_allclose(to_zoomed(edges_and_middle, config), edges_and_middle, atol=1e-9)
    beside = to_zoomed(np.array([[19.45, 14.45], [19.55, 14.55]]), config)
    np.testing.assert_allclose(beside[1] - beside[0], (0.18, 0.15), atol=1e-3)


@pytest.mark.parametrize("share", [0.01, 0.31, 0.503, 0.75, 0.98])
def test_a_dot_is_seen_where_its_joint_is(share: float) -> None:
    config = replace(LITE, input_width=160, input_height=120, column_zoom=1.8, row_zoom=1.5)
    row, column = int(share * 240), int((1 - share) * 320)
    image = np.zeros((240, 320), np.uint8)
    image[row, column] = 255
    seen = np.empty((120, 160), np.float32)
    ImagePreprocessor(240, 320, 120, 160, 0.0, 1.0, 1.8, 1.5)(image, seen)
    cells = np.array([[(column + 0.5) / 8 - 0.5, (row + 0.5) / 8 - 0.5]])
    expected = 4 * (to_zoomed(cells, config)[0] + 0.5) - 0.5
    assert np.average(np.arange(160), weights=seen.sum(0)) == pytest.approx(expected[0], abs=0.6)
    assert np.average(np.arange(120), weights=seen.sum(1)) == pytest.approx(expected[1], abs=0.6)
