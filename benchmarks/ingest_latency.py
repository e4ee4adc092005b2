"""Measure what one live sample costs: prints JSON, microseconds a call of each door."""

import json
import time
from collections.abc import Callable

import numpy as np

from same_runtime._core import Ingestion, Synchroniser
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.inputs import Ingest

_CALLS = 20_000
_REPEATS = 15
_PERIOD_NS = 5_000_000


def _us_per_call(send: Callable[[Ingest, int], None]) -> dict[str, float]:
    camera = FisheyeCamera(64, 48, 20.0, 20.0, 32.0, 24.0, (0.0, 0.0, 0.0, 0.0), np.eye(4))
    ingestion = Ingestion(Synchroniser(256))
    inbox = FrameInbox(ingestion, CameraRig(camera, camera), 0, lambda: None)
    ingest = Ingest(ingestion, inbox)
    costs, timestamp_ns = [], _PERIOD_NS
    for _ in range(_REPEATS):
        began_ns = time.perf_counter_ns()
        for _ in range(_CALLS):
            timestamp_ns += _PERIOD_NS
            send(ingest, timestamp_ns)
        costs.append(1e-3 * (time.perf_counter_ns() - began_ns) / _CALLS)
    accepted = sum(ingestion.counts(stream)[0] for stream in range(5))
    if accepted != _CALLS * _REPEATS:
        raise SystemExit(f"only {accepted} samples were accepted: the figures mean nothing")
    return {"median_us": float(np.median(costs)), "min_us": min(costs), "max_us": max(costs)}


def main() -> None:
    """Measure and print."""
    turn, place = (0.0, 0.0, 0.0, 1.0), (0.1, 1.6, 0.2)
    turn_array, place_array = np.array(turn), np.array(place)
    doors: dict[str, Callable[[Ingest, int], None]] = {
        "head": lambda ingest, t: ingest.head(t, place, turn),
        "head from arrays": lambda ingest, t: ingest.head(t, place_array, turn_array),
        "controller": lambda ingest, t: ingest.controller("left", t, place, turn),
        "leg": lambda ingest, t: ingest.leg("left", t, turn, place),
    }
    print(json.dumps({name: _us_per_call(send) for name, send in doors.items()}, indent=1))


if __name__ == "__main__":
    main()
