"""Long running in short: open and close by the thousand, and hours of sensor time in the core."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import made_up_stream
from same_runtime._core import Ingestion, Synchroniser
from same_runtime.options import TrackerOptions
from same_runtime.tracker import SamePoseTracker

HOUR_NS = 3_600_000_000_000


def rss_kib() -> int:
    return next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def open_and_close(bundle: Path, times: int) -> None:
    for _ in range(times):
        with SamePoseTracker(bundle, None, "onnxruntime", TrackerOptions(threads=1)) as tracker:
            frame, imu = next(iter(made_up_stream(tracker.rig, 1)))
            assert np.isfinite(tracker.push(frame, imu).joints_world).all()


def check_cycles(bundle: Path, warm: int, times: int, most_kib: int) -> None:
    open_and_close(bundle, warm)
    gc.collect()
    before = rss_kib(), descriptors(), threading.active_count()
    open_and_close(bundle, times)
    gc.collect()
    assert (descriptors(), threading.active_count()) == before[1:]
    grown = rss_kib() - before[0]
    assert grown < most_kib, f"{grown} KiB more after {times} cycles"


linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


@linux
def test_opening_and_closing_leaves_nothing(tiny_bundle: Path) -> None:
    check_cycles(tiny_bundle, warm=3, times=15, most_kib=40 << 10)


@linux
@pytest.mark.slow
def test_a_thousand_times(tiny_bundle: Path) -> None:
    check_cycles(tiny_bundle, warm=100, times=1000, most_kib=40 << 10)


@linux
@pytest.mark.parametrize("hours", [0.2, pytest.param(8.0, marks=pytest.mark.slow)])
def test_hours_of_samples_take_no_memory(hours: float) -> None:
    """Device samples at 120 Hz through the gates and rings, as fast as they go."""
    synchroniser = Synchroniser(256, 100_000_000, 50_000_000, False)
    ingestion = Ingestion(synchroniser)
    period_ns = 8_333_333
    turn = np.array([0.0, 0.0, 0.0, 1.0])
    place = np.array([0.0, 1.6, 0.0])
    start_ns = 10**9
    before = 0
    count = int(hours * HOUR_NS / period_ns)
    for index in range(count):
        at = start_ns + index * period_ns
        assert ingestion.push_pose(0, at, place, turn, at) == 0
        assert ingestion.push_leg(3, at, turn, place, at) == 0
        if index == count // 10:
            before = rss_kib()
    states = synchroniser.lookup(start_ns + (count - 1) * period_ns)
    assert states is not None and synchroniser.newest_ns(0) == start_ns + (count - 1) * period_ns
    assert rss_kib() - before < 4 << 10
