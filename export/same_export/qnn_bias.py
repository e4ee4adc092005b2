"""Correct the biases of a quantised stage by what its layers come out as on the NPU.

On Hexagon v69 each output channel of a layer is off by a constant, up to 24 steps of its 16-bit
scale; rounding weights to 8 bits shifts a layer's mean too. Both are measured in the whole
graph, each layer against its float self on the very inputs that it had on the NPU, and taken
off its bias.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper

from same_engines.qnn_library import Qnn, Soc, compile_context, open_context
from same_export.qnn_calibration import Frame
from same_export.qnn_graph import bias_of, is_weighted, set_constant
from same_export.qnn_quantise import Ranges, cpu_session, quantise, run_all

_FEWEST_VALUES = 16
_EDGE = 1e-3
"""Values this share of the range from its ends may have been cut off and are left out."""


def correct_biases(
    model: ir.Model, ranges: Ranges, frames: Sequence[Frame], qnn: Qnn, soc: Soc, where: str
) -> ir.Model:
    """A copy of the float ``model`` with biases that make up for the NPU's constant errors.

    ``model`` is as ``widen`` left it. Emulates the stage for each of ``frames`` with every
    layer's output exposed. Raises ``NotFinalised`` when the NPU does not take the stage.
    """
    quantised = onnx.load_from_string(quantise(model, ranges))
    taps = _tap(quantised, {str(node.name) for node in model.graph if is_weighted(node)})
    context = compile_context(qnn, quantised.SerializeToString(), soc, where)
    seen = run_all(open_context(qnn, context, soc, where), frames)
    model = ir.from_proto(ir.to_proto(model))
    nodes = {str(node.name): node for node in model.graph}
    expected = _float_layers([nodes[name] for name in taps], taps, seen)
    for name, (_, output) in taps.items():
        bias = bias_of(nodes[name])
        if bias is None:
            continue
        offset = _channel_offset(nodes[name], seen[output], expected[name])
        set_constant(bias, bias.const_value.numpy() - offset)  # type: ignore[union-attr]
    return model


def _tap(quantised: onnx.ModelProto, layers: set[str]) -> dict[str, tuple[str, str]]:
    """Make the layers' dequantised inputs and outputs outputs of the graph; their names."""
    graph = quantised.graph
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    taps: dict[str, tuple[str, str]] = {}
    for node in graph.node:
        if node.name not in layers:
            continue
        (quantise_node,) = users[node.output[0]]
        dequantised = next(
            user.output[0]
            for user in users[quantise_node.output[0]]
            if user.op_type == "DequantizeLinear"
        )
        taps[node.name] = (node.input[0], dequantised)
    known = {value.name for value in (*graph.input, *graph.output)}
    wanted = dict.fromkeys(name for pair in taps.values() for name in pair if name not in known)
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted
    )
    return taps


def _float_layers(
    nodes: Sequence[ir.Node],
    taps: Mapping[str, tuple[str, str]],
    seen: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    """Each layer's float output for the input that it had on the NPU, frames stacked."""
    protos, inputs, constants, outputs = [], {}, {}, []
    for node in nodes:
        name = str(node.name)
        proto = ir.to_proto(node)
        proto.input[0] = source = taps[name][0]
        proto.output[0] = f"expected {name}"
        protos.append(proto)
        shape = seen[source].shape[1:]
        inputs[source] = helper.make_tensor_value_info(source, TensorProto.FLOAT, shape)
        outputs.append(helper.make_tensor_value_info(proto.output[0], TensorProto.FLOAT, None))
        for value in node.inputs[1:]:
            assert value is not None and value.const_value is not None
            array = np.asarray(value.const_value.numpy())
            constants[str(value.name)] = onnx.numpy_helper.from_array(array, str(value.name))
    graph = helper.make_graph(
        protos, "layers", list(inputs.values()), outputs, list(constants.values())
    )
    opset = helper.make_opsetid("", 20)
    session = cpu_session(
        helper.make_model(graph, opset_imports=[opset], ir_version=10).SerializeToString()
    )
    frames = len(next(iter(seen.values())))
    feeds = [{name: seen[name][frame] for name in inputs} for frame in range(frames)]
    return {
        name.removeprefix("expected "): value for name, value in run_all(session, feeds).items()
    }


def _channel_offset(
    node: ir.Node, came: NDArray[np.float32], expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Mean of ``came - expected`` for each output channel, where ``came`` was not cut off."""
    axis = 2 if node.op_type == "Conv" else came.ndim - 1
    low, high = float(came.min()), float(came.max())
    edge = _EDGE * (high - low)
    inside = (came > low + edge) & (came < high - edge)
    others = tuple(i for i in range(came.ndim) if i != axis)
    count = inside.sum(axis=others)
    total = np.where(inside, came - expected, 0.0).sum(axis=others)
    return np.where(count >= _FEWEST_VALUES, total / np.maximum(count, 1), 0.0).astype(np.float32)
