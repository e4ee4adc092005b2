"""OpenVINO computes what ONNX Runtime computes, keeps what it compiled, and says what it lacks."""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_inputs import fill_inputs

from same_engines import Bundle, Engine, fastest_precision, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.compiled_files import CompiledFile
from same_engines.errors import BundleError, EngineError
from same_engines.openvino import engine as openvino_engine
from same_engines.openvino import library
from same_engines.openvino.exact_tail import with_exact_tail
from same_engines.openvino.library import is_x86
from same_runtime.demo import demo_bundle

pytest.importorskip("openvino")

BF16_IS_NATIVE = library.load_openvino().computes_bf16()
needs_bf16 = pytest.mark.skipif(not BF16_IS_NATIVE, reason="the processor has no bfloat16")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SAME_CACHE_DIR", str(folder))
    return folder


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.openvino"))


def run_frames(engine: Engine, frames: int) -> np.ndarray:
    poses = []
    for frame in range(frames):
        fill_inputs(engine, frame)
        engine.run_frame(with_images=frame != 3)
        poses.append(engine.host_output("joints_anchor").copy())
    return np.array(poses)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_what_onnx_runtime_computes(
    tiny_bundle: Path, precision: str, threads: int
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with (
        open_engine(bundle, "openvino", precision, threads) as engine,
        open_engine(bundle, "onnxruntime", "fp32", 1) as reference,
    ):
        assert engine.backend == "openvino"
        engine.warm_up()
        tolerance = 2e-4 if precision == "fp32" else 2e-2
        np.testing.assert_allclose(
            run_frames(engine, 12), run_frames(reference, 12), atol=tolerance
        )


def test_a_replay_is_bit_equal_also_from_kept_graphs(tiny_bundle: Path, cache: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "openvino", threads=2) as engine:
        first = run_frames(engine, 6)
        carried = run_frames(engine, 6)
        engine.reset_state()
        np.testing.assert_array_equal(run_frames(engine, 6), first)
        assert np.abs(carried - first).max() > 1e-6, "state is not carried"
    assert len(kept(cache)) == 1  # the visual stage; the rest is ONNX Runtime's
    with open_engine(bundle, "openvino", threads=2) as engine:
        np.testing.assert_array_equal(run_frames(engine, 6), first)


@needs_bf16
def test_bfloat16_is_close_and_a_replay_is_bit_equal_also_from_kept_graphs(
    tiny_bundle: Path, cache: Path
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "openvino", "bf16", 2) as engine:
        assert (engine.backend, engine.precision) == ("openvino", "bf16")
        first = run_frames(engine, 6)
        engine.reset_state()
        np.testing.assert_array_equal(run_frames(engine, 6), first)
    before = kept(cache)
    with open_engine(bundle, "openvino", "bf16", 2) as engine:
        np.testing.assert_array_equal(run_frames(engine, 6), first)
    assert kept(cache) == before
    with open_engine(bundle, "onnxruntime") as reference:
        exact = run_frames(reference, 6)
    assert 1e-7 < np.abs(first - exact).mean() < 5e-3, "metres, of a network with random weights"


@needs_bf16
def test_bfloat16_ends_at_the_feature_map() -> None:
    openvino = library.load_openvino()
    model = openvino.core.read_model(Bundle.open(demo_bundle()).graph_bytes("fp32", "visual"))
    compiled = openvino.core.compile_model(
        with_exact_tail(openvino, model), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"}
    )
    precisions = []
    for layer in compiled.get_runtime_model().get_ordered_ops():
        said = layer.get_rt_info()
        if said["layerType"].astype(str) in ("Convolution", "GroupConvolution"):
            precisions.append(said["runtimePrecision"].astype(str))
    # The feature map's own convolution and the two of the head behind it.
    assert precisions[-3:] == ["f32"] * 3 and set(precisions[:-3]) == {"bf16"}


def test_bfloat16_is_refused_where_nothing_computes_in_it(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with pytest.raises(EngineError, match="precision bf16: is for backend openvino"):
        open_engine(bundle, "onnxruntime", "bf16")
    monkeypatch.setattr(library.OpenVino, "computes_bf16", lambda self: False)
    with pytest.raises(EngineError, match="needs a processor that computes in it") as caught:
        open_engine(bundle, "auto", "bf16")
    assert "\n" not in str(caught.value)


def test_auto_takes_bfloat16_where_it_is_clearly_faster(
    tiny_bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(tiny_bundle)
    monkeypatch.setattr(fastest_precision, "_shortest_ms", lambda engines: measured)
    for bf16_ms, native, taken in ((5.0, True, "bf16"), (5.0, False, "fp32"), (9.5, True, "fp32")):
        measured = {"fp32": 10.0, "bf16": bf16_ms}
        monkeypatch.setenv("SAME_CACHE_DIR", str(cache / f"{bf16_ms} {native}"))
        monkeypatch.setattr(library.OpenVino, "computes_bf16", lambda self, native=native: native)
        if taken == "bf16" and not BF16_IS_NATIVE:
            continue
        with open_engine(bundle, "openvino", "auto", 1) as engine:
            assert engine.precision == taken


def test_what_is_hardly_faster_is_not_worth_rounding_for() -> None:
    fastest = fastest_precision._fastest
    assert fastest({"fp32": 10.0, "bf16": 6.0, "int8": 5.5}) == "bf16"
    assert fastest({"fp32": 10.0, "bf16": 6.0, "int8": 4.0}) == "int8"
    assert fastest({"fp32": 0.2, "bf16": 0.1}) == "fp32"


def test_peeking_leaves_the_state_as_it_was(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "openvino") as engine:
        plain = run_frames(engine, 6)
        engine.reset_state()
        poses = []
        for frame in range(6):
            fill_inputs(engine, 100 + frame)
            for stage in STAGES[1:]:
                engine.peek(stage)
            fill_inputs(engine, frame)
            engine.run_frame(with_images=frame != 3)
            poses.append(engine.host_output("joints_anchor").copy())
    np.testing.assert_array_equal(poses, plain)


def test_the_applications_floating_point_mode_stays_as_it_is(tiny_bundle: Path) -> None:
    with open_engine(Bundle.open(tiny_bundle), "openvino") as engine:
        engine.warm_up()
        assert np.float32(1e-40) * np.float32(1.0) > 0, "denormals are flushed in this thread"


def test_a_second_start_compiles_nothing(
    tiny_bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(tiny_bundle)
    open_engine(bundle, "openvino", threads=1).close()
    before = kept(cache)

    class Refusing:
        """OpenVINO that reads no graph."""

        def __getattr__(self, name: str) -> object:
            if name == "read_model":
                raise AssertionError("compiled again")
            return getattr(found.core, name)

    found = library.load_openvino()
    refusing = replace(found, core=Refusing())
    monkeypatch.setattr(openvino_engine, "load_openvino", lambda: refusing)
    open_engine(bundle, "openvino", threads=1).close()
    assert kept(cache) == before
    with pytest.raises(EngineError, match="compiled again"):
        open_engine(bundle, "openvino", threads=2)  # other settings: another file


@pytest.mark.parametrize("sound", [True, False])
def test_a_damaged_or_foreign_file_is_announced_and_compiled_again(
    tiny_bundle: Path, cache: Path, caplog: pytest.LogCaptureFixture, sound: bool
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "openvino") as engine:
        expected = run_frames(engine, 3)
    file = kept(cache)[0]
    good = file.read_bytes()
    if sound:  # its hash is right, but OpenVINO never wrote it
        other = CompiledFile.__new__(CompiledFile)
        other.path, other._kind = file, "openvino"
        other.write(b"not a graph" * 100)
    else:
        file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with caplog.at_level(logging.WARNING, "same"), open_engine(bundle, "openvino") as engine:
        np.testing.assert_array_equal(run_frames(engine, 3), expected)
    (said,) = [line for line in caplog.messages if "are ignored and compiled again" in line]
    assert str(file) in said and "\n" not in said
    assert len(file.read_bytes()) == len(good)


def test_a_tampered_graph_is_refused_though_its_compiled_form_is_kept(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "changed.same"
    shutil.copytree(tiny_bundle, folder)
    open_engine(Bundle.open(folder), "openvino").close()
    graph = folder / "fusion.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    with pytest.raises(BundleError, match="SHA-256"):
        open_engine(Bundle.open(folder), "openvino")


def test_a_missing_wheel_is_one_line_and_auto_goes_on_without(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    library.load_openvino.cache_clear()
    bundle = Bundle.open(tiny_bundle)
    try:
        with pytest.raises(EngineError, match=r"pip install .*\[openvino\]'") as caught:
            open_engine(bundle, "openvino")
        assert "\n" not in str(caught.value)
        with caplog.at_level(logging.INFO, "same"), open_engine(bundle) as engine:
            assert engine.backend == "onnxruntime"
        if is_x86():
            assert "openvino: not usable here" in caplog.messages[-1]
    finally:
        library.load_openvino.cache_clear()


def test_a_processor_without_its_instructions_is_one_line_and_auto_goes_on_without(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "is_x86", lambda: True)
    monkeypatch.setattr(library, "_has_instructions", lambda: False)
    library.load_openvino.cache_clear()
    bundle = Bundle.open(tiny_bundle)
    try:
        with pytest.raises(EngineError, match="no AVX2.*; use backend onnxruntime"):
            open_engine(bundle, "openvino")
        with caplog.at_level(logging.INFO, "same"), open_engine(bundle) as engine:
            assert engine.backend == "onnxruntime"
    finally:
        library.load_openvino.cache_clear()


def test_the_instructions_of_this_processor_are_known() -> None:
    flags = Path("/proc/cpuinfo")
    if not (flags.is_file() and is_x86()):
        pytest.skip("no list of this processor's instructions to compare with")
    assert library._has_instructions() == (" avx2 " in flags.read_text())


@pytest.mark.skipif(not is_x86(), reason="auto takes OpenVINO on x86 only")
def test_auto_prefers_it_to_onnx_runtime_and_says_so(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = sys.modules["same_engines.open_engine"]
    monkeypatch.setattr(opener, "find_driver", lambda: "GPU: no driver")
    bundle = Bundle.open(tiny_bundle)
    with caplog.at_level(logging.INFO, "same"), open_engine(bundle, threads=1) as engine:
        assert engine.backend == "openvino"
    assert caplog.messages[-1] == (
        "backend auto: openvino on 1 CPU threads, because GPU: no driver"
    )
    monkeypatch.setattr(opener, "is_x86", lambda: False)
    with open_engine(bundle, threads=1) as engine:
        assert engine.backend == "onnxruntime"


@pytest.mark.parametrize("backend", ["openvino-gpu", "openvino-npu"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    tiny_bundle: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = library.load_openvino()

    class CpuOnly:
        available_devices = ("CPU",)

    monkeypatch.setattr(
        openvino_engine,
        "load_openvino",
        lambda: library.OpenVino(loaded.module, CpuOnly(), loaded.version),
    )
    device = backend.removeprefix("openvino-").upper()
    with pytest.raises(EngineError, match=f"finds no {device} here, only CPU; install") as caught:
        open_engine(Bundle.open(tiny_bundle), backend)
    assert "\n" not in str(caught.value)


class CoreWithDevice:
    """OpenVINO's CPU under the name of another device; remembers what was compiled for it."""

    def __init__(self, core: Any, device: str) -> None:
        self.core, self.device = core, device
        self.available_devices = ["CPU", f"{device}.0"]
        self.compiled: list[tuple[str, dict[str, Any]]] = []

    def get_property(self, device: str, name: str) -> Any:
        return self.core.get_property("CPU", name)

    def read_model(self, graph: bytes) -> Any:
        return self.core.read_model(graph)

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        self.compiled.append((device, settings))
        return self.core.compile_model(model, "CPU", {})


@pytest.mark.parametrize(("backend", "hint"), [("openvino-gpu", "f32"), ("openvino-npu", None)])
def test_a_gpu_or_npu_gets_the_visual_stage_alone(
    tiny_bundle: Path, backend: str, hint: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = library.load_openvino()
    device = library.DEVICES[backend]
    core = CoreWithDevice(loaded.core, device)
    monkeypatch.setattr(
        openvino_engine,
        "load_openvino",
        lambda: library.OpenVino(loaded.module, core, loaded.version),
    )
    with open_engine(Bundle.open(tiny_bundle), backend) as engine:
        assert engine.backend == backend
        assert np.isfinite(run_frames(engine, 2)).all()
    ((name, settings),) = core.compiled
    assert (name, settings.get("INFERENCE_PRECISION_HINT")) == (device, hint)


@needs_bf16
def test_what_was_rounded_by_another_rule_is_compiled_again(
    tiny_bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(tiny_bundle)
    with monkeypatch.context() as earlier:
        earlier.setattr(openvino_engine, "with_exact_tail", lambda openvino, model: model)
        earlier.setattr(openvino_engine, "EXACT", "nothing")
        with open_engine(bundle, "openvino", "bf16", 1) as engine:
            rounded = run_frames(engine, 3)
    before = kept(cache)
    with open_engine(bundle, "openvino", "bf16", 1) as engine:
        assert np.abs(run_frames(engine, 3) - rounded).max() > 0
    assert len(kept(cache)) == len(before) + 1
