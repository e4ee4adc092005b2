"""Random calls, right and wrong, from several threads at once: only typed errors come out."""

import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from api_storm import Storm, odd

from same_engines.errors import InvalidInputError, SameError
from same_engines.json_values import float_vector, shown
from same_runtime.camera import CameraRig
from same_runtime.live.options import LiveOptions
from same_runtime.options import TrackerOptions
from same_runtime.tracker import SamePoseTracker


def held() -> tuple[int, ...]:
    """Threads, the core's among them, and open files."""
    return tuple(
        len(list(folder.iterdir())) if folder.is_dir() else 0
        for folder in (Path("/proc/self/task"), Path("/proc/self/fd"))
    )


def check_storm(bundle: Path, seconds: float, threads: int, seed: int) -> None:
    tracker = SamePoseTracker(bundle, None, "onnxruntime", TrackerOptions(threads=1))
    before = held()
    storm = Storm(tracker, seed)
    assert storm.run(threads, seconds), "a thread did not come back"
    tracker.stop()
    assert Counter((name, type(error).__name__) for name, error in storm.raw) == {}
    assert storm.wrong_poses == [] and storm.calls > 100
    deadline = time.monotonic() + 10.0
    while held() != before:  # a thread that was joined may be listed a moment longer
        assert time.monotonic() < deadline, (held(), before)
        time.sleep(0.01)
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
