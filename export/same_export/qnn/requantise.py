"""Choose weights and scales that the NPU multiplies by without rounding them again.

Hexagon brings a channel's sum to its output's steps by ``input scale * weight scale / output
scale`` and holds this factor in 11 significant bits. It multiplies the whole 16-bit code, zero
point included, so that rounding it shifts a channel by up to 24 steps: measured on the emulator
(QNN 2.51, v69), it was more than half of the error of ``visual``. A weight scale up to a
thousandth larger makes the factor one that the NPU holds exactly, at no cost.
"""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnxruntime.quantization.quant_utils import TENSOR_NAME_QUANT_SUFFIX

from same_export.quantisation.gptq import (
    LARGEST_CODE,
    LayerInputs,
    by_group,
    from_groups,
    round_in_order,
)
from same_export.quantisation.layers import (
    COARSE,
    FINE,
    bias_of,
    constant,
    constant_weight,
    is_exact_in_8_bits,
    weight_axis,
)

_SIGNIFICANT = 2.0**10


def hold_exactly(
    quantised: onnx.ModelProto, model: ir.Model, inputs: Mapping[str, LayerInputs]
) -> None:
    """Give the weights of ``quantised``, the QDQ graph of ``model``, such scales, in place.

    Weights are rounded again, from those of ``model``, by what ``inputs`` knows of a node, to
    the nearest where it knows nothing. The fine half of a layer in two takes what its coarse
    half now leaves. Weights that are whole numbers stay, and their output's scale gives way. A
    weight that several layers share keeps its scale.
    """
    graph = _Graph(quantised)
    left: dict[str, NDArray[np.float64]] = {}
    for node in model.graph:
        weight = constant_weight(node)
        if weight is None:
            continue
        name = str(node.name)
        if is_exact_in_8_bits(weight):
            graph.widen_output(name)
            continue
        base = name.removesuffix(COARSE).removesuffix(FINE)
        exact = weight.astype(np.float64)
        if name.endswith(FINE):
            exact = exact + left.get(base, 0.0)
        alone = name == base  # else the fine half makes up for what the coarse one leaves
        rounded = graph.round_weight(node, exact, inputs.get(name) if alone else None)
        if rounded is not None and name.endswith(COARSE):
            left[base] = exact - rounded


def rounded_up(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest numbers not below ``factor`` (> 0) that 11 significant bits hold."""
    exponent = np.exp2(np.floor(np.log2(factor)))
    # A factor that is exact but for float32 scales must not go up a whole step.
    return np.ceil(factor / exponent * _SIGNIFICANT - 1e-3) / _SIGNIFICANT * exponent


class _Graph:
    """A QDQ graph, with the quantised constants of its nodes by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._nodes = {node.name: node for node in graph.node}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def round_weight(
        self, node: ir.Node, weight: NDArray[np.float64], inputs: LayerInputs | None
    ) -> NDArray[np.float64] | None:
        """Round ``weight`` with scales that make ``node`` exact; what it became, or None where
        it had to stay."""
        proto, axis = self._nodes[str(node.name)], weight_axis(node)
        kept = self._makers[proto.input[1]]
        if len(self._users[kept.output[0]]) > 1 or len(self._users[kept.input[0]]) > 1:
            return None
        others = tuple(i for i in range(weight.ndim) if i != axis)
        largest = np.abs(weight).max(axis=others)
        scale_in, scale_out = self._scale(proto.input[0]), self._output_scale(proto)
        needed = np.where(largest > 0, largest, 1.0) / LARGEST_CODE
        scale = rounded_up(scale_in * needed / scale_out) * scale_out / scale_in
        scale = scale.astype(np.float32).astype(np.float64)
        bias = bias_of(node)
        groups = 1 if inputs is None else len(inputs.mean)
        grouped = by_group(weight, node.op_type, groups)
        scales = scale.reshape(groups, -1)
        if inputs is None:
            codes = np.clip(np.rint(grouped / scales[..., None]), -LARGEST_CODE, LARGEST_CODE)
        else:
            moments = inputs.second_moment() if bias is None else inputs.covariance
            parts = zip(grouped, scales, moments, strict=True)
            codes = np.stack([round_in_order(*part) for part in parts])
        rounded = codes * scales[..., None]
        self._set(kept.input[0], from_groups(codes, node.op_type, weight.shape).astype(np.int8))
        self._set(kept.input[1], scale.astype(np.float32))
        shift = np.zeros(len(scale))
        if inputs is not None:
            shift = ((grouped - rounded) * inputs.mean[:, None, :]).sum(axis=-1).reshape(-1)
        if bias is not None and len(proto.input) > 2:
            self._set_sum_bias(proto.input[2], bias, shift, (scale_in * scale).astype(np.float32))
        elif bias is not None and inputs is not None:
            self._set_added_bias(bias, shift)
        return from_groups(rounded, node.op_type, weight.shape)

    def widen_output(self, name: str) -> None:
        """Make node ``name``, whose weights stay, exact by a coarser scale of its output."""
        node = self._nodes[name]
        weight_scale = float(self._array(self._makers[node.input[1]].input[1]))
        sums = self._scale(node.input[0]) * weight_scale
        coarser = sums / rounded_up(np.array(sums / self._output_scale(node)) / (1 + 2**-10))
        self._set(self._quantiser(node).input[1], np.asarray(coarser, np.float32))

    def _set_sum_bias(
        self, name: str, bias: ir.Value, shift: NDArray[np.float64], scale: NDArray[np.float32]
    ) -> None:
        """A convolution's: in the steps of its sums."""
        kept = self._makers[name]
        limit = np.iinfo(np.int32).max
        codes = np.clip(np.rint((_array(bias) + shift) / scale), -limit, limit)
        self._set(kept.input[0], codes.astype(np.int32))
        self._set(kept.input[1], scale)

    def _set_added_bias(self, bias: ir.Value, shift: NDArray[np.float64]) -> None:
        """A matrix product's: a 16-bit constant that is added behind it."""
        users = self._users[f"{bias.name}{TENSOR_NAME_QUANT_SUFFIX}"]
        if len(users) > 1:
            return
        kept = users[0]
        moved = _array(bias) + shift
        low, high = min(float(moved.min()), 0.0), max(float(moved.max()), 0.0)
        limit = np.iinfo(np.uint16).max
        scale = np.float32((high - low) / limit if high > low else 1.0)
        zero = np.rint(-low / scale)
        codes = np.clip(np.rint(moved / scale) + zero, 0, limit)
        self._set(kept.input[0], codes.astype(np.uint16))
        self._set(kept.input[1], np.asarray(scale))
        self._set(kept.input[2], np.asarray(zero, np.uint16))

    def _scale(self, name: str) -> float:
        return float(self._array(self._makers[name].input[1]))

    def _quantiser(self, node: onnx.NodeProto) -> onnx.NodeProto:
        (quantiser,) = self._users[node.output[0]]
        return quantiser

    def _output_scale(self, node: onnx.NodeProto) -> float:
        return float(self._array(self._quantiser(node).input[1]))

    def _array(self, name: str) -> NDArray[np.generic]:
        return onnx.numpy_helper.to_array(self._constants[name])

    def _set(self, name: str, array: NDArray[np.generic]) -> None:
        self._constants[name].CopyFrom(onnx.numpy_helper.from_array(array, name))


def _array(value: ir.Value) -> NDArray[np.float64]:
    array = constant(value)
    assert array is not None
    return array.astype(np.float64)
