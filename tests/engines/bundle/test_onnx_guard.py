"""Only a graph that same-export can have written reaches a native parser."""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from same_engines import Bundle
from same_engines.bundle import onnx_guard
from same_engines.bundle.manifest import STAGES, GraphBudget, GraphSpec
from same_engines.bundle.onnx_guard import check_graph, graph_needs
from same_engines.errors import BundleError
from same_engines.onnxruntime.session_options import session_options

onnx = pytest.importorskip("onnx", reason="needs pip install .[export]")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper
Model = onnx.ModelProto
TINY = Bundle.open(Path(__file__).parents[2] / "fixtures" / "tiny.same")


def stage_model(stage: str) -> Model:
    return onnx.load(TINY.path / TINY.graph("fp32", stage).path)


def check(content: bytes, stage: str = "visual") -> None:
    spec = replace(TINY.graph("fp32", stage), budget=GraphBudget())
    check_graph(content, spec, "m.onnx")


def node_of(model: Model, operator: str) -> "onnx.NodeProto":
    return next(node for node in model.graph.node if node.op_type == operator)


def set_ints(model: Model, operator: str, name: str, values: list[int]) -> None:
    attribute = next(a for a in node_of(model, operator).attribute if a.name == name)
    del attribute.ints[:]
    attribute.ints.extend(values)


def set_int(model: Model, operator: str, name: str, value: int) -> None:
    next(a for a in node_of(model, operator).attribute if a.name == name).i = value


def split(model: Model) -> "onnx.NodeProto":
    """Of the images into left and right, but said to be into one."""
    shape = [value for value in TINY.graph("fp32", "visual").inputs if value.name == "images"]
    for name in ("left", "right"):
        declare(model, name, [1, *shape[0].shape[1:]])
    return helper.make_node("Split", ["images"], ["left", "right"], axis=0, num_outputs=1)


def external_tensor() -> TensorProto:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    return tensor


def branch() -> "onnx.NodeProto":
    inner = helper.make_graph([helper.make_node("Identity", ["images"], ["x"])], "inner", [], [])
    return helper.make_node("If", ["images"], ["y"], then_branch=inner, else_branch=inner)


def declare(model: Model, name: str, shape: list[int]) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def add_node(model: Model, node: "onnx.NodeProto") -> None:
    declare(model, node.output[0], [1])
    model.graph.node.append(node)


def weight(model: Model, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))


def spoilt(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array.flat[-1] = value
    return array


def typed(model: Model, kind: int, number: int) -> None:
    """A constant whose number is not written as raw bytes."""
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type = "typed", kind
    tensor.dims.append(1)
    tensor.int32_data.append(number)


def add_large(model: Model) -> None:
    shape = numpy_helper.from_array(np.array([2, 10_000, 48, 64]), "shape")
    model.graph.initializer.append(shape)
    for index in range(3):
        declare(model, f"large{index}", [2, 10_000, 48, 64])
        read = ["images", "shape"] if index == 0 else [f"large{index - 1}"]
        operator = "Expand" if index == 0 else "Relu"
        model.graph.node.append(helper.make_node(operator, read, [f"large{index}"]))


def add_products(model: Model) -> None:
    shape = [2, 1000, 48, 64]
    for name, other in (("a", "left"), ("b", "right")):
        size = numpy_helper.from_array(np.array(shape if name == "a" else [1, 1, 1, 1]), other)
        model.graph.initializer.append(size)
    declare(model, "a", shape)
    model.graph.node.append(helper.make_node("Expand", ["images", "left"], ["a"]))
    for index in range(200):
        declare(model, f"p{index}", shape)
        model.graph.node.append(helper.make_node("MatMul", ["a", "a"], [f"p{index}"]))


def computed_shape(model: Model) -> None:
    node = node_of(model, "Reshape")
    constant = node.input[1]
    name = f"{constant}.computed"
    size = next(
        len(numpy_helper.to_array(t)) for t in model.graph.initializer if t.name == constant
    )
    model.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.INT64, [size]))
    at = list(model.graph.node).index(node)
    node.input[1] = name
    model.graph.node.insert(at, helper.make_node("Relu", [constant], [name]))


def two_functions(model: Model) -> None:
    opsets = [helper.make_opsetid("", 20)]
    body = [helper.make_node("Identity", ["x"], ["y"])]
    model.functions.extend(
        helper.make_function("same", f"F{i}", ["x"], ["y"], body, opsets) for i in (1, 2)
    )


