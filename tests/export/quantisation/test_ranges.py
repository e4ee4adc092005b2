import numpy as np
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from same_export.quantisation.ranges import measure_ranges


def test_a_clip_that_is_open_above_keeps_what_calibration_saw() -> None:
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (3,)) for name in "xyz"]
    bounds = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("low", -0.5), ("high", 0.5))
    ]
    nodes = [
        helper.make_node("Clip", ["x", "low"], ["y"], name="open"),
        helper.make_node("Clip", ["x", "low", "high"], ["z"], name="closed"),
    ]
    graph = helper.make_graph(nodes, "clips", shapes[:1], shapes[1:], bounds)
    opset = [helper.make_opsetid("", 20)]
    model = ir.from_proto(helper.make_model(graph, opset_imports=opset, ir_version=10))
    seen = {"x": np.array((-2.0, 0.0, 3.0), np.float32)}
    ranges = measure_ranges(model, [seen], {}).by_tensor
    assert ranges["y"][0] <= -0.5 and ranges["y"][1] >= 3.0
    assert ranges["z"] == (-0.5, 0.5)
