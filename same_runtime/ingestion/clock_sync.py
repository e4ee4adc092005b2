"""How a device's timestamps come onto the tracker's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_choice
from same_engines.json_values import real_number, shown, whole_number
from same_runtime._core import Ingestion
from same_runtime.conventions import DEVICES

CAMERAS = "cameras"
"""Name of the cameras' stream, beside the names in ``conventions.DEVICES``."""
STREAMS = (*DEVICES, CAMERAS)

_MAX_OFFSET_NS: Final = 2**61
_MAX_DRIFT_PPM: Final = 10_000.0
"""A hundred times what crystals are off by."""
_MAX_LATENCY_NS: Final = 10_000_000_000


@dataclass(frozen=True)
class GivenClock:
    """A known mapping: tracker time = device time + ``offset_ns`` + drift of the device time."""

    offset_ns: int
    drift_ppm: float = 0.0
    """How much faster the tracker's clock runs, parts per million."""

    def __post_init__(self) -> None:
        offset_ns = whole_number("offset_ns", self.offset_ns, -_MAX_OFFSET_NS, _MAX_OFFSET_NS)
        object.__setattr__(self, "offset_ns", offset_ns)
        drift_ppm = real_number("drift_ppm", self.drift_ppm, _MAX_DRIFT_PPM)
        object.__setattr__(self, "drift_ppm", drift_ppm)


@dataclass(frozen=True)
class EstimatedClock:
    """Offset and drift are learnt from when samples arrive on the tracker's clock, which must
    then be the monotonic clock of this machine (or ``arrival_ns`` must be given)."""

    min_latency_ns: int = 0
    """Shortest time from measurement to arrival; arrivals cannot reveal it."""

    def __post_init__(self) -> None:
        latency_ns = whole_number("min_latency_ns", self.min_latency_ns, 0, _MAX_LATENCY_NS)
        object.__setattr__(self, "min_latency_ns", latency_ns)


Clock = GivenClock | EstimatedClock


def check_clocks(clocks: object) -> None:
    """Raise ``InvalidInputError`` unless ``clocks`` maps names of ``STREAMS`` to clocks."""
    if not isinstance(clocks, Mapping):
        raise InvalidInputError(
            f"clocks: expected a mapping of stream names to clocks, got {type(clocks).__name__}"
        )
    for stream, clock in clocks.items():
        checked_choice("clocks", stream, STREAMS)
        if not isinstance(clock, Clock):
            raise InvalidInputError(
                f"clocks[{stream!r}]: expected a GivenClock or an EstimatedClock, "
                f"got {shown(clock)}"
            )


def set_clock(ingestion: Ingestion, stream: str, clock: Clock) -> None:
    """Choose the clock of one stream of ``STREAMS``; streams without one share the tracker's."""
    if isinstance(clock, GivenClock):
        ingestion.set_clock_given(STREAMS.index(stream), clock.offset_ns, clock.drift_ppm)
    else:
        ingestion.set_clock_estimated(STREAMS.index(stream), clock.min_latency_ns)