REFUSED: dict[str, tuple[str, Callable[[Model], object]]] = {
    "control flow": ("field 6|unknown", lambda m: m.graph.node.append(branch())),
    "an operator of files": (
        "not allowed",
        lambda m: add_node(m, helper.make_node("ImageDecoder", ["images"], ["new"])),
    ),
    "randomness": (
        "not allowed",
        lambda m: add_node(m, helper.make_node("RandomNormal", [], ["new"], shape=[1])),
    ),
    "another domain": (
        "not allowed",
        lambda m: setattr(node_of(m, "Conv"), "domain", "com.microsoft"),
    ),
    "another domain's import": (
        "operators of 'com.microsoft'",
        lambda m: m.opset_import.append(helper.make_opsetid("com.microsoft", 1)),
    ),
    "a later operator set": ("version 99", lambda m: setattr(m.opset_import[0], "version", 99)),
    "an old IR": ("IR version", lambda m: setattr(m, "ir_version", 3)),
    "several functions": ("several functions", two_functions),
    "a split into other than its outputs": (
        "Split of shapes",
        lambda m: m.graph.node.append(split(m)),
    ),
    "windows of another rank": ("Conv of", lambda m: set_ints(m, "Conv", "strides", [1, 1, 1])),
    "groups that do not divide": ("Conv of", lambda m: set_int(m, "Conv", "group", 7)),
    "an input too many": ("4 inputs", lambda m: node_of(m, "Conv").input.append("images")),
    "an output too many": (
        "2 outputs",
        lambda m: (declare(m, "more", [1]), node_of(m, "Relu").output.append("more")),
    ),
    "an input that is left out": ("Relu of", lambda m: node_of(m, "Relu").input.__setitem__(0, "")),
    "a stride of 0": ("strides", lambda m: set_ints(m, "Conv", "strides", [0, 1])),
    "a window of 2^40": (
        "kernel_shape",
        lambda m: set_ints(m, "Conv", "kernel_shape", [1 << 40, 1]),
    ),
    "a negative pad": ("pads", lambda m: set_ints(m, "Conv", "pads", [-1, 0, 0, 0])),
    "no groups": ("group", lambda m: set_int(m, "Conv", "group", 0)),
    "an attribute of another operator": (
        "attributes",
        lambda m: node_of(m, "Relu").attribute.append(helper.make_attribute("axis", 1)),
    ),
    "an attribute twice": (
        "attributes",
        lambda m: node_of(m, "Conv").attribute.append(helper.make_attribute("group", 1)),
    ),
    "no declared shape": ("no declared shape", lambda m: m.graph.value_info.pop()),
    "a tensor declared twice": (
        "declared twice",
        lambda m: declare(m, m.graph.value_info[0].name, [3]),
    ),
    "a shape without bounds": (
        "static shape|unknown",
        lambda m: setattr(m.graph.value_info[0].type.tensor_type.shape.dim[0], "dim_param", "n"),
    ),
    "a computed shape": ("computed", computed_shape),
    "weights that are no numbers": (
        "not finite",
        lambda m: weight(m, lambda w: spoilt(w, math.nan)),
    ),
    "infinite weights": ("not finite", lambda m: weight(m, lambda w: spoilt(w, -math.inf))),
    "data shorter than the shape": (
        "another size",
        lambda m: setattr(m.graph.initializer[0], "raw_data", m.graph.initializer[0].raw_data[:-4]),
    ),
    "a constant with an input's name": (
        "name of another",
        lambda m: setattr(m.graph.initializer[0], "name", "images"),
    ),
    "a tensor read before it is written": (
        "before it is written",
        lambda m: m.graph.node[0].input.__setitem__(0, "features"),
    ),
    "a tensor written twice": (
        "written twice",
        lambda m: m.graph.node.append(helper.make_node("Relu", ["images"], ["features"])),
    ),
    "an output that nobody writes": ("never written", lambda m: m.graph.node.pop()),
    "text": (
        "no bundle needs",
        lambda m: setattr(m.graph.initializer[0], "data_type", TensorProto.STRING),
    ),
    "a name beyond ASCII": ("ASCII", lambda m: setattr(m.graph, "name", "gr\u00e4ph")),
    "an output without a name": (
        "no declared shape",
        lambda m: m.graph.node.append(helper.make_node("Relu", ["images"], [""])),
    ),
    "half precision that is no number": (
        "not finite",
        lambda m: typed(m, TensorProto.FLOAT16, 0x7C00),
    ),
    "half precision of more bits": ("range", lambda m: typed(m, TensorProto.FLOAT16, 1 << 16)),
    "bytes beyond a byte": ("range", lambda m: typed(m, TensorProto.UINT8, 300)),
    "an input ten thousand times": (
        "16384 tensors",
        lambda m: m.graph.input.extend([m.graph.input[0]] * (1 << 14)),
    ),
    "too large": ("takes more than a graph may .budget.memory_bytes", add_large),
    "too slow": ("products", add_products),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_exporter_writes_is_refused(name: str) -> None:
    match, change = REFUSED[name]
    model = stage_model("visual")
    change(model)
    with pytest.raises(BundleError, match=match):
        check(model.SerializeToString())


def test_integers_beyond_32_bits_are_refused() -> None:
    """Protobuf writes no such numbers, and reads another one."""
    model = stage_model("visual")
    typed(model, TensorProto.INT32, (1 << 31) - 1)
    content = model.SerializeToString()
    written, beyond = b"\x2a\x05" + varint((1 << 31) - 1), b"\x2a\x05" + varint((1 << 32) - 1)
    assert content.count(written) == 1
    with pytest.raises(BundleError, match="range"):
        check(content.replace(written, beyond))


def add_constants(model: Model) -> None:
    """Large tensors that nobody needs for long, but that a library computes when it opens."""
    for index in range(8):
        value = numpy_helper.from_array(np.full(1, index, np.float32), f"value{index}")
        model.graph.initializer.append(value)
        declare(model, f"filled{index}", [1 << 20, 8])
        declare(model, f"sum{index}", [1, 8])
        nodes = (
            ("Expand", [f"value{index}", "size"], f"filled{index}"),
            ("ReduceSum", [f"filled{index}", "axis"], f"sum{index}"),
        )
        for operator, read, written in nodes:
            model.graph.node.append(helper.make_node(operator, read, [written]))
    for name, numbers in (("size", [1 << 20, 8]), ("axis", [0])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(numbers), name))


