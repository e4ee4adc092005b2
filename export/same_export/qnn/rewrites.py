"""Reshape a stage graph into what the Hexagon NPU computes well, without changing its result.

Measured on the emulator (QNN 2.51, v69), and why each rewrite is there:

* A product of two activations has its second factor rounded to 8 bits: a rotation applied to
  metres is off by millimetres, attention by half a per cent. Spelt out as elementwise products
  and sums, which keep all 16 bits, they are not; these products are small.
* A batched product with constant matrices (one per token) comes out wrong; a grouped
  convolution does the same sums and comes out right.
* A softmax is rounded down, so that its sum is short of 1 by up to 8 in 1000: a mean over it is
  taken of numbers around 0, which a missing share hardly moves, and the centre added behind.
* The gain of a normalisation is rounded to 8 bits; folded into the linear layer behind it, or
  applied as an elementwise product, it is not.
"""

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from same_engines.errors import ExportError
from same_export.quantisation.float_graph import folded, with_shapes
from same_export.quantisation.layers import (
    COARSE,
    FINE,
    SUM,
    bias_add,
    constant,
    is_weighted,
    layer_name,
    node_name,
    weight_axis,
)

_LONGEST_LISTED = 4
_LARGEST_SPELT_OUT = 1 << 20


def prepare(content: bytes, where: str) -> ir.Model:
    """The stage graph as the NPU wants it: functions inlined, shapes folded, products rewritten.

    ``content``: a verified ONNX graph; ``where`` names it in errors. Float in, float out, same
    inputs, outputs and results up to rounding. Raises ``ExportError`` when it cannot be read.
    """
    model = folded(content, where)
    _rewrite(model, "Gemm", _gemm_to_product)
    _rewrite(model, "MatMul", _spell_out_product)
    _rewrite(model, "MatMul", _group_token_products)
    _rewrite(model, "LayerNormalization", _move_gain_out)
    _rewrite(model, "MatMul", _centre_mean)
    _drop_unused(model)
    return with_shapes(model)


def widen(model: ir.Model, nodes: Collection[str]) -> ir.Model:
    """A copy in which the named weighted nodes will keep 16-bit weights after quantisation.

    The NPU of v69 multiplies by 8-bit weights only, so such a node becomes two: one with the
    weights rounded to 8 bits, one with what was rounded away; the sum is exact.
    """
    model = ir.from_proto(ir.to_proto(model))
    for node in list(model.graph):
        if node.name in nodes and is_weighted(node):
            _split_in_two(model.graph, node)
    _drop_unused(model)
    return with_shapes(model)


def _rewrite(model: ir.Model, op_type: str, rule: Callable[[ir.Graph, ir.Node], None]) -> None:
    for node in list(model.graph):
        if node.op_type == op_type:
            rule(model.graph, node)


def _gemm_to_product(graph: ir.Graph, node: ir.Node) -> None:
    """Linear layers come as Gemm or as MatMul and Add; from here on there is one form."""
    weight, bias = constant(node.inputs[1]), constant(node.inputs[2])
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    scaled = attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0
    if weight is None or bias is None or bias.ndim != 1 or attributes.get("transA") or scaled:
        return
    label = layer_name(node)
    build = _Builder(graph, node)
    matrix = build.constant("weight", weight.T if attributes.get("transB") else weight)
    product = build("MatMul", [node.inputs[0], matrix], name=node_name(node))
    if node.outputs[0].shape is not None:
        product.shape, product.type = node.outputs[0].shape, node.outputs[0].type
    build.replace_by(build("Add", [product, build.constant("bias", bias, name=f"{label}.bias")]))


