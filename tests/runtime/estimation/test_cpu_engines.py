"""The whole shipped recording gives the same poses on every engine for processors."""

import numpy as np
import pytest

from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay


def tracked(backend: str, threads: int) -> np.ndarray:
    recording = Recording(demo_recording())
    options = TrackerOptions(precision="fp32", threads=threads)
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