def test_what_follows_from_constants_counts_together() -> None:
    """Each tensor fits, but a library computes and keeps them all when it opens the graph."""
    model = stage_model("visual")
    add_constants(model)
    with pytest.raises(BundleError, match="more than a graph may.*got 2684"):
        check(model.SerializeToString())


@pytest.mark.parametrize("name", ["file_bytes", "nodes", "memory_bytes"])
def test_a_graph_keeps_within_the_manifests_budget(name: str) -> None:
    content, spec = stage_model("visual").SerializeToString(), TINY.graph("fp32", "visual")
    needs = graph_needs(content, "m.onnx")
    check_graph(content, replace(spec, budget=needs), "m.onnx")
    tight = replace(needs, **{name: getattr(needs, name) - 1})
    with pytest.raises(BundleError, match=f"{name.replace('_', ' ')}, its manifest allows"):
        check_graph(content, replace(spec, budget=tight), "m.onnx")


def test_too_many_nodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_guard, "MOST_NODES", 50)
    with pytest.raises(BundleError, match="more than 50 nodes"):
        check(stage_model("visual").SerializeToString())


def add_call(model: Model) -> None:
    function = model.functions[0]
    function.node.append(
        helper.make_node(function.name, function.input[:8], ["a", "b"], domain="same")
    )


@pytest.mark.parametrize(
    "change",
    [
        add_call,
        lambda m: m.functions[0].node.pop(),
        lambda m: setattr(m.functions[0].node[5], "op_type", "Neg"),
        lambda m: m.functions[0].node[9].input.reverse(),
        lambda m: setattr(m.functions[0], "name", "Other"),
        lambda m: m.functions[0].output.reverse(),
        lambda m: m.functions[0].opset_import.append(helper.make_opsetid("other", 1)),
        lambda m: m.functions[0].ClearField("opset_import"),
        lambda m: (
            m.functions[0]
            .node[0]
            .attribute.append(helper.make_attribute("value", external_tensor()))
        ),
    ],
)
def test_only_the_projects_own_function_is_known(change: Callable[[Model], object]) -> None:
    model = stage_model("fusion")
    change(model)
    with pytest.raises(BundleError, match="function|unknown"):
        check(model.SerializeToString(), "fusion")


def test_the_function_may_have_other_names_inside() -> None:
    model = stage_model("fusion")
    function = model.functions[0]
    for node in function.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name not in (*function.input, *function.output, ""):
                    names[index] = f"other_{name}"
    check(model.SerializeToString(), "fusion")


@pytest.mark.parametrize("field", ["num_shell_points", "delta"])
def test_the_operators_attributes_are_bounded(field: str) -> None:
    model = stage_model("fusion")
    node = node_of(model, "SpatialAwareDeformAttn")
    attribute = next(a for a in node.attribute if a.name == field)
    attribute.i, attribute.f = (1 << 40, 0.0) if field == "num_shell_points" else (0, 1e9)
    if field == "num_shell_points":
        attribute.ClearField("f")
    else:
        attribute.ClearField("i")
    with pytest.raises(BundleError, match=field):
        check(model.SerializeToString(), "fusion")


def test_shapes_that_are_not_those_declared_never_run() -> None:
    """The scan believes the declared shapes, so the runtime must insist on them."""
    model = stage_model("visual")
    constant = numpy_helper.from_array(np.array([0]), "first")
    model.graph.initializer.append(constant)
    declare(model, "gathered", [3])
    model.graph.node.append(helper.make_node("Gather", ["images", "first"], ["gathered"], axis=0))
    content = model.SerializeToString()
    check(content)
    with pytest.raises(Exception, match="[Ss]hape|dimension"):
        ort.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_the_exporter_writes_passes(stage: str, precision: str) -> None:
    spec = TINY.graph(precision, stage)
    check_graph((TINY.path / spec.path).read_bytes(), spec, spec.path)


