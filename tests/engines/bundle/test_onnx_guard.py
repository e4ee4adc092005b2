"""External tensor data is found wherever ONNX can hide it; junk never crashes the scan."""

from collections.abc import Callable
from contextlib import suppress

import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from same_engines.bundle.onnx_guard import refuse_external_data
from same_engines.errors import BundleError

onnx = pytest.importorskip("onnx", reason="needs pip install .[export]")
TensorProto, helper = onnx.TensorProto, onnx.helper
protobuf = pytest.importorskip("google.protobuf.message")


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
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets)
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


def varint(value: int, padding: int = 0) -> bytes:
    """A protobuf number; ``padding`` adds bytes that do not change it."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    groups += [0] * padding
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def spelled(message: bytes, padding: Callable[[], int]) -> bytes:
    """The same message in another spelling: every number with bytes that change nothing."""
    out, at = b"", 0
    while at < len(message):
        key, at = read_varint(message, at)
        out += varint(key | padding() % 4 << 32, padding())  # parsers may read 32 bits only
        if key & 7 == 0:
            value, at = read_varint(message, at)
            out += varint(value, padding())
        elif key & 7 == 2:
            size, at = read_varint(message, at)
            content = message[at : at + size]
            if key >> 3 in (1, 5, 6, 7, 25, 14) and parses(content):
                content = spelled(content, padding)
            out += varint(len(content), padding()) + content
            at += size
        else:
            size = 8 if key & 7 == 1 else 4
            out += message[at : at + size]
            at += size
    return out


def read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def parses(content: bytes) -> bool:
    at = 0
    try:
        while at < len(content):
            key, at = read_varint(content, at)
            if key >> 3 == 0 or key & 7 not in (0, 1, 2, 5):
                return False
            if key & 7 == 0:
                _, at = read_varint(content, at)
            elif key & 7 == 2:
                size, at = read_varint(content, at)
                at += size
            else:
                at += 8 if key & 7 == 1 else 4
    except IndexError:
        return False
    return at == len(content)


def points_outside(message: "protobuf.Message") -> bool:
    """Whether the real parser sees a tensor anywhere in it that keeps its data elsewhere."""
    if isinstance(message, TensorProto) and (
        message.data_location == TensorProto.EXTERNAL or message.external_data
    ):
        return True
    return any(
        points_outside(item)
        for field, value in message.ListFields()
        if field.message_type is not None
        for item in ([value] if isinstance(value, protobuf.Message) else value)
    )


def passes(content: bytes) -> bool:
    try:
        refuse_external_data(content, "m.onnx")
    except BundleError:
        return False
    return True


def check_against_the_parser(content: bytes) -> None:
    """What the guard passes either is no model to the parser or holds all its data."""
    if not passes(content):
        return
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except protobuf.DecodeError:
        return
    assert not points_outside(model)


@pytest.mark.parametrize(("high", "padding"), [(0, 2), (1 << 32, 0), (3 << 33, 0)])
def test_tags_that_the_runtime_reads_as_external_data_are_refused(high: int, padding: int) -> None:
    model = model_with("initializer")
    tensor = model.graph.initializer[0].SerializeToString()
    hidden = tensor
    for tag in (0x6A, 0x70):  # external_data, data_location
        assert tensor.count(tag) == 1
        hidden = hidden.replace(bytes([tag]), varint(tag | high, padding))
    model.graph.ClearField("initializer")
    graph = model.graph.SerializeToString() + b"\x2a" + varint(len(hidden)) + hidden
    model.ClearField("graph")
    content = model.SerializeToString() + b"\x3a" + varint(len(graph)) + graph
    with pytest.raises(Exception, match="secret"):  # the runtime goes where it points
        ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    with pytest.raises(BundleError, match="canonical|too large"):
        refuse_external_data(content, "m.onnx")


@pytest.mark.parametrize("location", [1, 1 << 32 | 1, (1 << 64) - 1, 7])
def test_any_other_place_than_inside_is_refused(location: int) -> None:
    tensor = b"\x70" + varint(location)
    graph = b"\x2a" + varint(len(tensor)) + tensor
    with pytest.raises(BundleError, match="another file"):
        refuse_external_data(b"\x3a" + varint(len(graph)) + graph, "m.onnx")


@pytest.mark.parametrize(
    "content", [b"\x00\x01", varint(1 << 40 | 8) + b"\x01", b"\x08" + b"\xff" * 9 + b"\x7f"]
)
def test_what_parsers_read_differently_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="not a well-formed"):
        refuse_external_data(content, "m.onnx")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["initializer", "attribute", "subgraph", "function"]), st.data())
def test_no_spelling_hides_external_data_from_the_guard(where: str, data: st.DataObject) -> None:
    plain = model_with(where).SerializeToString()
    content = spelled(plain, lambda: data.draw(st.sampled_from((0, 0, 0, 1, 3, 6))))
    check_against_the_parser(content)
    if passes(content):
        with pytest.raises(Exception) as refused:
            ort.InferenceSession(content, providers=["CPUExecutionProvider"])
        assert "secret" not in str(refused.value)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["initializer", "attribute", "subgraph", "function"]),
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_no_damage_hides_external_data_from_the_guard(
    where: str, changes: list[tuple[int, bytes]]
) -> None:
    content = model_with(where).SerializeToString()
    for at, put in changes:
        at %= len(content)
        content = content[:at] + put + content[at + 1 :]
    check_against_the_parser(content)
