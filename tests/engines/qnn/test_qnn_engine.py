"""The NPU engine, emulated: which plans it runs, which it refuses, and what it says."""

import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from npu import needs_qnn

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES, canonical_sha256
from same_engines.bundle.plans import plan_bytes, read_plans
from same_engines.bundle.reader import write_manifest
from same_engines.errors import BundleError, EngineError
from same_engines.qnn import library as qnn_library
from same_engines.qnn.library import SOCS, load_qnn
from same_model.network.standing_pose import standing_camera_axes

TARGET = "qnn-xr2gen2"


@pytest.fixture
def copied(npu_bundle: Path, tmp_path: Path) -> Bundle:
    shutil.copytree(npu_bundle, tmp_path / "tiny.same")
    return Bundle.open(tmp_path / "tiny.same")


def fill(engine, seed: int) -> None:
    random = np.random.default_rng(seed)
    for name in ("images", "imu_features"):
        array = engine.host_input(name)
        array[:] = random.uniform(-0.5, 0.5, array.shape)
    # A head that is held as calibration saw heads: nodding, never on its side.
    tokens = engine.host_input("imu_features")
    tokens[0, :3] = standing_camera_axes()[:, 1]  # up, as a standing wearer's camera has it
    tokens[:, 15] = 1.0
    engine.host_input("view_valid")[:] = 1.0
    engine.host_input("window_valid")[:] = 1.0
    engine.host_input("T_anchor_cam")[:] = np.eye(4)


def test_state_stays_in_the_engine_as_on_the_cpu(npu_bundle: Path) -> None:
    bundle = Bundle.open(npu_bundle)
    with open_engine(bundle, "qnn") as npu, open_engine(bundle, "onnxruntime") as cpu:
        assert npu.backend == TARGET
        seen = []
        for engine in (npu, cpu):
            for seed in range(3):
                fill(engine, seed)
                engine.run_frame()
            seen.append({n: engine.host_output(n).copy() for n in ("joints_anchor", "joints_imu")})
            first = engine.host_output("window_joints_next").copy()
            assert np.abs(first[-3:]).max() > 0  # three frames are in the window
            engine.reset_state()
            fill(engine, 0)
            engine.run_frame()
            assert np.abs(engine.host_output("window_joints_next")[:-1]).max() < 1e-4
        for name, value in seen[0].items():
            assert np.abs(value - seen[1][name]).mean() < 0.05


def test_a_look_ahead_leaves_the_state_alone(npu_bundle: Path) -> None:
    with open_engine(Bundle.open(npu_bundle), TARGET) as engine:
        fill(engine, 0)
        engine.run("inertial")
        before = engine.next_inputs("inertial")["lstm_h"]
        engine.peek("inertial")
        assert np.array_equal(engine.next_inputs("inertial")["lstm_h"], before)
        engine.run("inertial")
        assert not np.array_equal(engine.next_inputs("inertial")["lstm_h"], before)


def test_what_runs_where_and_that_it_is_emulated_is_announced(
    npu_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "same"), open_engine(Bundle.open(npu_bundle), "qnn"):
        pass
    assert "visual on the npu" in caplog.text and "EMULATED: times mean nothing" in caplog.text


def test_auto_never_emulates(npu_bundle: Path) -> None:
    with open_engine(Bundle.open(npu_bundle)) as engine:
        assert not engine.backend.startswith("qnn")


def test_auto_takes_the_npu_of_a_device_and_lets_it_find_its_own_soc(
    npu_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from same_engines.qnn import engine as qnn_engine

    asked = []
    real = qnn_library._compiler_options

    def runtime_options(qnn, soc):
        asked.append(device_options(qnn, soc))
        return real(qnn, soc)  # there is no device here: emulate after all

    device_options = qnn_library._runtime_options
    monkeypatch.setattr(qnn_library.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(qnn_library, "_runtime_options", runtime_options)
    with open_engine(Bundle.open(npu_bundle)) as engine:
        assert isinstance(engine, qnn_engine.QnnEngine)
    assert len(asked) == len(STAGES)
    assert all("soc_model" not in options and "htp_arch" not in options for options in asked)


def test_a_plan_that_was_tampered_with_is_never_run(copied: Bundle) -> None:
    plans = read_plans(copied, TARGET)
    assert plans is not None
    path = copied.path / "targets" / TARGET / plans.plans[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EngineError, match=r"changed or damaged.*same-export --target qnn-xr2gen2"):
        open_engine(copied, "qnn")


def test_a_plan_of_another_graph_is_refused(copied: Bundle) -> None:
    manifest = copied.manifest
    graphs = {p: dict(stages) for p, stages in manifest.graphs.items()}
    graphs["fp32"]["temporal"] = dataclasses.replace(graphs["fp32"]["temporal"], sha256="0" * 64)
    write_manifest(copied, dataclasses.replace(manifest, graphs=graphs))
    with pytest.raises(
        EngineError, match=r"graph of temporal has changed; compile it: same-export"
    ):
        open_engine(Bundle.open(copied.path), "qnn")


def test_a_plan_of_another_library_is_refused(copied: Bundle) -> None:
    index = copied.path / "targets" / TARGET / "plans.json"
    content = json.loads(index.read_bytes())
    del content["plans_sha256"]
    content["key"]["library_version"] = "2.0.0 (QNN 2.40.0)"
    content["plans_sha256"] = canonical_sha256(content)
    index.write_text(json.dumps(content))
    with pytest.raises(EngineError, match=r"built for library version 2\.0\.0"):
        open_engine(copied, "qnn")


def test_a_context_for_another_soc_or_none_at_all_is_an_error(npu_bundle: Path) -> None:
    bundle = Bundle.open(npu_bundle)
    plans = read_plans(bundle, TARGET)
    assert plans is not None
    assert plan_bytes(bundle, TARGET, plans.plans[0])[:4] != b"junk"
    with pytest.raises(EngineError, match="x: onnxruntime-qnn .* refuses the context"):
        qnn_library.open_context(load_qnn(), b"junk", SOCS[TARGET], "x")


@pytest.mark.parametrize(
    ("backend", "precision", "said"),
    [
        ("qnn", "fp32", "has no NPU plan; compile it with --target one of qnn-xr2gen2"),
        ("qnn-xr1", "fp32", "has no plan for it; compile it: same-export --bundle"),
        ("qnn-quest9", "fp32", "backend: expected auto, tensorrt"),
        (TARGET, "fp16", "runs one precision, named fp32"),
    ],
)
def test_mistakes_name_the_next_step(
    tiny_bundle: Path, backend: str, precision: str, said: str
) -> None:
    needs_qnn()
    with pytest.raises(EngineError, match=said):
        open_engine(Bundle.open(tiny_bundle), backend, precision)


def test_a_missing_library_says_how_to_install_it(
    npu_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(npu_bundle)

    def missing(name: str):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(qnn_library.importlib, "import_module", missing)
    load_qnn.cache_clear()
    try:
        with pytest.raises(EngineError, match=r"pip install .*\[qnn\]'"):
            open_engine(bundle, "qnn")
    finally:
        load_qnn.cache_clear()


def test_a_plan_with_an_unknown_processor_or_stage_is_refused(copied: Bundle) -> None:
    for plan in ({**dict.fromkeys(STAGES, "npu"), "fusion": "dsp"}, {"visual": "npu"}):
        manifest = dataclasses.replace(copied.manifest, targets={TARGET: plan})
        (copied.path / "manifest.json").write_bytes(manifest.to_json())
        with pytest.raises(BundleError, match="expected each of"):
            Bundle.open(copied.path)
