"""ImagePreprocessor against OpenCV's INTER_AREA."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from same_runtime._core import ImagePreprocessor

MEAN, STD = 0.5, 0.25


def run(image: np.ndarray, height: int, width: int) -> np.ndarray:
    out = np.full((height, width), np.nan, np.float32)
    ImagePreprocessor(*image.shape, height, width, MEAN, STD)(image, out)
    return out


def expected(image: np.ndarray, height: int, width: int) -> np.ndarray:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    resized = cv2.resize(
        np.ascontiguousarray(image).astype(np.float64),
        (width, height),
        interpolation=cv2.INTER_AREA,
    )
    return (resized / 255 - MEAN) / STD


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((480, 640), (120, 160)),
        ((480, 640), (240, 320)),
        ((480, 640), (480, 640)),
        ((480, 640), (60, 80)),
        ((480, 640), (100, 130)),
        ((800, 1280), (120, 160)),
        ((257, 301), (256, 300)),
        ((600, 9), (2, 3)),  # boxes too tall for the integer path
    ],
)
def test_agrees_with_opencv(source: tuple[int, int], target: tuple[int, int]) -> None:
    image = random_image(*source)
    np.testing.assert_allclose(run(image, *target), expected(image, *target), atol=2e-6)


@settings(max_examples=60)
@given(st.data(), st.integers(1, 70), st.integers(1, 70))
def test_agrees_with_opencv_at_any_size(data: st.DataObject, height: int, width: int) -> None:
    target = data.draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    image = random_image(height, width, data.draw(st.integers(0, 9)))
    # OpenCV takes its float32 shortcut tables to about 1e-6.
    np.testing.assert_allclose(run(image, *target), expected(image, *target), atol=5e-6)


@pytest.mark.parametrize("column_zoom", [1.3, 1.8, 4.0])
@pytest.mark.parametrize("width", [640, 333, 160])
def test_zoomed_columns_show_what_lies_at_their_place(width: int, column_zoom: float) -> None:
    image = np.tile(np.linspace(0, 255, width).round().astype(np.uint8), (24, 1))
    out = np.empty((12, 160), np.float32)
    ImagePreprocessor(24, width, 12, 160, 0.0, 1.0, column_zoom)(image, out)
    edges = np.linspace(-1, 1, 161)
    edges = edges / column_zoom + (1 - 1 / column_zoom) * edges**3
    # The ramp's mean between two edges is its value halfway, to half a grey level and the ends.
    halfway = (edges[:-1] + edges[1:]) / 2
    expected = np.clip((halfway + 1) / 2 * width - 0.5, 0, width - 1) / (width - 1)
    np.testing.assert_allclose(out, np.tile(expected, (12, 1)), atol=2.5 / min(width, 255))


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.floats(1.0, 4.0), st.integers(0, 9))
def test_zoomed_columns_are_means(first: int, second: int, column_zoom: float, seed: int) -> None:
    """One grey stays as it is, and the columns weighted by what they cover are the whole image."""
    narrow, width = sorted((first, second))
    image = random_image(3, width, seed)
    edges = np.linspace(-1, 1, narrow + 1)
    covers = np.diff(edges / column_zoom + (1 - 1 / column_zoom) * edges**3) / 2
    out, grey = np.empty((1, narrow), np.float32), np.empty((1, narrow), np.float32)
    preprocess = ImagePreprocessor(3, width, 1, narrow, 0.0, 1.0, column_zoom)
    preprocess(image, out)
    preprocess(np.full_like(image, 77), grey)
    np.testing.assert_allclose(grey, 77 / 255, atol=1e-6)
    np.testing.assert_allclose(out[0] @ covers, image.mean() / 255, atol=1e-5)


@settings(max_examples=60)
@given(st.data(), st.floats(1.0, 4.0), st.sampled_from([1.0, 1.8]), st.integers(0, 9))
def test_zoomed_rows_are_columns_of_the_image_on_its_side(
    data: st.DataObject, row_zoom: float, column_zoom: float, seed: int
) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    target = data.draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    image = random_image(height, width, seed)
    out, turned = np.empty(target, np.float32), np.empty(target[::-1], np.float32)
    ImagePreprocessor(height, width, *target, 0.5, 0.25, column_zoom, row_zoom)(image, out)
    on_its_side = np.ascontiguousarray(image.T)
    ImagePreprocessor(width, height, *target[::-1], 0.5, 0.25, row_zoom, column_zoom)(
        on_its_side, turned
    )
    np.testing.assert_allclose(out, turned.T, atol=2e-5)


@pytest.mark.parametrize("rows", [4, 5, 7, 12])
def test_columns_are_those_of_each_rows_own_pixels(rows: int) -> None:
    """Rows that are averaged together do not mix, nor do the last where they are no multiple."""
    image = random_image(3 * rows, 50, rows)
    out, one = np.empty((rows, 20), np.float32), np.empty((1, 20), np.float32)
    ImagePreprocessor(3 * rows, 50, rows, 20, 0.5, 0.25, 1.8)(image, out)
    for row in range(rows):
        ImagePreprocessor(3, 50, 1, 20, 0.5, 0.25, 1.8)(image[3 * row : 3 * row + 3], one)
        np.testing.assert_allclose(out[row], one[0], atol=5e-6)


@pytest.mark.parametrize("name", ["column_zoom", "row_zoom"])
@pytest.mark.parametrize("zoom", [0.9, 4.1, float("nan"), float("inf")])
def test_other_zooms_are_refused(name: str, zoom: float) -> None:
    with pytest.raises(ValueError, match=name):
        ImagePreprocessor(24, 32, 12, 16, 0.0, 1.0, **{name: zoom})


def test_ratio_one_copies() -> None:
    image = random_image(12, 17)
    np.testing.assert_allclose(run(image, 12, 17), (image / 255 - MEAN) / STD, atol=1e-6)


def test_white_does_not_overflow() -> None:
    for source in ((257 * 2, 8), (258 * 2, 8)):
        np.testing.assert_allclose(run(np.full(source, 255, np.uint8), 2, 1), 2.0, atol=1e-4)


def test_any_strides() -> None:
    big = random_image(96, 128)
    for view in (big[::-1], big[:48, 32:], big[::2, ::2], big[:, ::-1], big.T):
        for target in ((12, 16), (11, 13)):
            np.testing.assert_array_equal(
                run(view, *target), run(np.ascontiguousarray(view), *target)
            )


@pytest.mark.parametrize(
    ("sizes", "std", "match"),
    [
        ((10, 10, 11, 10), STD, "at most the input"),
        ((10, 10, 10, 11), STD, "at most the input"),
        ((10, 10, 0, 10), STD, "at least 1"),
        ((10, 8193, 10, 10), STD, "in_width"),
        ((10, 10, 5, 5), 0.0, "std"),
        ((10, 10, 5, 5), np.nan, "std"),
    ],
)
def test_bad_settings(sizes: tuple[int, int, int, int], std: float, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ImagePreprocessor(*sizes, MEAN, std)


@pytest.mark.parametrize(
    ("image", "out"),
    [
        (np.zeros((4, 4), np.float32), np.full((2, 2), 9, np.float32)),
        (np.zeros((4, 5), np.uint8), np.full((2, 2), 9, np.float32)),
        (np.zeros((4, 4), np.uint8), np.full((2, 2), 9.0)),
        (np.zeros((4, 4), np.uint8), np.full((2, 3), 9, np.float32)),
        (np.zeros((4, 4), np.uint8), np.full((2, 4), 9, np.float32)[:, ::2]),
    ],
)
def test_bad_arrays_change_nothing(image: np.ndarray, out: np.ndarray) -> None:
    with pytest.raises(ValueError):
        ImagePreprocessor(4, 4, 2, 2, MEAN, STD)(image, out)
    assert (out == 9).all()
