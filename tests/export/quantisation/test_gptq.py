"""How a layer's weights are rounded for the NPU, and that it computes with them exactly."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from npu import needs_qnn
from onnx import TensorProto, helper

from same_engines.qnn.library import SOCS, compile_context, load_qnn, open_context
from same_export.qnn.quantise import MARGIN, quantise
from same_export.qnn.requantise import rounded_up
from same_export.qnn.rewrites import prepare, widen
from same_export.quantisation.gptq import (
    by_group,
    from_groups,
    measure_layer_inputs,
    round_in_order,
)
from same_export.quantisation.layers import COARSE, constant, layers
from same_export.quantisation.ranges import measure_ranges
from same_export.quantisation.sessions import cpu_session, run_all

Arrays = dict[str, np.ndarray]


def graph(nodes: list[onnx.NodeProto], shape: list[int], constants: Arrays) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "layer", [x], [y], tensors)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return bytes(onnx.shape_inference.infer_shapes(model).SerializeToString())


def convolution(groups: int = 1, stride: int = 1, channels: int = 8, outputs: int = 16) -> bytes:
    random = np.random.default_rng(groups)
    weight = random.normal(0, 0.2, (outputs, channels // groups, 3, 3)).astype(np.float32)
    weight *= random.uniform(0.2, 1.0, (outputs, 1, 1, 1)).astype(np.float32)
    constants = {"weight": weight, "bias": random.normal(0, 1, outputs).astype(np.float32)}
    node = helper.make_node(
        "Conv",
        ["x", "weight", "bias"],
        ["y"],
        name="layer",
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        strides=[stride, stride],
        group=groups,
    )
    return graph([node], [2, channels, 8, 10], constants)


def product() -> bytes:
    random = np.random.default_rng(0)
    constants = {
        "weight": random.normal(0, 0.2, (24, 16)).astype(np.float32),
        "bias": random.normal(0, 1, 16).astype(np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["sum"], name="layer"),
        helper.make_node("Add", ["sum", "bias"], ["y"], name="bias"),
    ]
    return graph(nodes, [12, 24], constants)


def frames_of(content: bytes, count: int) -> list[Arrays]:
    """Inputs that go together, and have a mean: as those of a layer in a network."""
    random = np.random.default_rng(1)
    value = onnx.load_from_string(content).graph.input[0]
    shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
    axis = 1 if len(shape) == 4 else len(shape) - 1
    frames = []
    for _ in range(count):
        shared = random.normal(0, 1, [1 if i == axis else n for i, n in enumerate(shape)])
        x = 1.0 + shared + 0.2 * random.normal(0, 1, shape)
        frames.append({"x": x.astype(np.float32)})
    return frames


LAYERS = {
    "convolution": convolution(),
    "strided": convolution(stride=2),
    "grouped": convolution(groups=4),
    "product": product(),
}


@given(st.floats(1e-8, 1e4))
def test_multipliers_become_the_next_that_eleven_bits_hold(factor: float) -> None:
    (held,) = rounded_up(np.array([factor]))
    mantissa = np.frexp(held)[0] * 2**11
    assert mantissa == np.rint(mantissa)
    assert -1e-5 <= held / factor - 1 <= 2**-10 * (1 + 1e-9)
    assert rounded_up(np.array([held])) == held


@pytest.mark.parametrize("name", LAYERS)
def test_a_layers_inputs_are_what_its_outputs_are_sums_of(name: str) -> None:
    model = prepare(LAYERS[name], name)
    frames = frames_of(LAYERS[name], 3)
    (node,) = (node for node in model.graph if node.op_type in ("Conv", "MatMul"))
    inputs = measure_layer_inputs(model, frames)["layer"]
    exact = run_all(cpu_session(LAYERS[name]), frames)["y"]
    weight = constant(node.inputs[1])
    assert weight is not None
    grouped = by_group(weight.astype(np.float64), node.op_type, len(inputs.mean))
    assert np.array_equal(from_groups(grouped, node.op_type, weight.shape), weight)
    bias = onnx.numpy_helper.to_array(
        next(t for t in onnx.load_from_string(LAYERS[name]).graph.initializer if t.name == "bias")
    )
    mean = (grouped * inputs.mean[:, None, :]).sum(-1).reshape(-1) + bias
    spread = np.einsum("goi,gij,goj->go", grouped, inputs.covariance, grouped).reshape(-1)
    channels = np.moveaxis(exact, 2 if exact.ndim == 5 else -1, 0).reshape(len(bias), -1)
    assert np.allclose(mean, channels.mean(axis=1), atol=1e-4)
    assert np.allclose(spread, channels.var(axis=1), rtol=1e-3, atol=1e-4)


def test_rounding_makes_up_for_itself_where_inputs_go_together() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(500, 1)) + 0.2 * random.normal(size=(500, 90))
    weight = random.normal(size=(7, 90))
    scale = np.abs(weight).max(axis=1) / 20
    nearest = np.rint(weight / scale[:, None])
    codes = round_in_order(weight, scale, inputs.T @ inputs / len(inputs))

    def error(rounded: np.ndarray) -> float:
        return float((((rounded * scale[:, None] - weight) @ inputs.T) ** 2).mean())

    assert error(codes) < 0.25 * error(nearest)
    assert np.array_equal(codes, np.rint(codes)) and np.abs(codes).max() <= 127
    # Inputs that tell nothing of each other leave nothing better than the nearest.
    assert np.array_equal(round_in_order(weight, scale, np.eye(90)), nearest)


@pytest.mark.parametrize("name", LAYERS)
def test_a_quantised_layer_is_right_on_average_in_every_channel(name: str) -> None:
    model = prepare(LAYERS[name], name)
    frames = frames_of(LAYERS[name], 8)
    ranges = measure_ranges(model, frames, {}, MARGIN)
    exact = run_all(cpu_session(LAYERS[name]), frames)["y"]

    def channel_error(content: bytes) -> tuple[float, float]:
        wrong = run_all(cpu_session(content), frames)["y"] - exact
        channels = np.moveaxis(wrong, 2 if wrong.ndim == 5 else -1, 0).reshape(wrong.shape[2], -1)
        return float(np.abs(channels.mean(axis=1)).max()), float(wrong.std())

    nearest = channel_error(quantise(model, ranges))
    measured = channel_error(quantise(model, ranges, measure_layer_inputs(model, frames)))
    assert measured[0] < 0.2 * nearest[0]
    assert measured[1] < nearest[1]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_the_npu_computes_what_the_quantised_graph_says(name: str, wide: bool) -> None:
    needs_qnn()
    model = prepare(LAYERS[name], name)
    if wide:
        model = widen(model, layers(model))
        assert any(str(node.name).endswith(COARSE) for node in model.graph)
    frames = frames_of(LAYERS[name], 2)
    ranges = measure_ranges(model, frames, {}, MARGIN)
    content = quantise(model, ranges, measure_layer_inputs(model, frames))
    quantised = run_all(cpu_session(content), frames)["y"]
    qnn, soc = load_qnn(), SOCS["qnn-xr2gen2"]
    context = compile_context(qnn, content, soc, name)
    npu = run_all(open_context(qnn, context, soc, name), frames)["y"]
    low, high = ranges.by_tensor["y"]
    step = (high - low) / 65535
    # With multipliers left as they come it is up to 24 steps.
    assert np.abs(npu - quantised).max() < 4 * step


def test_a_soft_argmax_is_taken_around_its_centre() -> None:
    points = np.stack([np.arange(40) % 8, np.arange(40) // 8], axis=1).astype(np.float32)
    nodes = [
        helper.make_node("Softmax", ["x"], ["share"], axis=-1, name="share"),
        helper.make_node("MatMul", ["share", "points"], ["y"], name="mean"),
    ]
    content = graph(nodes, [3, 40], {"points": points})
    model = prepare(content, "x")
    (node,) = (node for node in model.graph if node.op_type == "MatMul")
    centred = constant(node.inputs[1])
    assert centred is not None
    assert np.abs(centred).max() == 4 and np.abs(centred.mean(axis=0)).max() <= 0.5
    frames = [{"x": np.random.default_rng(0).normal(0, 2, (3, 40)).astype(np.float32)}]
    exact = run_all(cpu_session(content), frames)["y"]
    same = run_all(cpu_session(ir.to_proto(model).SerializeToString()), frames)["y"]
    assert np.allclose(exact, same, atol=1e-5)
