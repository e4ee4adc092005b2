"""Calibrated post-training quantisation of a prepared stage graph, as the Hexagon NPU runs it.

Activations in 16 bits with one scale a tensor, weights in 8 bits with one scale an output
channel; layers that ``qnn_graph.widen`` split in two keep 16.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import onnx_ir as ir
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from same_export.qnn.requantise import hold_exactly
from same_export.quantisation.gptq import LayerInputs
from same_export.quantisation.layers import (
    constant_weight,
    is_exact_in_8_bits,
    weight_axis,
)
from same_export.quantisation.ranges import Ranges

MARGIN: Final = 0.75
"""How much wider than what calibration saw an activation's range is taken, as a share of it.

What goes beyond saturates, and costs centimetres: calibrated with half of the shipped recording,
0.1 left joints of the other half up to 20 cm off. The resolution that a wider range costs is
0.8 of 16 bits, a tenth of a millimetre."""


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
            proto,
            False,
            False,
            config.weight_type,
            config.activation_type,
            TensorsData(CalibrationMethod.MinMax, tensors),
            [],
            [],
            config.op_types_to_quantize,
            config.extra_options,
        )
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
