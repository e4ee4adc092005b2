"""How much arithmetic a stage takes."""

import math

import onnx_ir as ir

from same_engines.bundle.onnx_operators import OPERATOR_NAME


def multiply_accumulates(model: ir.Model) -> int:
    """Multiply-accumulates of one frame: the convolutions, matrix products, sums and the own
    operator of ``model``, a stage with static shapes, however they are written. Work for each
    number alone (activations, normalisations, softmax) is not counted."""
    return sum(_of_node(node) for node in model.graph)


def _of_node(node: ir.Node) -> int:
    if node.op_type == "Conv":
        return _elements(node.outputs[0]) * math.prod(_dims(node.inputs[1])[1:])
    if node.op_type == "MatMul":
        return _elements(node.outputs[0]) * _dims(node.inputs[0])[-1]
    if node.op_type == "Gemm":
        transposed = node.attributes.get_int("transA", 0)
        return _elements(node.outputs[0]) * _dims(node.inputs[0])[0 if transposed else 1]
    if node.op_type == "ReduceSum":
        return _elements(node.inputs[0])
    if node.op_type == OPERATOR_NAME:
        return _of_own_operator(node)
    return 0


def _of_own_operator(node: ir.Node) -> int:
    """As ``cpp/src/deform_attn.cpp`` computes it: at each sampling point four taps and a weight
    for every channel, four taps for each axis of the ray, three products and a weight for every
    hidden unit."""
    channels, hidden = _dims(node.inputs[0])[1], _dims(node.inputs[6])[0]
    return _elements(node.inputs[4]) * (5 * channels + 4 * 3 + 4 * hidden)


def _elements(value: ir.Value | None) -> int:
    return math.prod(_dims(value))


def _dims(value: ir.Value | None) -> tuple[int, ...]:
    assert value is not None and value.shape is not None  # the exporter names every shape
    return tuple(int(n) for n in value.shape.numpy())
