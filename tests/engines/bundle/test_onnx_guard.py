"""External tensor data is found wherever ONNX can hide it; junk never crashes the scan."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_engines.bundle.onnx_guard import refuse_external_data
from same_engines.errors import BundleError

onnx = pytest.importorskip("onnx", reason="needs pip install .[export]")
TensorProto, helper = onnx.TensorProto, onnx.helper


def external_tensor() -> TensorProto:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    return tensor


def model_with(where: str) -> onnx.ModelProto:
    out = helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])
    constant = helper.make_node("Constant", [], ["w"], value=external_tensor())
    inner = helper.make_graph([constant], "inner", [], [out])
    if where == "initializer":
        graph = helper.make_graph([], "g", [], [out], initializer=[external_tensor()])
    elif where == "attribute":
        graph = helper.make_graph([constant], "g", [], [out])
    elif where == "subgraph":
        branch = helper.make_node("If", ["c"], ["w"], then_branch=inner, else_branch=inner)
        graph = helper.make_graph([branch], "g", [], [out])
    else:
        graph = helper.make_graph([], "g", [], [out])
    model = helper.make_model(graph)
    if where == "function":
        function = helper.make_function(
            "f", "F", [], ["w"], [constant], [helper.make_opsetid("", 20)]
        )
        model.functions.append(function)
    return model


@pytest.mark.parametrize("where", ["initializer", "attribute", "subgraph", "function"])
def test_external_data_is_refused(where: str) -> None:
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(model_with(where).SerializeToString(), "m.onnx")


def test_a_self_contained_model_passes() -> None:
    refuse_external_data(model_with("none").SerializeToString(), "m.onnx")


@given(st.binary(max_size=200))
def test_junk_gives_a_bundle_error_or_passes(junk: bytes) -> None:
    with suppress(BundleError):
        refuse_external_data(junk, "junk")


@given(st.data())
def test_a_truncated_model_never_crashes(data: st.DataObject) -> None:
    whole = model_with("function").SerializeToString()
    with suppress(BundleError):
        refuse_external_data(whole[: data.draw(st.integers(0, len(whole)))], "cut")
