"""An 8-bit visual stage is added only where the poses stay what they were."""

import logging
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from bench_parts import write_recording
from engine_inputs import fill_inputs

from same_engines import Bundle, open_engine
from same_engines import fastest_precision as choice
from same_engines.errors import BundleError, EngineError, ExportError
from same_export.cpu_int8 import build
from same_export.cpu_int8.quantise import EXACT_LAYERS
from same_runtime.camera import CameraRig
from same_runtime.options import TrackerOptions
from same_runtime.recording import Recording
from same_runtime.tracker import SamePoseTracker


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Recording:
    return Recording(write_recording(tmp_path_factory.mktemp("int8") / "r.mcap", small_rig))


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setenv("SAME_CACHE_DIR", str(tmp_path / "cache"))
    return Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "tiny.same"))


@pytest.fixture
def int8_bundle(bundle: Bundle, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    monkeypatch.setattr(build, "MOST_MEAN_MM", 100.0)  # random weights are no tracker
    monkeypatch.setattr(build, "MOST_MM", 1000.0)
    build.add_int8(bundle, recording)
    return Bundle.open(bundle.path)


def test_convolutions_read_bytes_and_the_head_floats(int8_bundle: Bundle) -> None:
    model = onnx.load_from_string(int8_bundle.graph_bytes("int8", "visual"))
    made = {name: node for node in model.graph.node for name in node.output}
    kinds = Counter(
        tuple(made[name].op_type if name in made else "" for name in node.input[:2])
        for node in model.graph.node
        if node.op_type == "Conv"
    )
    assert kinds.pop(("DequantizeLinear", "DequantizeLinear")) == 20, "the backbone"
    assert kinds.total() == 7, "the pyramid and the head stay float"
    codes = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT8 and t.dims]
    assert any(abs(onnx.numpy_helper.to_array(t).astype(int)).max() == 127 for t in codes)
    for stage in ("inertial", "fusion", "temporal"):
        assert int8_bundle.graph("int8", stage) == int8_bundle.graph("fp32", stage)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_it_computes_nearly_what_the_float_graph_computes(
    int8_bundle: Bundle, backend: str
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    outputs = {}
    for precision in ("fp32", "int8"):
        with open_engine(int8_bundle, backend, precision, threads=1) as engine:
            assert engine.precision == precision
            fill_inputs(engine, 0)
            engine.run("visual")
            outputs[precision] = engine.host_output("joints_2d").copy()
    difference = np.abs(outputs["int8"] - outputs["fp32"])
    assert 1e-6 < difference.mean() < 0.2, "feature pixels"


def test_the_manifest_tells_what_it_costs(int8_bundle: Bundle) -> None:
    told = int8_bundle.manifest.parity["int8"]
    assert told["frames"] > 0 and 0 < told["mean_mm"] <= told["p99_mm"] <= told["max_mm"]


def test_poses_that_differ_too_much_leave_the_bundle_as_it_was(
    bundle: Bundle, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in bundle.path.iterdir() if path.is_file()}
    monkeypatch.setattr(build, "MOST_MM", 1e-6)
    with pytest.raises(ExportError, match="mm at most.*the bundle is unchanged") as caught:
        build.add_int8(bundle, recording)
    assert "\n" not in str(caught.value)
    assert before == {p.name: p.read_bytes() for p in bundle.path.iterdir() if p.is_file()}
    with pytest.raises(BundleError, match="no int8 graph"):
        open_engine(Bundle.open(bundle.path), "onnxruntime", "int8")


def test_more_layers_stay_float_until_the_poses_are_close_enough(
    bundle: Bundle, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter((20.0, 11.0, 9.0))

    def compare(trial: Bundle, *_: object) -> build.Accuracy:
        trial.verify()
        return build.Accuracy("r.mcap", 1, "onnxruntime", 0.5, 1.0, next(figures), None, None)

    monkeypatch.setattr(build, "compare", compare)
    found = build.add_int8(bundle, recording)
    assert found.max_mm == 9.0 and found.exact_layers == EXACT_LAYERS[-1]
    written = Bundle.open(bundle.path)
    assert written.manifest.parity["int8"]["exact_layers"] == list(EXACT_LAYERS[-1])
    model = onnx.load_from_string(written.graph_bytes("int8", "visual"))
    weights = [t.name for t in model.graph.initializer if t.name.endswith(".codes")]
    assert weights and all("layer3" in name or "layer4" in name for name in weights)


def test_int8_is_refused_off_the_cpu(int8_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="precision int8: is for CPUs"):
        open_engine(int8_bundle, "tensorrt", "int8")


@pytest.mark.parametrize(("int8_ms", "taken"), [(5.0, "int8"), (9.5, "fp32"), (20.0, "fp32")])
def test_auto_takes_what_is_clearly_faster_and_remembers_it(
    int8_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    int8_ms: float,
    taken: str,
) -> None:
    monkeypatch.setattr(choice, "_shortest_ms", lambda engines: {"fp32": 10.0, "int8": int8_ms})
    with (
        caplog.at_level(logging.INFO, "same"),
        open_engine(int8_bundle, "onnxruntime", "auto", 1) as engine,
    ):
        assert engine.precision == taken
    assert f"precision auto: {taken}, 10.00 ms in fp32, {int8_ms:.2f} ms in int8" in caplog.text

    def refuse(engines: object) -> dict[str, float]:
        raise AssertionError("measured again")

    monkeypatch.setattr(choice, "_shortest_ms", refuse)
    with open_engine(int8_bundle, "onnxruntime", "auto", 1) as engine:
        assert engine.precision == taken
    with pytest.raises(AssertionError, match="measured again"):
        open_engine(int8_bundle, "onnxruntime", "auto", 2)  # other threads: another choice


def test_what_is_measured_is_how_long_the_stage_takes(int8_bundle: Bundle) -> None:
    engines = {
        precision: open_engine(int8_bundle, "onnxruntime", precision, 1)
        for precision in ("fp32", "int8")
    }
    shortest_ms = choice._shortest_ms(engines)
    assert shortest_ms.keys() == engines.keys()
    assert all(0 < took_ms < 1000 for took_ms in shortest_ms.values())


def test_a_tracker_takes_fp32_where_there_is_no_int8(bundle: Bundle) -> None:
    with open_engine(bundle, "onnxruntime", "auto", 1) as engine:
        assert engine.precision == "fp32"
    with SamePoseTracker(bundle.path, options=TrackerOptions(threads=1)) as tracker:
        assert tracker.backend