def _spell_out_product(graph: ir.Graph, node: ir.Node) -> None:
    left, right = node.inputs
    if constant(left) is not None or constant(right) is not None:
        return
    if len(_shape(left)) != len(_shape(right)):
        return
    *batch, rows, inner = _shape(left)
    columns = _shape(right)[-1]
    build = _Builder(graph, node)
    if inner <= _LONGEST_LISTED:
        rank = len(batch) + 2
        parts = zip(
            build.split(left, inner, axis=rank - 1),
            build.split(right, inner, axis=rank - 2),
            strict=True,
        )
        total, *terms = (build("Mul", pair) for pair in parts)
        for term in terms:
            total = build("Add", [total, term])
        build.replace_by(total)
    elif math.prod(batch) * rows * columns * inner <= _LARGEST_SPELT_OUT:
        # (B, rows, columns, inner) times (B, 1, columns, inner), summed over the last axis. The
        # NPU gets the product wrong if it has to broadcast both factors itself.
        flat = math.prod(batch)
        full = build.constant("full", np.array([flat, rows, columns, inner]))
        swap = [*range(len(batch)), len(batch) + 1, len(batch)]
        turned = build("Transpose", [right], {"perm": swap})
        repeated = build("Expand", [build.reshape(left, (flat, rows, 1, inner)), full])
        products = build("Mul", [repeated, build.reshape(turned, (flat, 1, columns, inner))])
        last = build.constant("axis", np.array([-1]))
        total = build("ReduceSum", [products, last], {"keepdims": 0})
        build.replace_by(build.reshape(total, (*batch, rows, columns)))


def _group_token_products(graph: ir.Graph, node: ir.Node) -> None:
    x, weight = node.inputs[0], constant(node.inputs[1])
    if weight is None or weight.ndim != 3 or x is None:
        return
    tokens, inputs, outputs = weight.shape
    *batch, x_tokens, rows, _ = _shape(x)
    if x_tokens != tokens:
        return
    images = int(np.prod(batch)) if batch else 1
    build = _Builder(graph, node)
    if rows > 1:
        rank = len(_shape(x))
        swap = [*range(rank - 2), rank - 1, rank - 2]
        x = build("Transpose", [x], {"perm": swap})
    x = build.reshape(x, (images, tokens * inputs, 1, rows))
    kernel = np.ascontiguousarray(weight.transpose(0, 2, 1)).reshape(-1, inputs, 1, 1)
    bias = np.zeros(tokens * outputs, np.float32)
    label = layer_name(node)
    y = build(
        "Conv",
        [x, build.constant("weight", kernel), build.constant("bias", bias, name=f"{label}.bias")],
        {"group": tokens, "kernel_shape": [1, 1]},
        name=node_name(node),
    )
    y = build.reshape(y, (*batch, tokens, outputs, rows))
    if rows > 1:
        rank = len(batch) + 3
        y = build("Transpose", [y], {"perm": [*range(rank - 2), rank - 1, rank - 2]})
    else:
        y = build.reshape(y, (*batch, tokens, rows, outputs))
    build.replace_by(y)


def _move_gain_out(graph: ir.Graph, node: ir.Node) -> None:
    gain, offset = constant(node.inputs[1]), constant(node.inputs[2])
    if gain is None or offset is None:
        return
    build = _Builder(graph, node)
    ones, zeros = np.ones_like(gain), np.zeros_like(offset)
    plain = build(
        "LayerNormalization",
        [node.inputs[0], build.constant("one", ones), build.constant("zero", zeros)],
        {name: attribute.value for name, attribute in node.attributes.items()},
        name=node_name(node),
    )
    users = [user for user, _ in node.outputs[0].uses()]
    if all(_is_linear(user, node.outputs[0]) for user in users):
        for user in users:
            _absorb(graph, user, gain, offset)
        build.replace_by(plain)
        return
    scaled = build("Mul", [plain, build.constant("gain", gain)])
    build.replace_by(build("Add", [scaled, build.constant("offset", offset)]))


def _centre_mean(graph: ir.Graph, node: ir.Node) -> None:
    """Softmax times whole numbers (a soft-argmax) -> softmax times centred ones, plus centre."""
    maker, points = node.inputs[0].producer(), constant(node.inputs[1])  # type: ignore[union-attr]
    if maker is None or maker.op_type != "Softmax" or points is None or (points % 1 != 0).any():
        return
    if maker.attributes.get_int("axis", -1) not in (-1, len(_shape(node.inputs[0])) - 1):
        return
    centre = np.floor((points.max(axis=0) + points.min(axis=0)) / 2).astype(np.float32)
    build = _Builder(graph, node)
    mean = build("MatMul", [node.inputs[0], build.constant("centred", points - centre)])
    build.replace_by(build("Add", [mean, build.constant("centre", centre)]))


def _is_linear(user: ir.Node, x: ir.Value) -> bool:
    """Whether ``user`` is x @ W with a bias behind it, into which gain and offset can go."""
    if user.op_type != "MatMul" or user.inputs[0] is not x:
        return False
    weight = constant(user.inputs[1])
    return weight is not None and weight.ndim == 2 and bias_add(user) is not None


