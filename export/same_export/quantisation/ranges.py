"""The range of every activation of a stage, as calibration frames show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from same_engines.bundle.reader import Bundle
from same_engines.errors import ExportError
from same_export.quantisation.calibrate import Frame
from same_export.quantisation.layers import FINE, constant
from same_export.quantisation.sessions import cpu_session

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """Smallest and largest value of every activation of a stage over the calibration frames."""

    by_tensor: Mapping[str, Range]
    frames: int


def measure_ranges(
    model: ir.Model,
    frames: Sequence[Frame],
    known: Mapping[str, Range],
    margin: float = 0.0,
) -> Ranges:
    """Run ``model`` (float) over ``frames`` and note every activation's range.

    ``known``: ranges that follow from what a tensor means, such as 0..1 for a visibility; they
    replace what the frames show. ``margin``: how much wider than what the frames show a range is
    taken, as a share of it. Raises ``ExportError`` without frames.
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
    widened = {name: _with_margin(*found[name], margin) for name in found}
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


def _with_margin(low: float, high: float, margin: float) -> Range:
    low, high = min(low, 0.0), max(high, 0.0)
    grow = margin * (high - low) / 2
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
            # One that is open on a side may have one input only; what calibration saw bounds it.
            low, high, *_ = (*map(constant, node.inputs[1:3]), None, None)
            if low is not None and high is not None:
                bounds[output] = (float(low), float(high))
    return bounds


def known_ranges(bundle: Bundle) -> dict[str, Range]:
    """Ranges that follow from what an input means, whatever a recording shows of it."""
    config = bundle.manifest.config
    mean, deviation = config.image_mean, config.image_std
    known: dict[str, Range] = {
        name: (0.0, 1.0) for name in ("visibility", "view_valid", "window_valid")
    }
    known["images"] = ((0.0 - mean) / deviation, (1.0 - mean) / deviation)
    for direction in ("rays", "axes", "lstm_h"):
        known[direction] = (-1.0, 1.0)
    return known
