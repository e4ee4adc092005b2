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


def check_same_clock(
    name: str, timestamp_ns: int, other_name: str, other_ns: int | None, limit_ns: int
) -> None:
    """Raise ``TimestampError`` when two streams' times lie so far apart that they cannot be on
    one clock in one unit."""
    if other_ns is not None and abs(timestamp_ns - other_ns) > limit_ns:
        raise TimestampError(
            f"{name}: {timestamp_ns} ns is {abs(timestamp_ns - other_ns) / 1e9:.3g} s from "
            f"{other_name} at {other_ns} ns; both must be on one monotonic clock, and {_UNITS_HINT}"
        )
