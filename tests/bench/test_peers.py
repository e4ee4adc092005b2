"""Every peer runs the same network: from the same frames it gives the tracker's poses."""

from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.clip import Clip
from same_bench.measuring.probe import ProbedTracker
from same_bench.peers.engines import (
    FullWindowEngine,
    OpenVinoEngine,
    PlainOnnxRuntimeEngine,
    TorchEngine,
)
from same_bench.peers.python_reference import (
    DequePoses,
    numpy_preprocess,
    opencv_preprocess,
    time_twins,
)
from same_engines import Bundle, Engine, open_engine
from same_runtime._core import ImagePreprocessor, PoseRing

WINDOW = 8


def _joints(bundle: Path, engine: Engine, clip: Clip, frames: int) -> np.ndarray:
    with ProbedTracker(bundle, engine) as tracker:
        return np.stack(
            [
                tracker.push(*clip.sample(i, 10**9 + i * clip.period_ns)).joints_world
                for i in range(frames)
            ]
        )


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path, clip: Clip) -> np.ndarray:
    return _joints(tiny_bundle, open_engine(Bundle.open(tiny_bundle), "onnxruntime"), clip, 20)


@pytest.mark.parametrize("peer", ["plain", "torch", "openvino"])
def test_peers_agree(tiny_bundle: Path, clip: Clip, expected: np.ndarray, peer: str) -> None:
    bundle = Bundle.open(tiny_bundle)
    engine: Engine
    if peer == "plain":
        engine = PlainOnnxRuntimeEngine(bundle, 1)
    elif peer == "torch":
        pytest.importorskip("torch", reason="needs pip install .[export]")
        from tiny_model import smallest_model

        engine = TorchEngine(bundle, 1, model=smallest_model())
    else:
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
        engine = OpenVinoEngine(bundle, 1)
    found = _joints(tiny_bundle, engine, clip, len(expected))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_recomputing_the_window_agrees_while_it_holds_everything(
    tiny_bundle: Path, clip: Clip, expected: np.ndarray
) -> None:
    engine = FullWindowEngine(Bundle.open(tiny_bundle), 1)
    found = _joints(tiny_bundle, engine, clip, WINDOW + 2)
    np.testing.assert_allclose(found[:WINDOW], expected[:WINDOW], atol=1e-5)
    # Later it starts from a zero recurrent state where streaming carries one.
    assert np.abs(found[WINDOW:] - expected[WINDOW : WINDOW + 2]).max() > 1e-6


def test_deque_twin_agrees_with_the_ring() -> None:
    random = np.random.default_rng(0)
    ring, twin = PoseRing(16), DequePoses(16)
    for index in range(20):
        orientation = random.normal(size=4)
        orientation /= np.linalg.norm(orientation)
        position = random.normal(size=3)
        for history in (ring, twin):
            history.push(10_000_000 * (index + 1), position, orientation)
    for timestamp_ns in random.integers(60_000_000, 199_000_000, 50).tolist():
        _, position, orientation = ring.at(timestamp_ns, 100_000_000, 0)
        twin_position, twin_orientation = twin.at(timestamp_ns)
        np.testing.assert_allclose(twin_position, position, atol=1e-9)
        assert abs(twin_orientation @ orientation) == pytest.approx(1, abs=1e-9)


def test_preprocessing_twins_agree_with_the_core() -> None:
    image = np.random.default_rng(0).integers(0, 256, (96, 128), dtype=np.uint8)
    core = np.empty((48, 64), np.float32)
    ImagePreprocessor(96, 128, 48, 64, 0.5, 0.25)(image, core)
    np.testing.assert_allclose(numpy_preprocess(image, 48, 64, 0.5, 0.25), core, atol=1e-5)
    pytest.importorskip("cv2", reason="needs OpenCV")
    gray_level = 1 / 255 / 0.25
    found = opencv_preprocess(image, 48, 64, 0.5, 0.25)
    np.testing.assert_allclose(found, core, atol=0.51 * gray_level)


def test_twins_are_timed_on_the_clip(clip: Clip) -> None:
    twins = time_twins(clip, 48, 64, 0.5, 0.25)
    assert {twin.part for twin in twins} == {"pose at a time", "preprocess"}
    assert all(len(twin.core_ns) == len(twin.twin_ns) >= 300 for twin in twins)
    assert [twin.part for twin in time_twins(clip, 48, 64, 0.5, 0.25, zoomed=True)] == [
        "pose at a time"
    ]
