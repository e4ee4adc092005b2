"""Choose weights and scales that the NPU multiplies by without rounding them again.

Hexagon brings a channel's sum to its output's steps by ``input scale * weight scale / output
scale`` and holds this factor in 11 significant bits. It multiplies the whole 16-bit code, zero
point included, so that rounding it shifts a channel by up to 24 steps: measured on the emulator
(QNN 2.51, v69), it was more than half of the error of ``visual``. A weight scale up to a
thousandth larger makes the factor one that the NPU holds exactly, at no cost.
"""

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from same_export.qnn_graph import COARSE, FINE, constant_weight, is_exact_in_8_bits, weight_axis

_SIGNIFICANT = 2.0**10
_LARGEST = 127


def hold_exactly(quantised: onnx.ModelProto, model: ir.Model) -> None:
    """Give the weights of ``quantised``, the QDQ graph of ``model``, such scales, in place.

    Weights are rounded again, from those of ``model``. The fine half of a layer in two takes
    what its coarse half now leaves. Weights that are whole numbers stay, and their output's
    scale gives way. A weight that several layers share keeps its scale.
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
        rounded = graph.round_weight(name, exact, weight_axis(node))
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
        self, name: str, weight: NDArray[np.float64], axis: int
    ) -> NDArray[np.float64] | None:
        """Round ``weight`` with scales that make node ``name`` exact; what it became, or None
        where it had to stay."""
        node = self._nodes[name]
        kept = self._makers[node.input[1]]
        if len(self._users[kept.output[0]]) > 1 or len(self._users[kept.input[0]]) > 1:
            return None
        others = tuple(i for i in range(weight.ndim) if i != axis)
        largest = np.abs(weight).max(axis=others)
        scale_in, scale_out = self._scale(node.input[0]), self._output_scale(node)
        needed = np.where(largest > 0, largest, 1.0) / _LARGEST
        scale = rounded_up(scale_in * needed / scale_out) * scale_out / scale_in
        scale = scale.astype(np.float32).astype(np.float64)
        shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
        codes = np.clip(np.rint(weight / scale.reshape(shape)), -_LARGEST, _LARGEST)
        self._set(kept.input[0], codes.astype(np.int8))
        self._set(kept.input[1], scale.astype(np.float32))
        if len(node.input) > 2:
            self._round_bias(node.input[2], (scale_in * scale).astype(np.float32))
        return np.asarray(codes * scale.reshape(shape), np.float64)

    def widen_output(self, name: str) -> None:
        """Make node ``name``, whose weights stay, exact by a coarser scale of its output."""
        node = self._nodes[name]
        weight_scale = float(self._array(self._makers[node.input[1]].input[1]))
        sums = self._scale(node.input[0]) * weight_scale
        coarser = sums / rounded_up(np.array(sums / self._output_scale(node)) / (1 + 2**-10))
        self._set(self._quantiser(node).input[1], np.asarray(coarser, np.float32))

    def _round_bias(self, name: str, scale: NDArray[np.float32]) -> None:
        kept = self._makers[name]
        old = self._array(kept.input[1]).astype(np.float64)
        codes = np.rint(self._array(kept.input[0]).astype(np.float64) * old / scale)
        limit = np.iinfo(np.int32).max
        self._set(kept.input[0], np.clip(codes, -limit, limit).astype(np.int32))
        self._set(kept.input[1], scale)

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
