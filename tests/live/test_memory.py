"""Live tracking keeps nothing: memory after hundreds of frames is what it was after a few."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from live.live_stream import START_NS, device_event, live_events

from same_runtime import SamePoseTracker, StereoFrame
from same_runtime.conventions import DEVICES

_STATM = Path("/proc/self/statm")
FRAME_NS = 33_333_333


def resident_bytes() -> int:
    gc.collect()
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not _STATM.exists(), reason="needs /proc")
def test_memory_is_flat_over_hundreds_of_frames(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        for event in live_events(tracker.rig, 0.1):
            event.send(tracker.ingest)
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        now_ns = START_NS + 3 * FRAME_NS

        def run(frames: int) -> None:
            nonlocal now_ns
            for _ in range(frames):
                now_ns += FRAME_NS
                for device in DEVICES:
                    device_event(device, now_ns).send(tracker.ingest)
                tracker.ingest.frame(StereoFrame(now_ns, image, image))
                assert tracker.step() is not None
                tracker.at_time(now_ns + FRAME_NS // 2)
                tracker.stats()

        run(150)
        before = resident_bytes()
        run(500)
        grown = resident_bytes() - before
    assert grown < 2 << 20, f"{grown / 2**20:.1f} MiB in 500 frames"
