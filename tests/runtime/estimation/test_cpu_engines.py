"""The whole shipped recording gives the same poses on every engine for processors."""

import numpy as np
import pytest

from same_engines.openvino.library import load_openvino
from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay


def tracked(backend: str, threads: int, precision: str = "fp32") -> np.ndarray:
    recording = Recording(demo_recording())
    options = TrackerOptions(precision=precision, threads=threads)
    with SamePoseTracker(demo_bundle(), recording.rig, backend, options) as tracker:
        assert tracker.backend == backend
        return np.array([frame.pose.joints_world for frame in Replay(recording, tracker)])


def test_openvino_tracks_the_recording_as_onnx_runtime_does_and_twice_alike() -> None:
    pytest.importorskip("openvino")
    reference = tracked("onnxruntime", 1)
    assert len(reference) > 290
    for threads in (1, 2):
        first = tracked("openvino", threads)
        np.testing.assert_array_equal(tracked("openvino", threads), first)
        distance_m = np.linalg.norm(first - reference, axis=-1)
        assert distance_m.mean() < 1e-4, "a tenth of the millimetre that is allowed"
        assert distance_m.max() < 5e-3


def test_bfloat16_stays_within_a_millimetre_on_average_and_ten_at_most() -> None:
    pytest.importorskip("openvino")
    if not load_openvino().computes_bf16():
        pytest.skip("the processor has no bfloat16")
    reference = tracked("onnxruntime", 1)
    first = tracked("openvino", 2, "bf16")
    np.testing.assert_array_equal(tracked("openvino", 2, "bf16"), first)
    distance_m = np.linalg.norm(first - reference, axis=-1)
    assert distance_m.mean() <= 1e-3
    assert distance_m.max() <= 10e-3
