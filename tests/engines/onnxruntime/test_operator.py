"""The operator as one kernel computes what the function in the graph does."""

from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from engine_inputs import fill_inputs

from same_engines import Bundle, open_engine
from same_engines.onnxruntime import operator
from same_engines.onnxruntime.operator import with_operator

SHAPES = {
    "features": (2, 6, 5, 7),
    "rays": (2, 3, 5, 7),
    "origins": (2, 3),
    "locations": (2, 4, 2, 3, 2),
    "weights": (2, 4, 2, 3),
    "depth": (2, 4),
    "w1": (8, 12),
    "b1": (8,),
}


@pytest.fixture
def without_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_library", lambda: None)


def poses(bundle: Path, precision: str) -> np.ndarray:
    found = []
    with open_engine(Bundle.open(bundle), "onnxruntime", precision, threads=1) as engine:
        for frame in range(6):
            fill_inputs(engine, frame)
            engine.run_frame()
            found.append(engine.host_output("joints_anchor").copy())
    return np.array(found)


def test_kernel_and_function_agree(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with_kernel = poses(tiny_bundle, "fp32")
    request.getfixturevalue("without_kernel")
    with_function = poses(tiny_bundle, "fp32")
    np.testing.assert_allclose(with_kernel, with_function, atol=1e-5)
    assert not np.array_equal(with_kernel, with_function), "the kernel did not run"


def test_a_graph_in_half_precision_keeps_its_function(
    tiny_bundle: Path, request: pytest.FixtureRequest
) -> None:
    before = poses(tiny_bundle, "fp16")
    request.getfixturevalue("without_kernel")
    np.testing.assert_array_equal(before, poses(tiny_bundle, "fp16"))


def test_other_stages_stay_as_they_are(tiny_bundle: Path) -> None:
    content = Bundle.open(tiny_bundle).graph_bytes("fp32", "temporal")
    assert with_operator(content, ort.SessionOptions()) == content


def test_an_installation_without_the_library_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    find = operator._library.__wrapped__
    assert find().is_file()
    monkeypatch.setattr(metadata, "files", unknown)
    assert find() is None
    monkeypatch.setattr(metadata, "files", lambda name: None)
    assert find() is None


@pytest.mark.parametrize("name", SHAPES)
def test_inputs_that_do_not_fit_are_refused(name: str) -> None:
    """A graph says which shapes it has; the kernel looks."""
    session = operator_alone()
    inputs = {key: np.zeros(shape, np.float32) for key, shape in SHAPES.items()}
    sampled, position = session.run(None, inputs)
    assert (sampled.shape, position.shape) == ((2, 4, 2, 6), (2, 4, 2, 8))
    for shape in ((1,), (*SHAPES[name][:-1], SHAPES[name][-1] + 1), (*SHAPES[name], 1)):
        with pytest.raises(Exception, match="another rank|do not fit"):
            session.run(None, {**inputs, name: np.zeros(shape, np.float32)})


def operator_alone() -> ort.InferenceSession:
    """A graph of the operator alone whose inputs may have any shape."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node(
        "SpatialAwareDeformAttn",
        list(SHAPES),
        ["sampled", "position"],
        domain="same",
        num_shell_points=4,
        delta=0.1,
        pe_sum=0,
    )
    graph = helper.make_graph(
        [node],
        "alone",
        [helper.make_tensor_value_info(name, kind, None) for name in SHAPES],
        [helper.make_tensor_value_info(name, kind, None) for name in ("sampled", "position")],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("same", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.register_custom_ops_library(str(operator._library()))
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
