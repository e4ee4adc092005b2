"""Round a layer's weights so that what it computes changes least, not the weights themselves.

A weight's rounding error is made up for by the weights that are rounded after it, as far as
their inputs go together (Frantar et al., GPTQ, 2023, with the inputs that vary most first);
what is left of it on average goes into the bias. Both need a layer's inputs only, which the
float graph shows on the calibration frames.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper

from same_export.quantisation.calibrate import Frame
from same_export.quantisation.layers import constant, is_weighted
from same_export.quantisation.sessions import cpu_session

LARGEST_CODE = 127
_DAMPING = 0.03
"""Variance that every input is taken to have besides, as a share of their mean: few frames do
not tell what else may come."""
_BLOCK = 64


@dataclass(frozen=True)
class LayerInputs:
    """What the inputs of each output channel of a layer are like: ``n`` of them in each of ``G``
    groups (1 but for grouped convolutions)."""

    mean: NDArray[np.float64]
    """(G, n)."""
    covariance: NDArray[np.float64]
    """(G, n, n)."""

    def second_moment(self) -> NDArray[np.float64]:
        """(G, n, n): for layers with no bias that could take a mean."""
        return self.covariance + self.mean[:, :, None] * self.mean[:, None, :]


def measure_layer_inputs(model: ir.Model, frames: Iterable[Frame]) -> dict[str, LayerInputs]:
    """Run ``model`` (float) over ``frames``: node -> its inputs, for every weighted node."""
    nodes = {str(node.name): node for node in model.graph if is_weighted(node)}
    sources = {name: str(node.inputs[0].name) for name, node in nodes.items()}  # type: ignore[union-attr]
    proto = ir.to_proto(model)
    known = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    tapped = [name for name in dict.fromkeys(sources.values()) if name not in known]
    proto.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tapped
    )
    session = cpu_session(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    count: dict[str, int] = dict.fromkeys(nodes, 0)
    total: dict[str, Any] = dict.fromkeys(nodes, 0.0)
    products: dict[str, Any] = dict.fromkeys(nodes, 0.0)
    for frame in frames:
        values = {**frame, **dict(zip(names, session.run(names, dict(frame)), strict=True))}
        for name, node in nodes.items():
            rows = _rows(node, values[sources[name]])
            count[name] += rows.shape[1]
            total[name] = total[name] + rows.sum(axis=1, dtype=np.float64)
            products[name] = products[name] + rows.transpose(0, 2, 1) @ rows
    measured = {}
    for name in nodes:
        mean = total[name] / count[name]
        moment = np.asarray(products[name], np.float64) / count[name]
        measured[name] = LayerInputs(mean, moment - mean[:, :, None] * mean[:, None, :])
    return measured


def by_group(weight: NDArray[np.float64], op_type: str, groups: int) -> NDArray[np.float64]:
    """A layer's weights as (groups, outputs, inputs), the inputs in the order of LayerInputs."""
    flat = weight.T if op_type == "MatMul" else weight.reshape(weight.shape[0], -1)
    return flat.reshape(groups, flat.shape[0] // groups, -1)


def from_groups(
    grouped: NDArray[np.float64], op_type: str, shape: Sequence[int]
) -> NDArray[np.float64]:
    """The inverse of ``by_group``."""
    flat = grouped.reshape(-1, grouped.shape[-1])
    return flat.T if op_type == "MatMul" else flat.reshape(shape)


def round_in_order(
    weight: NDArray[np.float64], scale: NDArray[np.float64], moment: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Codes (outputs, inputs) in -127..127 that approximate ``weight`` / ``scale``.

    ``weight`` (outputs, inputs), ``scale`` (outputs), ``moment`` (inputs, inputs) of the inputs.
    """
    power = np.diag(moment)
    order = np.argsort(-power, kind="stable")
    damped = moment[np.ix_(order, order)] + max(_DAMPING * power.mean(), 1e-12) * np.eye(len(power))
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T  # upper
    left = weight[:, order].copy()
    codes = np.empty_like(left)
    inputs = left.shape[1]
    for start in range(0, inputs, _BLOCK):
        end = min(start + _BLOCK, inputs)
        errors = np.empty((len(left), end - start))
        for i in range(start, end):
            codes[:, i] = np.clip(np.rint(left[:, i] / scale), -LARGEST_CODE, LARGEST_CODE)
            error = (left[:, i] - codes[:, i] * scale) / factor[i, i]
            left[:, i:end] -= error[:, None] * factor[i, i:end]
            errors[:, i - start] = error
        left[:, end:] -= errors @ factor[start:end, end:]
    restored = np.empty_like(codes)
    restored[:, order] = codes
    return restored


def _rows(node: ir.Node, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """(groups, samples, inputs): what each output of the layer sums over."""
    if node.op_type == "MatMul":
        return value.reshape(1, -1, value.shape[-1])
    weight = constant(node.inputs[1])
    assert weight is not None
    size_y, size_x = weight.shape[2:]
    top, left, bottom, right = node.attributes.get_ints("pads", [0, 0, 0, 0])
    step_y, step_x = node.attributes.get_ints("strides", [1, 1])
    groups = node.attributes.get_int("group", 1)
    padded = np.pad(value, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size_y, size_x), (2, 3))
    windows = windows[:, :, ::step_y, ::step_x]  # (images, channels, y, x, size_y, size_x)
    images, channels, rows, columns = windows.shape[:4]
    grouped = windows.reshape(images, groups, channels // groups, rows, columns, size_y, size_x)
    samples = images * rows * columns
    return grouped.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, samples, -1)
