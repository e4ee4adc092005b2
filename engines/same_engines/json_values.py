"""JSON and numbers from files that others wrote: one rule for what counts as a number.

Booleans, strings and numbers in quotes are none. A whole number may be written ``640.0``. What no
float64 can hold is refused, not rounded to infinity.
"""

import json
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError

_NUMERIC_KINDS: Final = "fiu"


def parse_json(text: str | bytes) -> Any:
    """Parse JSON (``NaN`` and ``Infinity`` included). Raises ``ValueError`` only, also for
    another encoding than UTF-8 and for values nested without end."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """``value`` as an int from ``low`` to ``high``; else ``InvalidInputError`` names ``name``."""
    number = _plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or not low <= number <= high:
        raise InvalidInputError(
            f"{name}: expected a whole number from {low} to {high}, got {_shown(value)}"
        )
    return number


def real_number(name: str, value: object, limit: float = math.inf) -> float:
    """``value`` as a finite float within ``limit`` of 0; else ``InvalidInputError``."""
    number = _plain(value)
    try:
        real = math.nan if number is None else float(number)
    except OverflowError:
        real = math.inf
    if not math.isfinite(real) or abs(real) > limit:
        within = f" within +-{limit:g}" if limit < math.inf else ""
        raise InvalidInputError(f"{name}: expected a finite number{within}, got {_shown(value)}")
    return real


def number_array(
    name: str, value: object, shape: tuple[int, ...], finite: bool = True
) -> NDArray[np.float64]:
    """``value`` (nested lists or an array) as a new float64 array of ``shape``.

    ``finite``: whether NaN and infinity are refused. Raises ``InvalidInputError``.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError):  # lists of uneven lengths
        raise InvalidInputError(f"{name}: expected numbers of shape {shape}") from None
    if array.dtype.kind not in _NUMERIC_KINDS or _holds_booleans(value):
        raise InvalidInputError(f"{name}: expected numbers, got {_shown(value)}")
    if array.shape != shape:
        raise InvalidInputError(f"{name}: expected numbers of shape {shape}, got {array.shape}")
    array = array.astype(np.float64)
    if finite and not np.isfinite(array).all():
        raise InvalidInputError(f"{name}: expected finite numbers of shape {shape}")
    return array


def _plain(value: object) -> int | float | None:
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value


def _holds_booleans(value: object) -> bool:
    # NumPy takes a True among numbers for 1.
    return isinstance(value, list | tuple) and any(
        isinstance(item, bool) or _holds_booleans(item) for item in value
    )


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 1 << 64:  # its digits may be thousands
        return f"an integer of {value.bit_length()} bits"
    return f"{value!r:.60}"
