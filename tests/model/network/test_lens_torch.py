import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from same_model.network.camera import Lens, project, unproject
from same_runtime.camera import FisheyeCamera

CAMERA = FisheyeCamera(
    640, 480, 231.0, 229.0, 324.0, 246.0, (0.04, -0.015, 0.004, -0.0006), np.eye(4), 1.75
)


def lens_of(camera: FisheyeCamera) -> Lens:
    def tensor(*values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    return Lens(
        tensor(camera.fx, camera.fy),
        tensor(camera.cx, camera.cy),
        tensor(*camera.k),
        torch.tensor(camera.max_incidence, dtype=torch.float64),
    )


LENS = lens_of(CAMERA)


def test_projection_matches_the_numpy_camera_behind_the_image_plane_too() -> None:
    points = np.random.default_rng(0).normal(size=(4000, 3))
    points[0], points[1], points[2] = (0, 0, 1), (0, 0, -1), (0, 0, 0)
    expected, expected_valid = CAMERA.project(points)
    pixels, valid = project(torch.from_numpy(points), LENS, 640, 480)
    np.testing.assert_allclose(pixels.numpy(), expected, atol=1e-9)
    np.testing.assert_array_equal(valid.numpy(), expected_valid)
    assert (valid.numpy() & (points[:, 2] < 0)).any()


def test_unprojection_matches_the_numpy_camera() -> None:
    grid = np.stack(np.meshgrid(np.linspace(-150, 790, 41), np.linspace(-150, 630, 37)), axis=-1)
    pixels = np.concatenate([grid.reshape(-1, 2), [[CAMERA.cx, CAMERA.cy]]])
    expected, expected_valid = CAMERA.unproject(pixels)
    rays, valid = unproject(torch.from_numpy(pixels), LENS)
    np.testing.assert_allclose(rays.numpy(), expected, atol=1e-9)
    np.testing.assert_array_equal(valid.numpy(), expected_valid)
    assert 0 < valid.sum() < valid.numel()


@settings(deadline=None, max_examples=100)
@given(
    incidence=st.floats(0.0, 1.74),
    azimuth=st.floats(-np.pi, np.pi),
    distance=st.floats(0.05, 5.0),
    k=st.tuples(st.floats(-0.02, 0.1), st.floats(-0.005, 0.02)),
)
def test_round_trip(
    incidence: float, azimuth: float, distance: float, k: tuple[float, float]
) -> None:
    lens = LENS._replace(k=torch.tensor([*k, 0.0, 0.0], dtype=torch.float64))
    ray = torch.tensor(
        [
            np.sin(incidence) * np.cos(azimuth),
            np.sin(incidence) * np.sin(azimuth),
            np.cos(incidence),
        ]
    )
    pixels, _ = project(ray * distance, lens, 640, 480)
    back, valid = unproject(pixels, lens)
    assert valid
    assert (back - ray).abs().max() < 1e-6


def test_gradients_of_projection_reach_points_and_lens() -> None:
    points = torch.tensor(
        [[0.3, -0.2, 1.0], [0.8, 0.1, 0.05], [-0.5, 0.6, -0.06], [0.0, 0.0, 2.0]],
        dtype=torch.float64,
        requires_grad=True,
    )
    k = LENS.k.clone().requires_grad_()
    focal = LENS.focal.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, f, k: project(p, Lens(f, LENS.centre, k, LENS.max_incidence), 640, 480)[0],
        (points, focal, k),
    )


def test_gradients_of_unprojection_are_those_of_the_implicit_function() -> None:
    pixels = torch.tensor(
        [[324.5, 246.5], [600.0, 20.0], [20.0, 300.0]], dtype=torch.float64, requires_grad=True
    )
    k = LENS.k.clone().requires_grad_()
    focal = LENS.focal.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda p, f, k: unproject(p, Lens(f, LENS.centre, k, LENS.max_incidence))[0],
        (pixels, focal, k),
    )


def test_gradients_are_finite_where_the_formulas_are_not() -> None:
    points = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 0.0]], requires_grad=True)
    pixels = LENS.centre.float().clone().requires_grad_()
    lens = Lens(*(value.float() for value in LENS))
    project(points, lens, 640, 480)[0].sum().backward()
    unproject(pixels, lens)[0].sum().backward()
    assert points.grad is not None and torch.isfinite(points.grad).all()
    assert pixels.grad is not None and torch.isfinite(pixels.grad).all()
