"""How much arithmetic a stage takes."""

import math

import onnx_ir as ir


def multiply_accumulates(model: ir.Model) -> int:
    """Multiply-accumulates of one frame: the convolutions and matrix products of ``model``, a
    stage with static shapes, however they are written. Other work is not counted."""
    total = 0
    for node in model.graph:
        if node.op_type == "Conv":
            total += _elements(node.outputs[0]) * math.prod(_dims(node.inputs[1])[1:])
        elif node.op_type == "MatMul":
            total += _elements(node.outputs[0]) * _dims(node.inputs[0])[-1]
        elif node.op_type == "ReduceSum":
            total += _elements(node.inputs[0])
    return total


def _elements(value: ir.Value | None) -> int:
    return math.prod(_dims(value))


def _dims(value: ir.Value | None) -> tuple[int, ...]:
    assert value is not None and value.shape is not None  # prepare() made all shapes known
    return tuple(int(n) for n in value.shape.numpy())