def _absorb(
    graph: ir.Graph, linear: ir.Node, gain: NDArray[np.float32], offset: NDArray[np.float32]
) -> None:
    weight = constant(linear.inputs[1])
    found = bias_add(linear)
    assert weight is not None and found is not None
    add, index = found
    bias = constant(add.inputs[index])
    assert bias is not None
    label = layer_name(linear)
    build = _Builder(graph, linear)
    linear.replace_input_with(1, build.constant("folded", gain[:, None] * weight))
    new_bias = build.constant("bias", bias + offset @ weight, name=f"{label}.bias")
    add.replace_input_with(index, new_bias)


def _split_in_two(graph: ir.Graph, node: ir.Node) -> None:
    weight = constant(node.inputs[1])
    assert weight is not None
    coarse = rounded_to_8_bits(weight, weight_axis(node))
    build = _Builder(graph, node)
    attributes = {name: attribute.value for name, attribute in node.attributes.items()}
    parts = []
    for part, kernel in ((COARSE, coarse), (FINE, weight - coarse)):
        inputs = [node.inputs[0], build.constant(part[1:], kernel), *node.inputs[2:]]
        if part == FINE and len(inputs) > 2:
            bias = constant(node.inputs[2])
            assert bias is not None
            inputs[2] = build.constant("no_bias", np.zeros_like(bias))
        parts.append(build(node.op_type, inputs, attributes, name=f"{node_name(node)}{part}"))
    build.replace_by(build("Add", parts, name=f"{node_name(node)}{SUM}"))


def rounded_to_8_bits(weight: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """``weight`` rounded to 8 bits with one symmetric scale per index of ``axis``."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / 127.0, 1.0).astype(np.float32)
    return (np.clip(np.rint(weight / scale), -127, 127) * scale).astype(np.float32)


def _drop_unused(model: ir.Model) -> None:
    for node in reversed(model.graph):
        if all(not output.uses() and not output.is_graph_output() for output in node.outputs):
            model.graph.remove(node, safe=True)
    for name, value in list(model.graph.initializers.items()):
        if not value.uses():
            del model.graph.initializers[name]


class _Builder:
    """Puts nodes in front of the node they replace; their names begin with its name."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self._graph, self._node = graph, node
        self._count = 0

    def __call__(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: dict[str, object] | None = None,
        outputs: int = 1,
        name: str | None = None,
    ) -> ir.Value:
        return self._add(op_type, inputs, attributes or {}, outputs, name)[0]

    def split(self, x: ir.Value | None, parts: int, axis: int) -> list[ir.Value]:
        return self._add("Split", [x], {"axis": axis, "num_outputs": parts}, parts, None)

    def reshape(self, x: ir.Value | None, shape: tuple[int, ...]) -> ir.Value:
        return self("Reshape", [x, self.constant("shape", np.array(shape, np.int64))])

    def constant(self, part: str, array: NDArray[np.generic], name: str | None = None) -> ir.Value:
        if name is None or name in self._graph.initializers:
            self._count += 1
            name = f"{node_name(self._node)}.{part}.{self._count}"
        value = ir.Value(name=name, const_value=ir.tensor(np.ascontiguousarray(array), name=name))
        self._graph.register_initializer(value)
        return value

    def replace_by(self, value: ir.Value) -> None:
        old = self._node.outputs[0]
        # Graph outputs must keep their name, and ranges are kept by name.
        old_name, value.type, value.shape = old.name, old.type, old.shape
        ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
        self._graph.remove(self._node, safe=True)
        value.name = old_name

    def _add(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: dict[str, object],
        outputs: int,
        name: str | None,
    ) -> list[ir.Value]:
        self._count += 1
        node = ir.Node(
            "",
            op_type,
            inputs,
            attributes=ir.convenience.convert_attributes(attributes),  # type: ignore[arg-type]
            num_outputs=outputs,
            name=name or f"{node_name(self._node)}_{op_type}_{self._count}",
        )
        for index, output in enumerate(node.outputs):
            output.name = f"{node.name}_{index}"
        self._graph.insert_before(self._node, node)
        return list(node.outputs)


def _shape(value: ir.Value | None) -> tuple[int, ...]:
    if value is None or value.shape is None:
        raise ExportError(f"tensor {value.name if value else '?'}: its shape is not known")
    return tuple(int(n) for n in value.shape.numpy())
