"""What one call of a live tracker takes from Python's and NumPy's memory."""

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

import numpy as np

from same_bench.live.endless_devices import STREAMS, EndlessDevices, Event, send
from same_runtime import SamePoseTracker
from same_runtime.recording.mcap_reader import FRAME_STREAM

_CALLS: Final = 200


def allocations(tracker: SamePoseTracker, devices: EndlessDevices) -> dict[str, dict[str, float]]:
    """What one call takes from Python's and NumPy's memory, the worker being stopped. Calls of
    devices that were not recorded are left out."""
    events = {STREAMS[event.stream]: event for _, event in devices.events(devices.round_ns)}
    now_ns = [time.monotonic_ns()]

    def method(event: Event) -> Callable[[], object]:
        def call() -> None:
            now_ns[0] += 1_000_000
            send(tracker.ingest, event, now_ns[0])

        return call

    def frame_and_step() -> None:
        now_ns[0] += 1_000_000
        for event in events.values():
            send(tracker.ingest, event, now_ns[0])
        tracker.step()

    of_devices = {"head": "head", "leg": "leg_left", "frame": FRAME_STREAM}
    cases: dict[str, Callable[[], object]] = {
        **{case: method(events[name]) for case, name in of_devices.items() if name in events},
        "latest": tracker.latest,
        "at_time": lambda: tracker.at_time(now_ns[0]),
    }
    if len(events) == len(STREAMS):
        cases["five samples, frame and step"] = frame_and_step
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
