"""ONNX Runtime under the tracker runs without the interpreter, and computes the same."""

import ctypes
import time
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import made_up_stream
from same_engines import Bundle, EngineWrapper, open_engine
from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime._core import NativeEngine
from same_runtime.demo import demo_bundle
from same_runtime.estimation.native_engine import without_interpreter
from same_runtime.live.options import LiveOptions

HELD_S = 0.25


@pytest.fixture(autouse=True)
def needs_its_library(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    with open_engine(bundle, "onnxruntime") as engine:
        if not isinstance(without_interpreter(engine, bundle), NativeEngine):
            pytest.skip("this ONNX Runtime has no C library")


def test_its_poses_are_those_of_the_engine_in_python() -> None:
    bundle, options = demo_bundle(), TrackerOptions("fp32", threads=1)
    engine = EngineWrapper(open_engine(Bundle.open(bundle), "onnxruntime", "fp32", 1))
    with (
        SamePoseTracker(bundle, None, "onnxruntime", options) as native,
        SamePoseTracker(bundle, None, engine, options) as python,
    ):
        assert native.backend == python.backend == "onnxruntime"
        for sample in made_up_stream(native.rig, 8):
            pose, expected = native.push(*sample), python.push(*sample)
            np.testing.assert_array_equal(pose.joints_world, expected.joints_world)


def test_who_holds_the_interpreter_does_not_hold_up_the_poses(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle, backend="onnxruntime") as tracker:
        tracker.start(LiveOptions(display_rate_hz=90.0))
        while tracker.stats().estimates.count < 3:  # without images, at the newest head sample
            tracker.ingest.head(time.monotonic_ns(), (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
            time.sleep(0.01)
        before = tracker.stats()
        hold_interpreter(HELD_S)
        after = tracker.stats()
    # Nothing in Python ran meanwhile: these poses came without it, most of them in time.
    assert after.output.count - before.output.count >= 0.5 * 90.0 * HELD_S
    assert after.worker_errors == after.engine_failures == 0


def hold_interpreter(seconds: float) -> None:
    """As an extension does that never lets go of the interpreter's lock."""
    ctypes.PyDLL(None).usleep(round(1e6 * seconds))
