"""Calibrated post-training quantisation of a prepared stage graph, as the Hexagon NPU runs it.

Activations in 16 bits with one scale a tensor, weights in 8 bits with one scale an output
channel; layers that ``qnn_graph.widen`` split in two keep 16.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnx_ir as ir
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from same_engines.errors import ExportError
from same_export.qnn.calibrate import Frame
from same_export.qnn.gptq import LayerInputs
from same_export.qnn.requantise import hold_exactly
from same_export.qnn.rewrites import (
    FINE,
    constant,
    constant_weight,
    is_exact_in_8_bits,
    weight_axis,
)
from same_export.qnn.sessions import cpu_session

Range = tuple[float, float]

_MARGIN: Final = 0.75
"""How much wider than what calibration saw an activation's range is taken, as a share of it.

What goes beyond saturates, and costs centimetres: calibrated with half of the shipped recording,
0.1 left joints of the other half up to 20 cm off. The resolution that a wider range costs is
0.8 of 16 bits, a tenth of a millimetre."""


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of every activation of a stage over the calibration frames."""

    by_tensor: Mapping[str, Range]
    frames: int


def measure_ranges(model: ir.Model, frames: Sequence[Frame], known: Mapping[str, Range]) -> Ranges:
    """Run ``model`` (float) over ``frames`` and note every activation's range.

    ``known``: ranges that follow from what a tensor means, such as 0..1 for a visibility; they
    replace what the frames show. Raises ``ExportError`` without frames.
    """
    if not frames:
        raise ExportError("calibration: the recording gave no frames")
    proto = ir.to_proto(model)
    outputs = {output.name for output in proto.graph.output}
    floats = [
        value
        for value in proto.graph.value_info
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT and value.name not in outputs
    ]
    made = {name for node in proto.graph.node for name in node.output}
    proto.graph.output.extend(value for value in floats if value.name in made)
    session = cpu_session(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    found: dict[str, Range] = {}
    for frame in frames:
        values = zip(names, session.run(names, dict(frame)), strict=True)
        for name, value in (*frame.items(), *values):
            low, high = found.get(name, (np.inf, -np.inf))
            found[name] = (min(low, float(value.min())), max(high, float(value.max())))
    widened = {name: _with_margin(*found[name]) for name in found}
    for node in model.graph:
        output = str(node.outputs[0].name)
        if str(node.name).endswith(FINE) and output in found:
            # What rounding leaves to this half is settled later, and is little of the layer.
            widened[output] = (2 * widened[output][0], 2 * widened[output][1])
    for name, (lowest, highest) in {**_bounds(model), **known}.items():
        if name in known and name in found:
            widened[name] = (lowest, highest)
        elif name in found:
            low, high = widened[name]
            widened[name] = (max(low, lowest), min(high, highest))
    return Ranges(widened, len(frames))


def quantise(
    model: ir.Model, ranges: Ranges, inputs: Mapping[str, LayerInputs] | None = None
) -> bytes:
    """The QDQ graph of a prepared, perhaps widened, float ``model``.

    ``inputs``: of its layers, from ``measure_layer_inputs``; without it weights are rounded to
    the nearest.
    """
    proto = ir.to_proto(model)
    tensors = {
        name: (np.float32(low), np.float32(high)) for name, (low, high) in ranges.by_tensor.items()
    }
    with _quiet_root_logger():
        config = get_qnn_qdq_config(
            proto,
            None,  # ranges come from measure_ranges
            activation_type=QuantType.QUInt16,
            weight_type=QuantType.QUInt8,  # LayerNormalization takes no other; see the overrides
            init_overrides=_weight_overrides(model),
        )
        quantiser = QDQQuantizer(
            proto, False, False, config.weight_type, config.activation_type,
            TensorsData(CalibrationMethod.MinMax, tensors), [], [],
            config.op_types_to_quantize, config.extra_options,
        )  # fmt: skip
        quantiser.quantize_model()
    hold_exactly(quantiser.model.model, model, inputs or {})
    return bytes(quantiser.model.model.SerializeToString())


@contextmanager
def _quiet_root_logger() -> Iterator[None]:
    """The quantiser tells the root logger of every tensor it need not touch."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _with_margin(low: float, high: float) -> Range:
    low, high = min(low, 0.0), max(high, 0.0)
    grow = _MARGIN * (high - low) / 2
    # One-sided ranges stay so: what a ReLU or a softmax makes is never negative.
    return low - grow if low < 0 else 0.0, high + grow if high > 0 else 0.0


def _bounds(model: ir.Model) -> dict[str, Range]:
    """What bounded operators cannot exceed. The quantiser drops a clip and trusts its range."""
    bounds: dict[str, Range] = {}
    for node in model.graph:
        output = node.outputs[0].name
        assert output is not None
        if node.op_type in ("Softmax", "Sigmoid"):
            bounds[output] = (0.0, 1.0)
        elif node.op_type == "Clip":
            low, high = (constant(value) for value in node.inputs[1:3])
            if low is not None and high is not None:
                bounds[output] = (float(low), float(high))
    return bounds


def _weight_overrides(model: ir.Model) -> dict[str, list[dict[str, Any]]]:
    overrides: dict[str, list[dict[str, Any]]] = {}
    for node in model.graph:
        weight = constant_weight(node)
        if weight is None:
            continue
        name = node.inputs[1].name  # type: ignore[union-attr] # it has a constant
        assert name is not None
        if is_exact_in_8_bits(weight):
            scale, zero_point = np.float32(1.0), np.int8(0)
            exact = {"quant_type": QuantType.QInt8, "scale": scale, "zero_point": zero_point}
            overrides[name] = [exact]
        else:
            axis = weight_axis(node)
            overrides[name] = [{"quant_type": QuantType.QInt8, "axis": axis, "symmetric": True}]
    return overrides
