"""Joints are where the zoomed image shows them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_model.data.column_zoom import from_zoomed, to_zoomed
from same_runtime._core import ImagePreprocessor


@given(st.floats(-3, 4), st.floats(1.0, 4.0), st.integers(1, 200))
def test_places_come_back(share: float, column_zoom: float, width: int) -> None:
    places = np.array([[share * width, 7.0]])
    there = to_zoomed(places, width, column_zoom)
    np.testing.assert_allclose(from_zoomed(there, width, column_zoom), places, atol=1e-6 * width)


def test_the_middle_is_magnified_and_the_edges_stay() -> None:
    edges_and_middle = np.array([[-0.5, 0.0], [79.5, 0.0], [159.5, 0.0]])
    np.testing.assert_allclose(to_zoomed(edges_and_middle, 160, 1.8), edges_and_middle, atol=1e-9)
    beside = to_zoomed(np.array([[79.5, 0.0], [80.5, 0.0]]), 160, 1.8)
    assert beside[1, 0] - beside[0, 0] == pytest.approx(1.8, abs=1e-3)


@pytest.mark.parametrize("column", [3, 100, 161, 240, 316])
def test_a_dot_is_seen_where_its_joint_is(column: int) -> None:
    image = np.zeros((8, 320), np.uint8)
    image[:, column] = 255
    seen = np.empty((4, 160), np.float32)
    ImagePreprocessor(8, 320, 4, 160, 0.0, 1.0, 1.8)(image, seen)
    place = np.array([[(column + 0.5) / 2 - 0.5, 0.0]])
    expected = to_zoomed(place, 160, 1.8)[0, 0]
    assert np.average(np.arange(160), weights=seen[0]) == pytest.approx(expected, abs=0.6)
