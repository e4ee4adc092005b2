"""Which layers lose most by 8-bit weights, and which of them are worth 16 bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from same_export.qnn.rewrites import rounded_to_8_bits
from same_export.quantisation.calibrate import Frame
from same_export.quantisation.joint_error import JointProbe, distances_mm
from same_export.quantisation.layers import is_weighted, layers, weight_axis
from same_export.quantisation.sessions import cpu_session, run_all


@dataclass(frozen=True)
class LayerCost:
    """What one layer's 8-bit weights cost."""

    stage: str
    layer: str
    node: str
    weight_bytes: int
    """At 8 bits; twice that when wide."""
    cost_mm2: float
    """Mean squared joint error that goes away when this layer alone is kept wide."""


def layer_costs(
    stage: str, model: ir.Model, frames: Sequence[Mapping[str, Frame]], probe: JointProbe
) -> list[LayerCost]:
    """Measure every layer of a prepared float stage.

    All weights are rounded to 8 bits but one layer's, whose turn it is; activations stay float,
    so that what is measured is the weights. Squared errors of independent layers add up.
    """
    inputs = [frame[stage] for frame in frames]
    exact = probe.joints(stage, run_all(cpu_session(_serialised(model)), inputs))
    nodes = layers(model)

    def squared_error(kept: str | None) -> float:
        rounded = _rounded(model, kept)
        joints = probe.joints(stage, run_all(cpu_session(rounded), inputs))
        return float((distances_mm(joints, exact) ** 2).mean())

    all_rounded = squared_error(None)
    sizes = {node.name: node.inputs[1] for node in model.graph if node.name in nodes}
    costs = []
    for node, layer in nodes.items():
        weight = sizes[node]
        assert weight is not None and weight.const_value is not None
        cost = LayerCost(
            stage, layer, node, weight.const_value.size, all_rounded - squared_error(node)
        )
        costs.append(cost)
    return costs


def choose_wide(costs: Sequence[LayerCost], extra_bytes: int) -> set[tuple[str, str]]:
    """(stage, node) of the layers to keep wide: the most error for each byte first, as long as
    they fit into ``extra_bytes`` more weights."""
    chosen: set[tuple[str, str]] = set()
    for cost in sorted(costs, key=lambda c: c.cost_mm2 / c.weight_bytes, reverse=True):
        if cost.cost_mm2 > 0 and cost.weight_bytes <= extra_bytes:
            chosen.add((cost.stage, cost.node))
            extra_bytes -= cost.weight_bytes
    return chosen


def _rounded(model: ir.Model, kept: str | None) -> bytes:
    model = ir.from_proto(ir.to_proto(model))
    for node in model.graph:
        if not is_weighted(node) or node.name == kept:
            continue
        weight = node.inputs[1]
        assert weight is not None and weight.const_value is not None
        rounded = rounded_to_8_bits(weight.const_value.numpy(), weight_axis(node))
        weight.const_value = ir.tensor(rounded.astype(np.float32), name=weight.name)
    return _serialised(model)


def _serialised(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString())
