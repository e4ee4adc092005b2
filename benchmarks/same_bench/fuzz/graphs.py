"""Changed stage graphs: what an attacker who can write the new hash would send."""

from contextlib import suppress
from random import Random
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from same_bench.fuzz.mutate import mutated_bytes

_SIZES: Final = (0, 1, -1, 2, 3, 7, 64, 1 << 10, 1 << 16, 1 << 31, 1 << 40, (1 << 62) + 1)
_OPERATORS: Final = [
    name
    for names in (
        "Add MatMul Reshape Expand Tile Range Pad Slice Gather Resize Conv ConvTranspose MaxPool",
        "Gemm Softmax Split Concat Transpose TopK CumSum Einsum LSTM GRU Where Loop If Scan",
        "ConstantOfShape GridSample DepthToSpace LayerNormalization ReduceSum Squeeze Unsqueeze",
        "Identity Cast ArgMax",
    )
    for name in names.split()
]


def mutated_graph(rng: Random, content: bytes) -> bytes:
    """``content`` (a serialised model) with parts of it changed."""
    if rng.random() < 0.2:
        return mutated_bytes(rng, content)
    model = onnx.load_from_string(content)
    for _ in range(rng.randint(1, 3)):
        with suppress(ValueError, TypeError, IndexError):  # of what an earlier change broke
            rng.choice(_CHANGES)(rng, model)
    changed = model.SerializeToString()
    return mutated_bytes(rng, changed) if rng.random() < 0.05 else changed


def _node(rng: Random, model: Any) -> Any:
    nodes = model.graph.node
    if model.functions and rng.random() < 0.1:
        nodes = model.functions[0].node
    return rng.choice(nodes)


def _attribute(rng: Random, model: Any) -> None:
    nodes = [node for node in model.graph.node if node.attribute]
    attribute = rng.choice(rng.choice(nodes).attribute)
    if attribute.ints:
        at = rng.randrange(len(attribute.ints))
        attribute.ints[at] = rng.choice(_SIZES)
        if rng.random() < 0.2:
            attribute.ints.extend([rng.choice(_SIZES)] * rng.choice((1, 30)))
        if rng.random() < 0.2:
            del attribute.ints[at]
    elif attribute.s:
        attribute.s = rng.choice((b"", b"SAME_UPPER", b"cubic", b"border", b"x" * 99, b"\xff"))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice((0.0, -1.0, 1e30, float("nan"), 1e-38))
    else:
        attribute.i = rng.choice(_SIZES)


def _rewire(rng: Random, model: Any) -> None:
    node = _node(rng, model)
    if node.input:
        other = _node(rng, model)
        names = [*other.output, *(t.name for t in model.graph.initializer[:8]), ""]
        node.input[rng.randrange(len(node.input))] = rng.choice(names)


def _arity(rng: Random, model: Any) -> None:
    node = _node(rng, model)
    if rng.random() < 0.5 and node.input:
        node.input.pop()
    else:
        node.input.extend([rng.choice((*node.input, "", "images"))] * rng.choice((1, 100)))


def _operator(rng: Random, model: Any) -> None:
    _node(rng, model).op_type = rng.choice(_OPERATORS)


def _constant(rng: Random, model: Any) -> None:
    tensor = rng.choice(model.graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    if array.size and array.dtype.kind == "i":
        at = rng.randrange(array.size)
        array.reshape(-1)[at] = rng.choice([size for size in _SIZES if size < 1 << 62])
    elif array.size:
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice((0, 1e30, np.nan, -np.inf, 6e4))
    if rng.random() < 0.2:
        array = array.reshape(-1) if rng.random() < 0.5 else array[None]
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _tensor_fields(rng: Random, model: Any) -> None:
    tensor = rng.choice(model.graph.initializer)
    pick = rng.random()
    if pick < 0.4 and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(_SIZES)
    elif pick < 0.6:
        tensor.data_type = rng.randint(0, 24)
    elif pick < 0.8:
        tensor.raw_data = tensor.raw_data[: rng.randint(0, len(tensor.raw_data))]
    else:
        tensor.float_data.extend([1.0] * rng.randint(1, 9))


def _shape(rng: Random, model: Any) -> None:
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    value = rng.choice(values)
    dims = value.type.tensor_type.shape.dim
    pick = rng.random()
    if pick < 0.6 and dims:
        dims[rng.randrange(len(dims))].dim_value = rng.choice(_SIZES)
    elif pick < 0.8:
        dims.add().dim_value = rng.choice(_SIZES)
    else:
        value.type.tensor_type.elem_type = rng.randint(0, 24)


def _order(rng: Random, model: Any) -> None:
    nodes = list(model.graph.node)
    if rng.random() < 0.5:
        nodes.pop(rng.randrange(len(nodes)))
    else:
        nodes.insert(rng.randrange(len(nodes)), rng.choice(nodes))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _insert(rng: Random, model: Any) -> None:
    """A node in the right place whose output has a declared shape: nearly a good graph."""
    nodes = model.graph.node
    at = rng.randrange(len(nodes))
    source = nodes[at].output[0]
    declared = next((v for v in model.graph.value_info if v.name == source), None)
    name = f"new_{rng.randrange(1 << 30)}"
    operator = rng.choice(_OPERATORS)
    reads = [source, *rng.choices([t.name for t in model.graph.initializer], k=rng.randint(0, 3))]
    nodes.insert(at + 1, helper.make_node(operator, reads, [name]))
    if declared is not None:
        made = model.graph.value_info.add()
        made.CopyFrom(declared)
        made.name = name


def _versions(rng: Random, model: Any) -> None:
    pick = rng.random()
    if pick < 0.3:
        model.ir_version = rng.randint(0, 20)
    elif pick < 0.6:
        rng.choice(model.opset_import).version = rng.choice((0, 1, 11, 13, 17, 18, 21, 23, 99))
    elif pick < 0.8:
        model.opset_import.add().domain = rng.choice(("", "com.microsoft", "ai.onnx.ml", "same"))
    else:
        body = [helper.make_node("F0", ["x"], ["y"], domain="same")]
        for index in range(rng.randint(1, 4)):
            opsets = [helper.make_opsetid("", 20), helper.make_opsetid("same", 1)]
            made = helper.make_function("same", f"F{index}", ["x"], ["y"], body, opsets)
            model.functions.append(made)


_CHANGES: Final = (
    _attribute, _attribute, _rewire, _arity, _operator, _constant, _constant, _tensor_fields,
    _shape, _order, _insert, _insert, _versions,
)  # fmt: skip
