"""One gate for timestamps: duplicates, backwards time and other units are named and refused."""

from same_engines.errors import TimestampError

MIN_SPACING_NS = 100_000
"""Nothing here samples faster than 10 kHz; closer stamps are another unit passed as ns."""

_UNITS_HINT = "timestamps are integer nanoseconds: are these micro-, milliseconds or seconds?"


def check_follows(name: str, newest_ns: int | None, timestamp_ns: int) -> None:
    """Raise ``TimestampError`` unless ``timestamp_ns`` can follow ``newest_ns`` in one stream."""
    if newest_ns is None:
        return
    if timestamp_ns == newest_ns:
        raise TimestampError(f"{name}: duplicate timestamp {timestamp_ns} ns; sample refused")
    if timestamp_ns < newest_ns:
        raise TimestampError(
            f"{name}: timestamp {timestamp_ns} ns is before the newest, {newest_ns} ns; "
            "sample refused"
        )
    if timestamp_ns - newest_ns < MIN_SPACING_NS:
        raise TimestampError(
            f"{name}: only {timestamp_ns - newest_ns} ns after the newest sample; {_UNITS_HINT}"
        )


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
