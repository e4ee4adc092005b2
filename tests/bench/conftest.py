"""Fixtures of the benchmark's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bench_parts import ManualClock, SlowEngine, write_recording

from same_bench.measuring.clip import Clip, load_clip
from same_bench.measuring.probe import ProbedTracker
from same_engines import Bundle
from same_runtime.camera import CameraRig
from same_runtime.recording import Recording


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    """A recording made with the tiny bundle's rig."""
    return write_recording(tmp_path_factory.mktemp("recording") / "small.mcap", small_rig)


@pytest.fixture(scope="session")
def clip(recording: Path, tiny_bundle: Path) -> Clip:
    """The recording, decoded."""
    return load_clip(Recording(recording), Bundle.open(tiny_bundle))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that only moves when told."""
    return ManualClock()


@pytest.fixture
def slow_tracker(
    tiny_bundle: Path, clock: ManualClock
) -> Callable[[Callable[[int], int]], ProbedTracker]:
    """Opens a tracker whose visual stage takes the given time on the manual clock."""

    def open_tracker(delay_ns: Callable[[int], int]) -> ProbedTracker:
        engine = SlowEngine(Bundle.open(tiny_bundle), clock, delay_ns)
        return ProbedTracker(tiny_bundle, engine, clock=clock)

    return open_tracker
