"""Where devices are now, for calibrations that act at once; not where they were minutes ago."""

from collections.abc import Sequence
from typing import Final

from same_engines.errors import InvalidInputError
from same_runtime._core import DeviceStates, Synchroniser
from same_runtime.conventions import DEVICES

MAX_AGE_NS: Final = 1_000_000_000


def recent_states(
    asked: str, devices: Sequence[str], synchroniser: Synchroniser, now_ns: int
) -> DeviceStates:
    """All devices at the newest time of ``devices``. Raises ``InvalidInputError`` naming what was
    ``asked`` for when none of them has a sample of the second before ``now_ns``."""
    names = " or ".join(devices)
    times_ns = [synchroniser.newest_ns(DEVICES.index(device)) for device in devices]
    newest_ns = max((t for t in times_ns if t is not None), default=None)
    if newest_ns is None:
        raise InvalidInputError(f"{asked}: {names} is not tracked")
    age_ns = now_ns - newest_ns
    if age_ns > MAX_AGE_NS:
        raise InvalidInputError(
            f"{asked}: {names} is not tracked; last seen {1e-9 * age_ns:.1f} s ago"
        )
    return synchroniser.lookup(newest_ns)
