"""The host operator against the float64 reference that builds every shell point."""

from typing import Any

import numpy as np
import pytest
from deform_attn_inputs import inputs
from hypothesis import given, settings
from hypothesis import strategies as st

from same_bench.peers.deform_attn_reference import deform_attn_reference
from same_runtime._core import spatial_aware_deform_attn

sizes = st.integers(1, 5)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[sizes] * 9), st.floats(0, 0.5), st.booleans())
def test_agrees_with_the_reference(
    seed: int, shape: tuple[int, ...], delta: float, pe_sum: bool
) -> None:
    arrays = inputs(seed, *shape)
    delta = float(np.float32(delta))
    sampled, position = spatial_aware_deform_attn(**arrays, delta=delta, pe_sum=pe_sum)
    expected = deform_attn_reference(**arrays, delta=delta, pe_sum=pe_sum)
    assert sampled.dtype == position.dtype == np.float32
    np.testing.assert_allclose(sampled, expected[0], rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(position, expected[1], rtol=1e-5, atol=1e-4)


def test_agrees_with_the_reference_at_the_lite_size() -> None:
    arrays = inputs(0, V=2, D=64, Hf=30, Wf=40, J=22, M=4, K=8, H=64, N=8)
    sampled, position = spatial_aware_deform_attn(**arrays, delta=0.2)
    expected = deform_attn_reference(**arrays, delta=0.2)
    np.testing.assert_allclose(sampled, expected[0], atol=2e-5)
    np.testing.assert_allclose(position, expected[1], atol=1e-4)


@pytest.mark.parametrize("far", [-1.0, 4.0, 1e9, -np.inf, np.nan])
def test_points_off_the_map_sample_zero(far: float) -> None:
    arrays = inputs(1, V=1, D=3, Hf=4, Wf=4, J=1, M=1, K=1, H=2, N=2)
    arrays["locations"][...] = far
    sampled, position = spatial_aware_deform_attn(**arrays, delta=0.1)
    assert (sampled == 0).all()
    w_sum = arrays["w1"].reshape(2, 2, 3).sum(axis=1)
    origin_only = np.maximum(w_sum @ arrays["origins"][0] + arrays["b1"], 0)
    np.testing.assert_allclose(position[0, 0, 0], origin_only * arrays["weights"].item(), rtol=1e-5)


@pytest.mark.parametrize("width", [4, 64])
def test_just_inside_the_far_edge(width: int) -> None:
    arrays = inputs(2, V=1, D=3, Hf=2, Wf=width, J=1, M=1, K=1, H=2, N=2)
    arrays["locations"][..., 0] = np.nextafter(np.float32(width), np.float32(0))
    arrays["locations"][..., 1] = np.nextafter(np.float32(2), np.float32(0))
    sampled, _ = spatial_aware_deform_attn(**arrays, delta=0.1)
    np.testing.assert_allclose(sampled, 0, atol=1e-5)


def change(**changes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in changes.items()}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (change(rays=(1, 3, 4, 5)), "rays"),
        (change(origins=(2, 3)), "origins"),
        (change(locations=(1, 1, 1, 1, 3)), "locations"),
        (change(locations=(2, 1, 1, 1, 2)), "locations"),
        (change(weights=(1, 1, 1, 2)), "weights"),
        (change(depth=(1, 2)), "depth"),
        (change(w1=(2, 7)), "w1"),
        (change(w1=(2, 0)), "w1"),
        (change(b1=(3,)), "b1"),
        (change(features=(4, 4)), "features"),
        (change(features=(1, 0, 4, 4)), "empty"),
        ({"delta": np.nan}, "delta"),
    ],
)
def test_wrong_shapes_are_named(changes: dict[str, Any], match: str) -> None:
    arrays = inputs(3, V=1, D=3, Hf=4, Wf=4, J=1, M=1, K=1, H=2, N=2)
    with pytest.raises(ValueError, match=match):
        spatial_aware_deform_attn(**{**arrays, "delta": 0.1, **changes})
