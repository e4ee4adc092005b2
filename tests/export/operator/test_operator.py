"""The ONNX function of the operator against the float64 reference."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from same_bench.peers.deform_attn_reference import deform_attn_reference
from same_export.operator.node import (
    DOMAIN,
    DOMAIN_VERSION,
    NAME,
    OPSET_VERSION,
    attach_function,
    register_schema,
)

V, J, M, K, D, H, SHELL = 2, 5, 3, 4, 6, 7, 8
HEIGHT, WIDTH = 9, 12
DELTA = 0.2


def random_inputs(seed: int, depth_mode: str) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    rays = random.normal(size=(V, 3, HEIGHT, WIDTH))
    if depth_mode == "range":
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    else:
        rays[:, 2] = 1.0
    weights = random.random((V, J, M, K))
    inputs = {
        "features": random.normal(size=(V, D, HEIGHT, WIDTH)),
        "rays": rays,
        "origins": random.normal(size=(V, 3)),
        # a third of the points falls outside the map, some on its very edge
        "locations": random.uniform(-4, (WIDTH + 4, HEIGHT + 4), size=(V, J, M, K, 2)),
        "weights": weights / weights.sum(-1, keepdims=True),
        "depth": random.normal(size=(V, J)),  # negative: behind the camera in z mode
        "w1": random.normal(size=(H, 3 * SHELL)),
        "b1": random.normal(size=(H,)),
    }
    inputs["locations"][0, 0, 0, :2] = [[-1.0, 0.0], [WIDTH - 1.0, HEIGHT - 1.0]]
    return {name: value.astype(np.float32) for name, value in inputs.items()}


def operator_model(pe_sum: int, features_type: int = TensorProto.FLOAT) -> bytes:
    shapes = {name: value.shape for name, value in random_inputs(0, "range").items()}
    typed = {"features", "weights", "w1", "b1"}
    inputs = [
        helper.make_tensor_value_info(
            name, features_type if name in typed else TensorProto.FLOAT, shape
        )
        for name, shape in shapes.items()
    ]
    outputs = [
        helper.make_tensor_value_info("sampled", features_type, (V, J, M, D)),
        helper.make_tensor_value_info("position", features_type, (V, J, M, H)),
    ]
    node = helper.make_node(
        NAME,
        list(shapes),
        ["sampled", "position"],
        domain=DOMAIN,
        num_shell_points=SHELL,
        delta=DELTA,
        pe_sum=pe_sum,
        plugin_namespace="same",
        plugin_version="1",
    )
    model = helper.make_model(
        helper.make_graph([node], "operator", inputs, outputs),
        opset_imports=[
            helper.make_opsetid("", OPSET_VERSION),
            helper.make_opsetid(DOMAIN, DOMAIN_VERSION),
        ],
        ir_version=10,
    )
    register_schema()
    attach_function(model)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


@pytest.mark.parametrize("depth_mode", ["range", "z"])
@pytest.mark.parametrize("pe_sum", [0, 1])
@pytest.mark.parametrize("seed", range(3))
def test_function_agrees_with_the_reference(depth_mode: str, pe_sum: int, seed: int) -> None:
    inputs = random_inputs(seed, depth_mode)
    session = ort.InferenceSession(operator_model(pe_sum), providers=["CPUExecutionProvider"])
    came = session.run(None, inputs)
    expected = deform_attn_reference(**inputs, delta=DELTA, pe_sum=bool(pe_sum))
    for actual, reference in zip(came, expected, strict=True):
        np.testing.assert_allclose(actual, reference, atol=2e-5, rtol=1e-4)


def test_half_features_keep_exact_positions() -> None:
    inputs = random_inputs(0, "range")
    half = {
        name: value.astype(np.float16) if name in ("features", "weights", "w1", "b1") else value
        for name, value in inputs.items()
    }
    session = ort.InferenceSession(
        operator_model(0, TensorProto.FLOAT16), providers=["CPUExecutionProvider"]
    )
    came = session.run(None, half)
    expected = deform_attn_reference(**half, delta=DELTA)
    for actual, reference in zip(came, expected, strict=True):
        assert actual.dtype == np.float16
        np.testing.assert_allclose(actual, reference, atol=5e-3, rtol=5e-3)
