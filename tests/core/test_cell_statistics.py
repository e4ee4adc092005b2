import numpy as np
import pytest

from same_runtime._core import cell_statistics


def expected(image: np.ndarray, rows: int, columns: int, bright: float) -> tuple[float, ...]:
    height, width = max(1, image.shape[0] // rows), max(1, image.shape[1] // columns)
    rows, columns = image.shape[0] // height, image.shape[1] // width
    whole = image[: rows * height, : columns * width].astype(np.float64)
    cells = whole.reshape(rows, height, columns, width).mean((1, 3))
    return cells.mean(), cells.std(), (cells >= bright).mean()


@pytest.mark.parametrize("shape", [(120, 160), (48, 64), (121, 163), (7, 5), (1, 1)])
def test_it_is_the_spread_of_the_cells_means(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    image[shape[0] // 2 :] += 1.5
    came = cell_statistics(image, 24, 32, 1.0)
    np.testing.assert_allclose(came, expected(image, 24, 32, 1.0), atol=1e-5)


def test_a_flat_image_has_no_spread() -> None:
    mean, std, share = cell_statistics(np.full((120, 160), 2.5, np.float32), 24, 32, 2.5)
    assert (mean, share) == (2.5, 1.0) and std < 1e-6


@pytest.mark.parametrize(
    ("image", "rows", "named"),
    [
        (np.zeros((0, 4)), 2, "image, rows, columns"),
        (np.zeros((4, 4)), 0, "image, rows, columns"),
        (np.zeros(4), 2, "image"),
    ],
)
def test_bad_arguments_are_named(image: np.ndarray, rows: int, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        cell_statistics(image, rows, 2, 1.0)
