import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from same_bench.peers.deform_attn_reference import deform_attn_reference
from same_model.network.deform_attn import (
    deform_attn,
    exported_deform_attn,
    spatial_aware_deform_attn,
)


def operator_inputs(
    seed: int, shell: int = 3, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, ...]:
    """V 2, D 4, Hf 5, Wf 6, J 3, M 2, K 3, H 5; sampling points inside, outside and between."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    locations = torch.rand(2, 3, 2, 3, 2, generator=generator, dtype=torch.float64)
    tensors = (
        normal(2, 4, 5, 6),
        normal(2, 3, 5, 6),
        normal(2, 3),
        locations * torch.tensor([8.0, 7.0]) - 1.5,
        torch.softmax(normal(2, 3, 2, 3), dim=-1),
        normal(2, 3).abs() + 0.5,
        normal(5, 3 * shell),
        normal(5),
    )
    return tuple(tensor.to(dtype) for tensor in tensors)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    shell=st.sampled_from([1, 2, 3, 8]),
    delta=st.floats(0.01, 1.0),
    pe_sum=st.booleans(),
)
def test_matches_the_literal_reference(seed: int, shell: int, delta: float, pe_sum: bool) -> None:
    inputs = operator_inputs(seed, shell)
    expected = deform_attn_reference(*(x.numpy() for x in inputs), delta, pe_sum)
    came = spatial_aware_deform_attn(*inputs, delta, pe_sum)
    for wanted, got in zip(expected, came, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-12)


def test_integer_locations_read_pixels_and_outside_is_zero() -> None:
    features, rays, origins, locations, weights, depth, w1, b1 = operator_inputs(0)
    locations = torch.zeros_like(locations)
    locations[..., 0], locations[..., 1] = 4.0, 2.0
    locations[1] = 100.0
    sampled, position = spatial_aware_deform_attn(
        features, rays, origins, locations, weights, depth, w1, b1, 0.2
    )
    torch.testing.assert_close(sampled[0, 0, 0], features[0, :, 2, 4])
    assert not sampled[1].any()
    at_camera = torch.relu(w1 @ origins[1].repeat(3) + b1)
    torch.testing.assert_close(position[1, 0, 0], at_camera)


@pytest.mark.parametrize("pe_sum", [False, True])
def test_gradients(pe_sum: bool) -> None:
    inputs = tuple(x.requires_grad_() for x in operator_inputs(7))
    assert torch.autograd.gradcheck(
        lambda *x: spatial_aware_deform_attn(*x, 0.3, pe_sum), inputs, eps=1e-7, atol=1e-5
    )


def test_plain_attention_samples_alike() -> None:
    inputs = operator_inputs(3)
    sampled, _ = spatial_aware_deform_attn(*inputs, 0.2)
    torch.testing.assert_close(deform_attn(inputs[0], inputs[3], inputs[4]), sampled)


def test_half_precision_features_keep_exact_locations() -> None:
    inputs = list(operator_inputs(4, dtype=torch.float32))
    expected = spatial_aware_deform_attn(*inputs, 0.2)
    for index in (0, 4, 6, 7):
        inputs[index] = inputs[index].half()
    came = spatial_aware_deform_attn(*inputs, 0.2)
    for wanted, got in zip(expected, came, strict=True):
        assert got.dtype == torch.float16
        torch.testing.assert_close(got.float(), wanted, atol=2e-2, rtol=2e-3)


def test_registered_operator_is_sound() -> None:
    inputs = operator_inputs(5, dtype=torch.float32)
    torch.library.opcheck(exported_deform_attn, (*inputs, 0.2, False))
