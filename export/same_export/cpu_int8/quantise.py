"""Quantise the visual stage to 8 bits, for processors that multiply bytes faster than floats.

What each convolution reads and its weights are rounded to signed 8 bits, an activation with one
scale a tensor, weights with one scale an output channel. What it computes stays float32 until
the next one reads it: rounding sums and shortcuts too costs two and a half times the error and
brings nothing, since it is the products that take the time.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from same_engines.errors import ExportError
from same_export.quantisation.float_graph import with_shapes
from same_export.quantisation.gptq import (
    LARGEST_CODE,
    LayerInputs,
    by_group,
    from_groups,
    round_in_order,
)
from same_export.quantisation.layers import (
    bias_of,
    constant,
    constant_weight,
    layer_name,
    set_constant,
)
from same_export.quantisation.ranges import Ranges

EXACT_LAYERS: Final = (
    ("head.", "pyramid."),
    ("head.", "pyramid.", "backbone.conv1", "backbone.layer1."),
    ("head.", "pyramid.", "backbone.conv1", "backbone.layer1.", "backbone.layer2."),
)
"""Layers that may stay float32, by how their names begin, from the fastest stage to the most exact.
The feature map and the head cost next to nothing, and joints' places are means over what the head
computes; the first layers' rounding goes through all the others."""
_LOWEST: Final = -128
_STEPS: Final = 255


def quantise(
    model: ir.Model,
    ranges: Ranges,
    inputs: Mapping[str, LayerInputs],
    exact: tuple[str, ...] = EXACT_LAYERS[0],
) -> bytes:
    """The QDQ graph of ``model``, a float graph from ``float_graph.folded``.

    ``ranges``: of its activations; ``inputs``: of its layers, for rounding weights; ``exact``: one
    of ``EXACT_LAYERS``. Raises ``ExportError`` when the result is no valid graph.
    """
    model = ir.from_proto(ir.to_proto(model))
    graph = model.graph
    rounded: dict[str, ir.Value] = {}
    for node in list(graph):
        if node.op_type != "Conv" or layer_name(node).startswith(exact):
            continue
        if constant_weight(node) is None or node.inputs[0] is None:
            continue
        source = node.inputs[0]
        name = str(source.name)
        if name not in rounded:
            rounded[name] = _rounded_activation(graph, node, source, *ranges.by_tensor[name])
        node.replace_input_with(1, _rounded_weight(graph, node, inputs[str(node.name)]))
        node.replace_input_with(0, rounded[name])
    for name, value in list(graph.initializers.items()):
        if not value.uses():
            del graph.initializers[name]
    try:
        proto = ir.to_proto(with_shapes(model))
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # onnx raises several kinds
        raise ExportError(f"visual: the quantised graph is not valid ONNX: {error}") from None
    return bytes(proto.SerializeToString())


def _rounded_activation(
    graph: ir.Graph, before: ir.Node, source: ir.Value, low: float, high: float
) -> ir.Value:
    low, high = min(low, 0.0), max(high, 0.0)  # zero, which pads, must be a step
    scale = np.float32((high - low) / _STEPS if high > low else 1.0)
    zero_point = np.clip(np.rint(_LOWEST - low / scale), _LOWEST, -_LOWEST - 1)
    steps = [
        _constant(graph, f"{source.name}.scale", np.asarray(scale)),
        _constant(graph, f"{source.name}.zero_point", np.asarray(zero_point, np.int8)),
    ]
    codes = ir.node("QuantizeLinear", [source, *steps], name=f"{source.name}.quantise")
    again = ir.node("DequantizeLinear", [*codes.outputs, *steps], name=f"{source.name}.restore")
    graph.insert_before(before, [codes, again])
    restored = again.outputs[0]
    restored.type, restored.shape = source.type, source.shape
    return restored


def _rounded_weight(graph: ir.Graph, node: ir.Node, inputs: LayerInputs) -> ir.Value:
    """Round the weights of ``node``; what that shifts its output by goes into its bias."""
    weight = constant_weight(node)
    assert weight is not None
    bias = bias_of(node)
    largest = np.abs(weight).max(axis=tuple(range(1, weight.ndim))).astype(np.float64)
    scale = np.where(largest > 0, largest, 1.0) / LARGEST_CODE
    scale = scale.astype(np.float32).astype(np.float64)
    groups = len(inputs.mean)
    grouped = by_group(weight.astype(np.float64), node.op_type, groups)
    scales = scale.reshape(groups, -1)
    moments = inputs.second_moment() if bias is None else inputs.covariance
    codes = np.stack([round_in_order(*part) for part in zip(grouped, scales, moments, strict=True)])
    if bias is not None:
        left = grouped - codes * scales[..., None]
        shift = (left * inputs.mean[:, None, :]).sum(axis=-1).reshape(-1)
        known = constant(bias)
        assert known is not None
        set_constant(bias, (known + shift).astype(np.float32))
    name = str(node.inputs[1].name)  # type: ignore[union-attr] # it has a constant
    whole = from_groups(codes, node.op_type, weight.shape).astype(np.int8)
    restore = ir.node(
        "DequantizeLinear",
        [
            _constant(graph, f"{name}.codes", whole),
            _constant(graph, f"{name}.scale", scale.astype(np.float32)),
            _constant(graph, f"{name}.zero_point", np.zeros(len(scale), np.int8)),
        ],
        {"axis": 0},
        name=f"{name}.restore",
    )
    graph.insert_before(node, restore)
    return restore.outputs[0]


def _constant(graph: ir.Graph, name: str, array: NDArray[np.generic]) -> ir.Value:
    value = ir.Value(
        name=name,
        const_value=ir.tensor(np.ascontiguousarray(array).reshape(array.shape), name=name),
    )
    graph.register_initializer(value)
    return value
