"""Streams that another clock stamps than the others: found by comparing them, and named once."""

import logging

from same_runtime._core import Ingestion
from same_runtime.ingestion.clock_sync import STREAMS

_log = logging.getLogger("same")


class ClockWatch:
    """Names the streams whose stamps cannot be brought together with those of most others."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion
        self._logged: set[str] = set()

    def off_clock(self, now_ns: int | None = None) -> tuple[str, ...]:
        """Names of the streams on another clock; the first time each is logged.

        ``now_ns``: now on the tracker's clock, where it is known; nothing may lie far ahead of it.
        """
        flags = self._ingestion.off_clock(now_ns)
        found = tuple(name for name, off in zip(STREAMS, flags, strict=True) if off)
        for name in found:
            if name not in self._logged:
                self._logged.add(name)
                self._log(name, now_ns)
        return found

    def newest_ns(self) -> int:
        """Time of the newest sample of all streams on the tracker's clock; 0 before the first."""
        off_clock = self.off_clock()
        newest = (
            self._ingestion.newest_ns(index)
            for index, name in enumerate(STREAMS)
            if name not in off_clock
        )
        return max((t for t in newest if t is not None), default=0)

    def _log(self, name: str, now_ns: int | None) -> None:
        reference = self._ingestion.reference_stream
        newest_ns = self._ingestion.newest_ns(STREAMS.index(name)) or 0
        other, other_ns = STREAMS[reference], self._ingestion.newest_ns(reference) or 0
        if name == other:
            other, other_ns = "the tracker's clock", now_ns or 0
        _log.warning(
            "%s: its timestamps are on another clock, %+.6g s from %s; stamp it by the same clock, "
            "or give its clock in TrackerOptions.clocks",
            name,
            1e-9 * (newest_ns - other_ns),
            other,
        )
