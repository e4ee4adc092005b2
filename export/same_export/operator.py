"""``same::SpatialAwareDeformAttn`` in ONNX: its schema, its node and the function behind it.

Exported graphs hold the operator as one node. Engines that know it (the TensorRT plugin) run
it as one kernel; all others inline the model-local function below, which is made of standard
operators. Semantics: ``same_model.deform_attn``; Eq. 3-4 of the paper up to their linear maps.
"""

from collections.abc import Callable
from typing import Any, Final

import onnx
import onnx.defs
import torch
from onnxscript import script
from onnxscript.onnx_opset import opset20 as op
from onnxscript.values import Opset

from same_model.deform_attn import exported_deform_attn

OPSET_VERSION: Final = 20
DOMAIN: Final = "same"
DOMAIN_VERSION: Final = 1
NAME: Final = "SpatialAwareDeformAttn"

_SAME = Opset(DOMAIN, DOMAIN_VERSION)
_FLOAT = onnx.TensorProto.FLOAT


@script(_SAME, default_opset=op)
def SpatialAwareDeformAttn(
    features,
    rays,
    origins,
    locations,
    weights,
    depth,
    w1,
    b1,
    num_shell_points: int,
    delta: float,
    pe_sum: int,
):
    """The operator in standard ONNX operators, float32 inside whatever the features' type."""
    views = op.Shape(weights, start=0, end=1)
    joints_heads = op.Mul(op.Shape(weights, start=1, end=2), op.Shape(weights, start=2, end=3))
    points = op.Shape(weights, start=3, end=4)
    one = op.Constant(value_ints=[1])
    rest = op.Constant(value_ints=[-1])
    last = op.Constant(value_ints=[-1])
    weight = op.Reshape(
        op.Cast(weights, to=_FLOAT), op.Concat(views, one, joints_heads, points, axis=0)
    )

    # One GridSample serves the features and the rays.
    maps = op.Concat(op.Cast(features, to=_FLOAT), rays, axis=1)
    size = op.Cast(
        op.Concat(op.Shape(rays, start=3, end=4), op.Shape(rays, start=2, end=3), axis=0),
        to=_FLOAT,
    )
    two = op.Constant(value_ints=[2])
    pixels = op.Reshape(locations, op.Concat(views, joints_heads, points, two, axis=0))
    grid = (2.0 * pixels + 1.0) / size - 1.0
    sampled = op.GridSample(maps, grid, align_corners=0, mode="linear", padding_mode="zeros")
    channels = op.Shape(features, start=1, end=2)
    three = op.Constant(value_ints=[3])
    content, ray = op.Split(sampled, op.Concat(channels, three, axis=0), axis=1)
    content = op.ReduceSum(content * weight, last, keepdims=0)
    per_joint = op.Shape(weights, start=0, end=3)
    sampled_features = op.CastLike(
        op.Reshape(op.Transpose(content, perm=[0, 2, 1]), op.Concat(per_joint, rest, axis=0)),
        features,
    )

    # W1 Theta needs only the sum of W1's blocks and their sum weighted by the steps along the
    # ray, because the shell's points are origin + ray * depth plus fixed steps of the ray.
    count = op.CastLike(num_shell_points, delta)
    index = op.Cast(op.Range(0, num_shell_points, 1), to=_FLOAT)
    steps = op.Reshape(
        delta * (2.0 * index - (count - 1.0)) / op.Max(count - 1.0, 1.0),
        op.Constant(value_ints=[1, -1, 1]),
    )
    shell = op.Concat(
        one * 0, op.Reshape(num_shell_points, op.Constant(value_ints=[1])), three, axis=0
    )
    blocks = op.Reshape(op.Cast(w1, to=_FLOAT), shell)
    axis_points = op.Constant(value_ints=[1])
    w1_centre = op.ReduceSum(blocks, axis_points, keepdims=0)
    w1_ray = op.ReduceSum(blocks * steps, axis_points, keepdims=0)
    matrix = op.Transpose(op.Concat(w1_centre, w1_ray, axis=1), perm=[1, 0])

    heads = op.Shape(weights, start=2, end=3)
    joints = op.Shape(weights, start=1, end=2)
    depth_heads = op.Expand(
        op.Reshape(depth, op.Concat(views, joints, one, axis=0)),
        op.Concat(views, joints, heads, axis=0),
    )
    distance = op.Reshape(depth_heads, op.Concat(views, one, joints_heads, one, axis=0))
    origin = op.Reshape(origins, op.Concat(views, three, one, one, axis=0))
    inputs = op.Transpose(op.Concat(origin + ray * distance, ray, axis=1), perm=[0, 2, 3, 1])
    hidden = op.Relu(op.MatMul(inputs, matrix) + op.Cast(b1, to=_FLOAT))
    unweighted = op.CastLike(pe_sum, weight)
    point_weight = op.Reshape(
        weight + unweighted * (1.0 - weight), op.Concat(views, joints_heads, points, one, axis=0)
    )
    position = op.ReduceSum(hidden * point_weight, op.Constant(value_ints=[2]), keepdims=0)
    position = op.CastLike(op.Reshape(position, op.Concat(per_joint, rest, axis=0)), features)
    return sampled_features, position


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
        features: Any, rays: Any, origins: Any, locations: Any, weights: Any, depth: Any,
        w1: Any, b1: Any, delta: float, pe_sum: bool,
    ) -> Any:  # fmt: skip
        return _SAME.SpatialAwareDeformAttn(
            features, rays, origins, locations, weights, depth, w1, b1,
            num_shell_points=num_shell_points, delta=delta, pe_sum=int(pe_sum),
            plugin_namespace=DOMAIN, plugin_version=str(DOMAIN_VERSION),
        )  # fmt: skip

    return {torch.ops.same.spatial_aware_deform_attn.default: emit}


def attach_function(model: onnx.ModelProto) -> None:
    """Put the function behind the operator's nodes of ``model``, if it has any."""
    assert exported_deform_attn is not None  # importing it registers the PyTorch operator
    if any(node.op_type == NAME and node.domain == DOMAIN for node in model.graph.node):
        function = SpatialAwareDeformAttn.to_function_proto()
        # TensorRT's parser wants these on the node; the function must then declare them.
        function.attribute.extend(["plugin_namespace", "plugin_version"])
        model.functions.append(function)