def test_the_signature_is_the_manifests() -> None:
    other: GraphSpec = TINY.graph("fp32", "fusion")
    with pytest.raises(BundleError, match="inputs are not the manifest's"):
        check_graph(stage_model("temporal").SerializeToString(), other, "m.onnx")


@pytest.mark.parametrize("where", ["initializer", "attribute", "subgraph", "function"])
def test_external_data_is_refused(where: str) -> None:
    model = stage_model("visual")
    if where == "initializer":
        model.graph.initializer[0].CopyFrom(external_tensor())
    else:
        constant = helper.make_node("Constant", [], ["w"], value=external_tensor())
        declare(model, "w", [1])
        if where == "attribute":
            model.graph.node.append(constant)
        elif where == "function":
            opsets = [helper.make_opsetid("", 20)]
            function = helper.make_function("same", "F", [], ["w"], [constant], opsets)
            model.functions.append(function)
        else:
            inner = helper.make_graph([constant], "inner", [], [])
            model.graph.node.append(
                helper.make_node("If", ["images"], ["w"], then_branch=inner, else_branch=inner)
            )
    with pytest.raises(BundleError, match="another file|function|field 6|Constant is not allowed"):
        check(model.SerializeToString())


@pytest.mark.parametrize("location", [1, 1 << 32 | 1, (1 << 64) - 1, 7])
def test_any_other_place_than_inside_is_refused(location: int) -> None:
    name = b"\x08\x01\x10\x01" + b"\x42\x01w" + b"\x4a\x04\0\0\0\0"
    tensor = name + b"\x70" + varint(location)
    graph = b"\x2a" + varint(len(tensor)) + tensor
    content = b"\x08\x0a\x3a" + varint(len(graph)) + graph + b"\x42\x02\x10\x14"
    with pytest.raises(BundleError, match="another file"):
        check(content)


def varint(value: int, padding: int = 0) -> bytes:
    """A protobuf number; ``padding`` adds bytes that do not change it."""
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    groups += [0] * padding
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


@pytest.mark.parametrize(
    ("spelling", "content"),
    [
        ("field 0", b"\x00\x01"),
        ("a tag beyond 32 bits", varint(1 << 40 | 8) + b"\x0a"),
        ("a number beyond 64 bits", b"\x08" + b"\xff" * 9 + b"\x7f"),
        ("a number of eleven bytes", b"\x08" + b"\xff" * 11),
        ("an over-long number", b"\x08" + varint(10, padding=2)),
        ("an over-long tag", varint(8, padding=1) + b"\x0a"),
        ("a field twice", b"\x08\x0a\x08\x0a"),
        ("fields out of order", b"\x12\x01p\x08\x0a"),
        ("an unknown field", b"\xa0\x06\x01"),
        ("another wire type", b"\x0d\0\0\0\0"),
        ("text that is not UTF-8", b"\x12\x01\xff"),
        ("text with a line break", b"\x12\x01\n"),
        ("training information", b"\xa2\x01\x00"),
        ("truncated", b"\x12\x7f"),
        ("truncated number", b"\x08\x80"),
        ("nothing", b""),
    ],
)
def test_another_spelling_is_refused(spelling: str, content: bytes) -> None:
    with pytest.raises(BundleError, match="not a graph that same-export writes"):
        check(content)


def check_against_the_parser(content: bytes, stage: str) -> None:
    """What the guard passes is, to protobuf too, a message that it would have written so."""
    try:
        check(content, stage)
    except BundleError:
        return
    model = Model.FromString(content)
    assert model.SerializeToString(deterministic=True) == content


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(STAGES),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=3)), min_size=1, max_size=4),
)
def test_no_damage_means_another_thing_to_the_parser(
    stage: str, changes: list[tuple[int, bytes]]
) -> None:
    spec = TINY.graph("fp32", stage)
    content = (TINY.path / spec.path).read_bytes()
    for at, put in changes:
        at %= len(content)
        content = content[:at] + put + content[at + 1 :]
    check_against_the_parser(content, stage)


@given(st.binary(max_size=200))
def test_junk_is_refused(junk: bytes) -> None:
    with pytest.raises(BundleError):
        check(junk)


@settings(deadline=None)
@given(st.integers(0, 1 << 20))
def test_a_truncated_graph_is_refused(keep: int) -> None:
    content = (TINY.path / "temporal.onnx").read_bytes()
    with suppress(BundleError):
        check(content[: keep % len(content)], "temporal")
        raise AssertionError("a truncated graph passed")
