"""``same::SpatialAwareDeformAttn`` in ONNX: its schema, its node and the function behind it.

Exported graphs hold the operator as one node. Engines that know it (the TensorRT plugin) run
it as one kernel; all others inline the model-local function of ``operator_function.py``.
Semantics: ``same_model.network.deform_attn``; Eq. 3-4 of the paper up to their linear maps.
"""

from collections.abc import Callable
from typing import Any, Final

import onnx
import onnx.defs
import torch

import same_model.network.deform_attn  # noqa: F401 - registers the PyTorch operator
from same_export.operator.function import SAME_OPSET, SpatialAwareDeformAttn

OPSET_VERSION: Final = 20
DOMAIN: Final = SAME_OPSET.domain
DOMAIN_VERSION: Final = SAME_OPSET.version
NAME: Final = "SpatialAwareDeformAttn"


def register_schema() -> None:
    """Tell ``onnx`` the operator's signature, which the exporter and the checker ask for."""
    if onnx.defs.has(NAME, DOMAIN_VERSION, DOMAIN):
        return
    parameter = onnx.defs.OpSchema.FormalParameter
    attribute = onnx.defs.OpSchema.Attribute
    kinds = onnx.defs.OpSchema.AttrType
    onnx.defs.register_schema(
        onnx.defs.OpSchema(
            NAME,
            DOMAIN,
            DOMAIN_VERSION,
            doc="Deformable attention with a depth-guided 3D positional embedding (SAME, Eq. 3-4).",
            inputs=[
                parameter("features", "T", "(V, D, Hf, Wf)"),
                parameter("rays", "tensor(float)", "(V, 3, Hf, Wf)"),
                parameter("origins", "tensor(float)", "(V, 3)"),
                parameter("locations", "tensor(float)", "(V, J, M, K, 2)"),
                parameter("weights", "T", "(V, J, M, K)"),
                parameter("depth", "tensor(float)", "(V, J)"),
                parameter("w1", "T", "(H, 3 N_s)"),
                parameter("b1", "T", "(H)"),
            ],
            outputs=[
                parameter("sampled", "T", "(V, J, M, D)"),
                parameter("position", "T", "(V, J, M, H)"),
            ],
            type_constraints=[("T", ["tensor(float)", "tensor(float16)"], "feature type")],
            attributes=[
                attribute("num_shell_points", kinds.INT, "N_s", required=True),
                attribute("delta", kinds.FLOAT, "half thickness of the shell, m", required=True),
                attribute("pe_sum", kinds.INT, "1: embedding summed, not weighted", required=True),
                attribute("plugin_namespace", kinds.STRING, "for TensorRT", required=False),
                attribute("plugin_version", kinds.STRING, "for TensorRT", required=False),
            ],
        )
    )


def translation_table(num_shell_points: int) -> dict[Any, Callable[..., Any]]:
    """What ``torch.onnx.export`` emits for the PyTorch operator: the one bare node."""

    def emit(
        features: Any,
        rays: Any,
        origins: Any,
        locations: Any,
        weights: Any,
        depth: Any,
        w1: Any,
        b1: Any,
        delta: float,
        pe_sum: bool,
    ) -> Any:
        return SAME_OPSET.SpatialAwareDeformAttn(
            features,
            rays,
            origins,
            locations,
            weights,
            depth,
            w1,
            b1,
            num_shell_points=num_shell_points,
            delta=delta,
            pe_sum=int(pe_sum),
            plugin_namespace=DOMAIN,
            plugin_version=str(DOMAIN_VERSION),
        )

    return {torch.ops.same.spatial_aware_deform_attn.default: emit}


def attach_function(model: onnx.ModelProto) -> None:
    """Put the function behind the operator's nodes of ``model``, if it has any."""
    if any(node.op_type == NAME and node.domain == DOMAIN for node in model.graph.node):
        function = SpatialAwareDeformAttn.to_function_proto()
        # TensorRT's parser wants these on the node; the function must then declare them.
        function.attribute.extend(["plugin_namespace", "plugin_version"])
        model.functions.append(function)
