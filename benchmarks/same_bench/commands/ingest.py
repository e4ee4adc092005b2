"""``same-bench ingest``: what one live sample costs, microseconds a call, as JSON."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from same_engines.errors import EngineError
from same_engines.field_checks import check_ranges
from same_runtime import _core
from same_runtime._core import Ingestion, Synchroniser
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.inputs import Ingest

_PERIOD_NS = 5_000_000


@dataclass(frozen=True)
class IngestCommand:
    """Measure what each input method for device samples costs a call; prints JSON."""

    calls: int = 20_000
    """Calls of each method in one repeat."""
    repeats: int = 15
    """Repeats, of which the median, least and most are told."""

    def __post_init__(self) -> None:
        check_ranges(self, calls=(1, 1e8), repeats=(1, 1e6))


def run(command: IngestCommand) -> None:
    """Run the command. Raises ``EngineError`` where a sample is refused."""
    turn, place = (0.0, 0.0, 0.0, 1.0), (0.1, 1.6, 0.2)
    turn_array, place_array = np.array(turn), np.array(place)
    methods: dict[str, Callable[[Ingest, int], None]] = {
        "head": lambda ingest, t: ingest.head(t, place, turn),
        "head from arrays": lambda ingest, t: ingest.head(t, place_array, turn_array),
        "controller": lambda ingest, t: ingest.controller("left", t, place, turn),
        "leg": lambda ingest, t: ingest.leg("left", t, turn, place),
    }
    print(
        json.dumps({name: _us_per_call(send, command) for name, send in methods.items()}, indent=1)
    )


def _us_per_call(send: Callable[[Ingest, int], None], command: IngestCommand) -> dict[str, float]:
    camera = FisheyeCamera(64, 48, 20.0, 20.0, 32.0, 24.0, (0.0, 0.0, 0.0, 0.0), np.eye(4))
    ingestion = Ingestion(Synchroniser(256))
    inbox = FrameInbox(_core.FrameInbox(ingestion, 48, 64, 0), CameraRig(camera, camera))
    ingest = Ingest(ingestion, inbox)
    costs, timestamp_ns = [], _PERIOD_NS
    for _ in range(command.repeats):
        began_ns = time.perf_counter_ns()
        for _ in range(command.calls):
            timestamp_ns += _PERIOD_NS
            send(ingest, timestamp_ns)
        costs.append(1e-3 * (time.perf_counter_ns() - began_ns) / command.calls)
    accepted = sum(ingestion.counts(stream)[0] for stream in range(5))
    if accepted != command.calls * command.repeats:
        raise EngineError(f"only {accepted} samples were accepted: the figures mean nothing")
    return {"median_us": float(np.median(costs)), "min_us": min(costs), "max_us": max(costs)}
