"""Timestamps that cannot be right are refused, and the error names what is wrong with them."""

from same_engines.errors import TimestampError
from same_runtime._core import PushStatus

_UNITS_HINT = "timestamps are integer nanoseconds: are these micro-, milliseconds or seconds?"


def stamp_error(
    name: str, status: PushStatus, newest_ns: int | None, timestamp_ns: int
) -> TimestampError:
    """The error for a sample that was refused with ``status``."""
    match status:
        case PushStatus.DUPLICATE:
            why = f"duplicate timestamp {timestamp_ns} ns; sample refused"
        case PushStatus.BACKWARDS:
            why = (
                f"timestamp {timestamp_ns} ns is before the newest, {newest_ns} ns; sample refused"
            )
        case PushStatus.TOO_CLOSE:
            why = f"{timestamp_ns} ns is right after the newest, {newest_ns} ns; {_UNITS_HINT}"
        case PushStatus.JUMPED:
            why = (
                f"timestamp {timestamp_ns} ns is seconds ahead of the newest, {newest_ns} ns, and "
                f"of all other streams; sample refused until a second one agrees; {_UNITS_HINT}"
            )
        case PushStatus.OUT_OF_RANGE:
            why = (
                f"timestamp {timestamp_ns} ns is not within 0..2**62 ns on the tracker's clock, "
                "where TrackerOptions.clocks brings it; sample refused"
            )
        case _:
            why = f"sample at {timestamp_ns} ns refused: {status.name}"
    return TimestampError(f"{name}: {why}")
