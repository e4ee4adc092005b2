"""How a device's timestamps come onto the tracker's clock."""

from dataclasses import dataclass

import numpy as np

from same_engines.errors import InvalidInputError
from same_runtime._core import Ingestion
from same_runtime.conventions import DEVICES

CAMERAS = "cameras"
"""Name of the cameras' stream, beside the names in ``conventions.DEVICES``."""
STREAMS = (*DEVICES, CAMERAS)


@dataclass(frozen=True)
class GivenClock:
    """A known mapping: tracker time = device time + ``offset_ns`` + drift of the device time."""

    offset_ns: int
    drift_ppm: float = 0.0
    """How much faster the tracker's clock runs, parts per million."""

    def __post_init__(self) -> None:
        if not abs(self.offset_ns) < 2**62 or not np.isfinite(self.drift_ppm):
            raise InvalidInputError(f"clock: expected finite offset and drift, got {self}")


@dataclass(frozen=True)
class EstimatedClock:
    """Offset and drift are learnt from when samples arrive on the tracker's clock, which must
    then be the monotonic clock of this machine (or ``arrival_ns`` must be given)."""

    min_latency_ns: int = 0
    """Shortest time from measurement to arrival; arrivals cannot reveal it."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_latency_ns < 10_000_000_000:
            raise InvalidInputError(
                f"min_latency_ns: expected nanoseconds below 10 s, got {self.min_latency_ns}"
            )


def set_clock(ingestion: Ingestion, stream: str, clock: GivenClock | EstimatedClock) -> None:
    """Choose the clock of one stream of ``STREAMS``; streams without one share the tracker's."""
    if stream not in STREAMS:
        raise InvalidInputError(f"clocks: expected names of {STREAMS}, got {stream!r}")
    if isinstance(clock, GivenClock):
        ingestion.set_clock_given(STREAMS.index(stream), clock.offset_ns, clock.drift_ppm)
    elif isinstance(clock, EstimatedClock):
        ingestion.set_clock_estimated(STREAMS.index(stream), clock.min_latency_ns)
    else:
        raise InvalidInputError(
            f"clocks[{stream!r}]: expected a GivenClock or an EstimatedClock, got {clock!r}"
        )
