"""The native engine computes what the Python engine does, bit for bit."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from engine_inputs import fill_inputs

from same_engines import Bundle, Engine, EngineWrapper, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.errors import BundleError, EngineError
from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime._core import NativeBundle, NativeEngine
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay

LIBRARIES = sorted(Path(onnxruntime.__file__).parent.glob("capi/*onnxruntime.*"))
TINY = Path(__file__).parents[1] / "fixtures" / "tiny.same"

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="this ONNX Runtime has no C library")


def open_native(bundle: Path, precision: str = "fp32", threads: int = 1) -> NativeEngine:
    return NativeEngine(NativeBundle(str(bundle)), str(LIBRARIES[0]), precision, threads)


def names(bundle: Bundle, precision: str) -> tuple[set[str], set[str]]:
    """Host inputs and the outputs in single precision."""
    graphs = [bundle.graph(precision, stage) for stage in STAGES]
    written = {t.name: t.dtype for graph in graphs for t in graph.outputs}
    read = {t.name for graph in graphs for t in graph.inputs} - written.keys()
    outputs = {name for name, dtype in written.items() if dtype == "float32"}
    return {name for name in read if f"{name}_next" not in written}, outputs


class Beside(EngineWrapper):
    """Gives a native engine what its own engine is given, and expects the same of it."""

    def __init__(self, inner: Engine, native: NativeEngine, bundle: Bundle) -> None:
        super().__init__(inner)
        self.native, self.frames, self.without_images, self.peeks = native, 0, 0, 0
        self._inputs, self._outputs = names(bundle, inner.precision)

    def run_frame(self, with_images: bool = True) -> None:
        self._both(lambda engine: engine.run_frame(with_images))
        self.frames += 1
        self.without_images += not with_images

    def run(self, stage: str) -> None:
        raise AssertionError("the tracker runs whole frames")

    def peek(self, stage: str) -> None:
        self._both(lambda engine: engine.peek(stage))
        self.peeks += 1

    def reset_state(self) -> None:
        self._both(lambda engine: engine.reset_state())

    def warm_up(self, runs: int = 3) -> None:
        for _ in range(runs):
            self.run_frame()
        self.reset_state()

    def _both(self, call: Callable[..., None]) -> None:
        for name in self._inputs:
            self.native.host_input(name)[:] = self.inner.host_input(name)
        call(self.inner)
        call(self.native)
        for name in self._outputs:
            ours, theirs = self.native.host_output(name), self.inner.host_output(name)
            np.testing.assert_array_equal(ours, theirs, err_msg=name, strict=True)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_demo_comes_out_the_same(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Beside] = []

    def open_beside(bundle: Bundle, *given: object, **more: object) -> Engine:
        inner = open_engine(bundle, "onnxruntime", "fp32", threads=threads)
        made.append(Beside(inner, open_native(bundle.path, "fp32", threads), bundle))
        return made[-1]

    monkeypatch.setattr("same_runtime.estimation.core_tracker.open_engine", open_beside)
    recording = Recording(demo_recording())
    options = TrackerOptions(precision="fp32", threads=threads)
    with SamePoseTracker(demo_bundle(), recording.rig, "onnxruntime", options) as tracker:
        for number, _ in enumerate(Replay(recording, tracker)):
            if number == 40:
                break
    assert made[0].frames >= 40


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_frames_without_images_peeks_and_resets_come_out_the_same(precision: str) -> None:
    bundle = Bundle.open(TINY)
    with open_engine(bundle, "onnxruntime", precision, threads=1) as inner:
        both = Beside(inner, open_native(TINY, precision), bundle)
        for frame in range(12):
            fill_inputs(both, frame)
            if frame == 8:
                both.reset_state()
            if frame % 3 == 1:
                for stage in STAGES:
                    both.peek(stage)
            both.run_frame(with_images=frame % 4 != 2)
    assert (both.frames, both.without_images, both.peeks) == (12, 3, 16)


def test_memory_stays_where_it_is() -> None:
    engine = open_native(TINY)
    images = engine.host_input("images")
    images[:] = 0.5
    engine.run_frame()
    again = engine.host_input("images")
    assert again.ctypes.data == images.ctypes.data and (again == 0.5).all()
    del engine  # the views keep it
    assert (images == 0.5).all()


def test_wrong_names_are_refused() -> None:
    engine = open_native(TINY)
    with pytest.raises(EngineError, match="features is not a host input"):
        engine.host_input("features")
    with pytest.raises(EngineError, match="images is not an output"):
        engine.host_output("images")
    with pytest.raises(EngineError, match="sideways: expected visual"):
        engine.peek("sideways")
    with pytest.raises(EngineError, match="features is in half precision"):
        open_native(TINY, "fp16").host_output("features")
    with pytest.raises(BundleError, match="no int8 graphs"):
        open_native(TINY, "int8")
    for threads in (0, 65):
        with pytest.raises(EngineError, match=f"threads: expected 1 to 64, got {threads}"):
            open_native(TINY, threads=threads)


@pytest.mark.parametrize("provider", ["cuda", "qnn", "xnnpack"])
def test_a_provider_that_the_library_has_not_is_named(provider: str) -> None:
    if any(provider in name.lower() for name in onnxruntime.get_available_providers()):
        pytest.skip("this ONNX Runtime has it")
    with pytest.raises(EngineError, match=f"provider {provider}"):
        NativeEngine(NativeBundle(str(TINY)), str(LIBRARIES[0]), "fp32", 1, provider)


def test_other_providers_and_libraries_are_refused(tmp_path: Path) -> None:
    bundle, library = NativeBundle(str(TINY)), str(LIBRARIES[0])
    with pytest.raises(EngineError, match="expected cpu, cuda, qnn or xnnpack, got npu"):
        NativeEngine(bundle, library, "fp32", 1, "npu")
    with pytest.raises(EngineError, match="cannot load .*nowhere.so"):
        NativeEngine(bundle, str(tmp_path / "nowhere.so"), "fp32", 1)
    with pytest.raises(EngineError, match="expected the path"):
        NativeEngine(bundle, "", "fp32", 1)
    other = sys.modules["same_runtime._core"].__file__
    with pytest.raises(EngineError, match="is not ONNX Runtime's library"):
        NativeEngine(bundle, str(other), "fp32", 1)


def test_no_telemetry_starts_with_it() -> None:
    """In a process where nothing else has turned it off."""
    code = (
        "import os, sys; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "from same_runtime._core import NativeBundle, NativeEngine\n"
        "import ctypes; getenv = ctypes.CDLL(None).getenv; getenv.restype = ctypes.c_char_p\n"
        "os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "assert getenv(b'ORT_DISABLE_TELEMETRY') is None\n"
        "NativeEngine(NativeBundle(sys.argv[1]), sys.argv[2], 'fp32', 1)\n"
        "assert getenv(b'ORT_DISABLE_TELEMETRY') == b'1'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(TINY), str(LIBRARIES[0])], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
