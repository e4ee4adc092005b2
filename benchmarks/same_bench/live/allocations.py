"""What one call of a live tracker takes from Python's and NumPy's memory."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

import numpy as np

from same_bench.live.endless_devices import STREAMS, EndlessDevices, send
from same_runtime import SamePoseTracker, StereoFrame
from same_runtime.recording.mcap_reader import FRAME_STREAM

_CALLS: Final = 200


def allocations(tracker: SamePoseTracker, devices: EndlessDevices) -> dict[str, dict[str, float]]:
    """What one call takes from Python's and NumPy's memory, the worker being stopped."""
    events = {event.stream: event for _, event in devices.events(devices.round_ns // 2)}
    now_ns = [time.monotonic_ns()]

    def method(name: str) -> Callable[[], object]:
        event = events[STREAMS.index(name)]

        def call() -> None:
            now_ns[0] += 1_000_000
            send(tracker.ingest, event, now_ns[0])

        return call

    def frame_and_step() -> None:
        now_ns[0] += 1_000_000
        for event in events.values():
            send(tracker.ingest, event, now_ns[0])
        tracker.step()

    assert isinstance(events[STREAMS.index(FRAME_STREAM)].value, StereoFrame)
    cases = {
        "head": method("head"),
        "leg": method("leg_left"),
        "frame": method(FRAME_STREAM),
        "latest": tracker.latest,
        "at_time": lambda: tracker.at_time(now_ns[0]),
        "five samples, frame and step": frame_and_step,
    }
    return {name: _allocations_of(call) for name, call in cases.items()}


def _allocations_of(call: Callable[[], object]) -> dict[str, float]:
    for _ in range(50):
        call()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(_CALLS):
        call()
    gc.collect()
    kept = (sys.getallocatedblocks() - blocks) / _CALLS
    tracemalloc.start()
    peaks = []
    for _ in range(_CALLS):
        before, _peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return {
        "blocks_kept_per_call": round(kept, 4),
        "bytes_held_within_call": float(np.median(peaks)),
    }
