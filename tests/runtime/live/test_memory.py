"""Live tracking keeps nothing: memory and latency after thousands of frames are what they were."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from live_stream import START_NS, device_event, live_events

from same_runtime import SamePoseTracker, StereoFrame
from same_runtime.conventions import DEVICES

_STATM = Path("/proc/self/statm")
FRAME_NS = 33_333_333
needs_proc = pytest.mark.skipif(not _STATM.exists(), reason="needs /proc")


def resident_bytes() -> int:
    gc.collect()
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def track_for(bundle: Path, frames: int) -> None:
    """Row 13 of the faults: after 150 frames nothing grows and nothing gets slower."""
    with SamePoseTracker(bundle) as tracker:
        for event in live_events(tracker.rig, 0.1):
            event.send(tracker.ingest)
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        now_ns = START_NS + 3 * FRAME_NS

        def run(frames: int) -> float:
            nonlocal now_ns
            latencies_ns = np.zeros(frames)
            for frame in range(frames):
                now_ns += FRAME_NS
                for device in DEVICES:
                    device_event(device, now_ns).send(tracker.ingest)
                tracker.ingest.frame(StereoFrame(now_ns, image, image))
                pose = tracker.step()
                assert pose is not None
                latencies_ns[frame] = pose.latency_ns
                tracker.at_time(now_ns + FRAME_NS // 2)
                tracker.stats()
            return float(np.percentile(latencies_ns, 10))  # what other programs take is not ours

        quick_ns = run(150)
        before = resident_bytes()
        slow_ns = run(frames)
        grown = resident_bytes() - before
    assert grown < 2 << 20, f"{grown / 2**20:.1f} MiB in {frames} frames"
    assert slow_ns < 2 * quick_ns + 1e6


@needs_proc
def test_memory_and_latency_are_flat_over_hundreds_of_frames(tiny_bundle: Path) -> None:
    track_for(tiny_bundle, 500)


@needs_proc
@pytest.mark.slow
def test_memory_and_latency_are_flat_over_minutes_of_frames(tiny_bundle: Path) -> None:
    """Half an hour in real time at 90 Hz: ``same-bench live --minutes 30``."""
    track_for(tiny_bundle, 20_000)
