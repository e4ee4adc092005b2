"""Turn the PyTorch stages into ONNX graphs with one frame's named, statically shaped tensors."""

import copy
import warnings
from dataclasses import dataclass
from typing import Final

import onnx
import onnx.checker
import onnx.shape_inference
import torch
from torch import Tensor, nn

from same_engines.bundle.manifest import TensorSpec
from same_engines.errors import ExportError
from same_export.operator.node import (
    OPSET_VERSION,
    attach_function,
    register_schema,
    translation_table,
)
from same_model.network.fusion import FusionStage
from same_model.network.inertial import LstmState
from same_model.network.temporal import shift_window, window_row
from same_model.same_network import SameModel
from same_runtime.estimation.signatures import newest_rows, stage_signatures


class VisualFrame(nn.Module):
    """``visual`` for one frame."""

    def __init__(self, model: SameModel) -> None:
        super().__init__()
        self.stage = model.visual

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        output = self.stage(images[None])
        return output.features[0], output.joints_2d[0], output.visibility[0]


class InertialFrame(nn.Module):
    """``inertial`` for one frame, its recurrent state in and out."""

    def __init__(self, model: SameModel) -> None:
        super().__init__()
        self.stage = model.inertial

    def forward(self, imu_features: Tensor, lstm_h: Tensor, lstm_c: Tensor) -> tuple[Tensor, ...]:
        state = LstmState(lstm_h[:, None], lstm_c[:, None])
        output = self.stage(imu_features[None, None], state)
        return (
            output.joints_imu[0, 0],
            output.tokens[0, 0],
            output.state.h[:, 0],
            output.state.c[:, 0],
        )


class FusionFrame(nn.Module):
    """``fusion`` for one frame. Inertial tokens arrive in float32 whatever the stage's type."""

    def __init__(self, model: SameModel) -> None:
        super().__init__()
        self.stage = model.fusion
        names = stage_signatures(model.config)["fusion"].inputs
        self.beside = [name for name in ("axes", "imu_features") if name in names]

    def forward(
        self,
        features: Tensor,
        joints_2d: Tensor,
        visibility: Tensor,
        view_valid: Tensor,
        joints_imu: Tensor,
        imu_tokens: Tensor,
        rays: Tensor,
        origins: Tensor,
        *beside: Tensor,
    ) -> tuple[Tensor, ...]:
        output = self.stage(
            features,
            joints_2d,
            visibility,
            view_valid,
            joints_imu,
            imu_tokens.to(features.dtype),
            rays,
            origins,
            **dict(zip(self.beside, beside, strict=True)),
        )
        return output.joints[-1], output.joint_confidence


class TemporalFrame(nn.Module):
    """``temporal`` for one frame, the window of poses in and out; of the refined poses, those that
    the tracker reads."""

    def __init__(self, model: SameModel) -> None:
        super().__init__()
        self.stage = model.temporal
        self.config = model.config

    def forward(
        self,
        joints_local: Tensor,
        window_joints: Tensor,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
        joints_imu: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        window = shift_window(window_joints, window_row(self.config, joints_local, joints_imu))
        newest = newest_rows(self.config.window)
        joints = self.stage(window, T_anchor_cam, time_offset_s, window_valid, newest)
        return joints, window


@dataclass(frozen=True)
class StageGraph:
    """An exported stage: serialised ONNX and its signature."""

    content: bytes
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


_MODULES: Final[dict[str, type[nn.Module]]] = {
    "visual": VisualFrame,
    "inertial": InertialFrame,
    "fusion": FusionFrame,
    "temporal": TemporalFrame,
}


def for_precision(model: SameModel, precision: str) -> SameModel:
    """A copy of ``model`` ready for export in ``fp32`` or ``fp16``.

    In fp16 the two stages that do nearly all the work, visual and fusion, compute in half; joint
    coordinates and sampling locations stay float32. The inertial stage's recurrent state and
    the temporal stage's metres need float32, and cost next to nothing.
    """
    model = copy.deepcopy(model).eval().float()
    if precision == "fp16":
        fusion = model.fusion
        upright = copy.deepcopy(fusion.upright) if isinstance(fusion, FusionStage) else None
        model.visual.half()
        fusion.half()
        if isinstance(fusion, FusionStage):
            # Of coordinates: rounded, the turn back would not undo the turn.
            fusion.upright = upright
    return model


def export_stage(model: SameModel, stage: str) -> StageGraph:
    """Export one stage of a model from ``for_precision``. Raises ``ExportError``."""
    signature = stage_signatures(model.config)[stage]
    half = next(model.fusion.parameters()).dtype == torch.float16
    inputs = tuple(
        TensorSpec(name, shape, "float16" if half and name == "features" else "float32")
        for name, shape in signature.inputs.items()
    )
    register_schema()
    samples = tuple(torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype)) for spec in inputs)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's notes are for PyTorch's developers
            program = torch.onnx.export(
                _MODULES[stage](model).eval(),
                samples,
                dynamo=True,
                external_data=False,
                input_names=[spec.name for spec in inputs],
                output_names=list(signature.outputs),
                opset_version=OPSET_VERSION,
                custom_translation_table=translation_table(model.config.shell_points),
                verbose=False,
            )
    except Exception as error:  # the exporter raises many kinds
        raise ExportError(f"stage {stage}: PyTorch could not export it: {error}") from error
    assert program is not None
    proto = program.model_proto
    attach_function(proto)
    _strip_debug_text(proto)
    try:
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"stage {stage}: the exported graph is not valid ONNX: {error}") from None
    came = [node.name for node in proto.graph.input]
    if came != [spec.name for spec in inputs]:
        raise ExportError(f"stage {stage}: expected inputs {[s.name for s in inputs]}, got {came}")
    return StageGraph(
        proto.SerializeToString(), inputs, tuple(_spec(node) for node in proto.graph.output)
    )


def _spec(node: onnx.ValueInfoProto) -> TensorSpec:
    tensor = node.type.tensor_type
    shape = tuple(dimension.dim_value for dimension in tensor.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return TensorSpec(node.name, shape, str(dtype))


def _strip_debug_text(proto: onnx.ModelProto) -> None:
    """Drop stack traces and source paths that the exporter leaves in the file."""
    proto.graph.doc_string = ""
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:]
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del value.metadata_props[:]
