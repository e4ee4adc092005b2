# mypy: ignore-errors
# The function below is not run by Python: onnxscript reads its source as ONNX.
"""The operator as a function of standard ONNX operators; see ``operator.py``."""

import onnx
from onnxscript import script
from onnxscript.onnx_opset import opset20 as op
from onnxscript.values import Opset

SAME_OPSET = Opset("same", 1)
_FLOAT = onnx.TensorProto.FLOAT


@script(SAME_OPSET, default_opset=op)
def SpatialAwareDeformAttn(  # long: a function of a graph calls no other
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
    # The points of a head come before the heads: sums over them then run along whole rows.
    views = op.Shape(weights, start=0, end=1)
    joints_heads = op.Mul(op.Shape(weights, start=1, end=2), op.Shape(weights, start=2, end=3))
    points = op.Shape(weights, start=3, end=4)
    one = op.Constant(value_ints=[1])
    rest = op.Constant(value_ints=[-1])
    per_head = op.Reshape(
        op.Cast(weights, to=_FLOAT), op.Concat(views, joints_heads, points, axis=0)
    )
    weight = op.Transpose(per_head, perm=[0, 2, 1])

    # One GridSample serves the features and the rays.
    maps = op.Concat(op.Cast(features, to=_FLOAT), rays, axis=1)
    size = op.Cast(
        op.Concat(op.Shape(rays, start=3, end=4), op.Shape(rays, start=2, end=3), axis=0),
        to=_FLOAT,
    )
    two = op.Constant(value_ints=[2])
    pixels = op.Reshape(locations, op.Concat(views, joints_heads, points, two, axis=0))
    grid = op.Transpose((2.0 * pixels + 1.0) / size - 1.0, perm=[0, 2, 1, 3])
    sampled = op.GridSample(maps, grid, align_corners=0, mode="linear", padding_mode="zeros")
    channels = op.Shape(features, start=1, end=2)
    three = op.Constant(value_ints=[3])
    content, ray = op.Split(sampled, op.Concat(channels, three, axis=0), axis=1)
    axis_points = op.Constant(value_ints=[2])
    weighted = content * op.Unsqueeze(weight, one)
    content = op.Transpose(op.ReduceSum(weighted, axis_points, keepdims=0), perm=[0, 2, 1])
    per_joint = op.Shape(weights, start=0, end=3)
    sampled_features = op.CastLike(
        op.Reshape(content, op.Concat(per_joint, rest, axis=0)), features
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
    w1_centre = op.ReduceSum(blocks, one, keepdims=0)
    w1_ray = op.ReduceSum(blocks * steps, one, keepdims=0)
    matrix = op.Transpose(op.Concat(w1_centre, w1_ray, axis=1), perm=[1, 0])

    heads = op.Shape(weights, start=2, end=3)
    joints = op.Shape(weights, start=1, end=2)
    depth_heads = op.Expand(
        op.Reshape(depth, op.Concat(views, joints, one, axis=0)),
        op.Concat(views, joints, heads, axis=0),
    )
    distance = op.Reshape(depth_heads, op.Concat(views, one, one, joints_heads, axis=0))
    origin = op.Reshape(origins, op.Concat(views, three, one, one, axis=0))
    inputs = op.Transpose(op.Concat(origin + ray * distance, ray, axis=1), perm=[0, 2, 3, 1])
    hidden = op.Relu(op.MatMul(inputs, matrix) + op.Cast(b1, to=_FLOAT))
    unweighted = op.CastLike(pe_sum, weight)
    point_weight = op.Unsqueeze(weight + unweighted * (1.0 - weight), rest)
    position = op.ReduceSum(hidden * point_weight, one, keepdims=0)
    position = op.CastLike(op.Reshape(position, op.Concat(per_joint, rest, axis=0)), features)
    return sampled_features, position
