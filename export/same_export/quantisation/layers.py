"""The layers of a stage graph: nodes that multiply by weights, and the constants beside them."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

COARSE, FINE, SUM = "_coarse", "_fine", "_sum"
"""How the nodes' names end that a layer with 16-bit weights becomes."""
WEIGHTED = ("Conv", "MatMul")
"""Operators whose second input, where constant, is a layer's weights."""


def layers(model: ir.Model) -> dict[str, str]:
    """Node -> layer for each linear or convolutional node: the layer's name in the network."""
    named: dict[str, str] = {}
    for node in model.graph:
        if is_weighted(node):
            named[node_name(node)] = layer_name(node)
    return named


def is_weighted(node: ir.Node) -> bool:
    """Whether the node multiplies by a layer's weights, which 8 bits do not hold exactly."""
    weight = constant_weight(node)
    return weight is not None and not is_exact_in_8_bits(weight)


def constant_weight(node: ir.Node) -> NDArray[np.float32] | None:
    """What a convolution or matrix product multiplies by, where that is constant."""
    if node.op_type not in WEIGHTED:
        return None
    weight = constant(node.inputs[1])
    return weight if weight is not None and weight.ndim >= 2 else None


def is_exact_in_8_bits(weight: NDArray[np.float32]) -> bool:
    """Whether ``weight`` is small whole numbers, such as centred pixel coordinates."""
    return bool(np.abs(weight).max() <= 127 and (weight % 1 == 0).all())


def bias_of(node: ir.Node) -> ir.Value | None:
    """The constant that is added to a weighted node's output, channel by channel, if any."""
    if node.op_type == "Conv":
        return node.inputs[2] if len(node.inputs) > 2 else None
    output = node.outputs[0]
    while len(uses := list(output.uses())) == 1 and uses[0].node.op_type == "Add":
        add, index = uses[0]
        other = add.inputs[1 - index]
        found = constant(other)
        if found is not None and found.ndim == 1:
            return other
        if other is None or other.producer() is None:
            return None
        if not str(add.name).endswith(SUM):  # only the two halves of a wide layer are passed
            return None
        output = add.outputs[0]
    return None


def bias_add(node: ir.Node) -> tuple[ir.Node, int] | None:
    """The addition of a bias behind a node, and which of its inputs is the bias, if any."""
    uses = list(node.outputs[0].uses())
    if len(uses) != 1 or uses[0][0].op_type != "Add":
        return None
    add, index = uses[0]
    other = constant(add.inputs[1 - index])
    return (add, 1 - index) if other is not None and other.ndim == 1 else None


def set_constant(value: ir.Value, array: NDArray[np.float32]) -> None:
    """Give a constant another content of the same shape."""
    content = np.ascontiguousarray(array, np.float32)
    value.const_value = ir.tensor(content, name=value.name)


def weight_axis(node: ir.Node) -> int:
    """The axis of a weighted node's second input that counts its output channels."""
    return 0 if node.op_type == "Conv" else 1


def constant(value: ir.Value | None) -> NDArray[np.float32] | None:
    """The array behind a value that is known when the graph is built, else None."""
    if value is None or value.const_value is None:
        return None
    return np.asarray(value.const_value.numpy())


def node_name(node: ir.Node) -> str:
    """The node's name, its operator where it has none."""
    return node.name or node.op_type


def layer_name(node: ir.Node) -> str:
    """The layer's name in the network, as its bias or its weight still tells."""
    found = bias_add(node) if node.op_type == "MatMul" else None
    bias = found[0].inputs[found[1]] if found else None
    if node.op_type in ("Conv", "Gemm") and len(node.inputs) > 2:
        bias = node.inputs[2]
    for value in (bias, node.inputs[1]):
        name = (value.name if value is not None else None) or ""
        stem, _, kind = name.rpartition(".")
        if kind in ("bias", "weight") and stem:
            return stem.removeprefix("stage.")
        if kind in ("hidden_weight", "value"):
            return name.removeprefix("stage.")
    return node_name(node)
