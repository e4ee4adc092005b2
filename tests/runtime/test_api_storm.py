"""Random calls, right and wrong, from several threads at once: only typed errors come out."""

import threading
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from api_storm import Storm, odd

from same_engines.errors import InvalidInputError, SameError
from same_engines.json_values import float_vector, shown
from same_runtime.camera import CameraRig
from same_runtime.live.worker import LiveOptions
from same_runtime.options import TrackerOptions
from same_runtime.tracker import SamePoseTracker


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def check_storm(bundle: Path, seconds: float, threads: int, seed: int) -> None:
    tracker = SamePoseTracker(bundle, None, "onnxruntime", TrackerOptions(threads=1))
    before = threading.active_count(), descriptors()
    storm = Storm(tracker, seed)
    assert storm.run(threads, seconds), "a thread did not come back"
    tracker.stop()
    assert Counter((name, type(error).__name__) for name, error in storm.raw) == {}
    assert storm.wrong_poses == [] and storm.calls > 100
    assert (threading.active_count(), descriptors()) == before
    tracker.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_short_storm(tiny_bundle: Path) -> None:
    check_storm(tiny_bundle, 3.0, 3, seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(3))
def test_a_minute_of_storm(tiny_bundle: Path, seed: int) -> None:
    check_storm(tiny_bundle, 60.0, 4, seed)


def test_odd_values_are_named_not_raised() -> None:
    rng = Random(1)
    for _ in range(300):
        value = odd(rng)
        assert 0 < len(shown(value)) <= 80
        for make in (
            lambda value=value: TrackerOptions(precision=value, threads=value),
            lambda value=value: LiveOptions(between_frames=value),
            lambda value=value: CameraRig(value, value),
            lambda value=value: SamePoseTracker(value),
        ):
            with pytest.raises(SameError):
                make()
    with pytest.raises(InvalidInputError, match="v: expected 4 numbers"):
        float_vector("v", ["1"] * 4, 4)
