"""JSON and numbers from files that others wrote: one rule for what counts as a number.

Booleans, strings and numbers in quotes are none. A whole number may be written ``640.0``. An
integer beyond 2^53, which a float64 may not hold exactly, is no real number: it is refused.
"""

import json
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError

_NUMERIC_KINDS: Final = "fiu"
_EXACT: Final = 1 << 53
_WORD: Final = 1 << 63
_MOST_DEPTH: Final = 64
_LONGEST_NAME: Final = 120
_MOST_VALUES: Final = 100_000


def parse_json(text: str | bytes) -> Any:
    """Parse JSON (``NaN`` and ``Infinity`` included). Raises ``ValueError`` only, also for
    another encoding than UTF-8 and for values nested without end."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def parse_strict_json(raw: bytes) -> Any:
    """Parse JSON that means the same to every reader, the native one among them: UTF-8 without a
    byte order mark, no name twice in an object, no NaN, infinity or lone surrogates, integers of
    64 bits, bounded depth and number of values.

    Raises ``ValueError``, which is an ``InvalidInputError`` where it names the value.
    """
    try:
        content = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_names_once, parse_constant=_no_constant
        )
    except RecursionError:
        raise ValueError("nested too deep") from None
    _check_values(content)
    return content


def _names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name twice in an object")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _check_values(content: object) -> None:
    held: list[tuple[str, object, int]] = [("", content, 0)]
    count = 1
    while held:
        where, value, depth = held.pop()
        if isinstance(value, str):
            _check_text(where, value)
        elif isinstance(value, int) and not -_WORD <= value < _WORD:
            raise InvalidInputError(f"{where}: an integer beyond 64 bits")
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidInputError(f"{where}: a number beyond any float")
        elif isinstance(value, dict | list):
            count += len(value)
            if depth == _MOST_DEPTH or count > _MOST_VALUES:
                what = "nested too deep" if depth == _MOST_DEPTH else "more values than any has"
                raise InvalidInputError(f"{where}: {what}")
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for name, item in items:
                _check_text(where, str(name))
                plain = name if str(name).isidentifier() or isinstance(name, int) else "?"
                held.append((f"{where}.{plain}"[:_LONGEST_NAME].lstrip("."), item, depth + 1))


def _check_text(where: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{where}: a text that is not Unicode") from None


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """``value`` as an int from ``low`` to ``high``; else ``InvalidInputError`` names ``name``."""
    number = _plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or not low <= number <= high:
        raise InvalidInputError(
            f"{name}: expected a whole number from {low} to {high}, got {shown(value)}"
        )
    return number


def real_number(name: str, value: object, limit: float = math.inf) -> float:
    """``value`` as a finite float within ``limit`` of 0; else ``InvalidInputError``."""
    number = _plain(value)
    if number is None or (isinstance(number, int) and abs(number) > _EXACT):
        number = math.nan
    real = float(number)
    if not math.isfinite(real) or abs(real) > limit:
        within = f" within +-{limit:g}" if limit < math.inf else ""
        raise InvalidInputError(f"{name}: expected a finite number{within}, got {shown(value)}")
    return real


def number_array(
    name: str, value: object, shape: tuple[int, ...], finite: bool = True
) -> NDArray[np.float64]:
    """``value`` (nested lists or an array) as a new float64 array of ``shape``.

    ``finite``: whether NaN and infinity are refused. Raises ``InvalidInputError``.
    """
    array: NDArray[Any]
    if isinstance(value, list | tuple):
        # Judged before NumPy, which makes as large an array as the longest text in them asks for.
        flat: list[int | float] = []
        _flatten(name, value, shape, shape, flat)
        array = np.array(flat, np.float64).reshape(shape)
    else:
        array = value if isinstance(value, np.ndarray) else np.zeros(0, object)
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise InvalidInputError(f"{name}: expected numbers, got {shown(value)}")
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


def _flatten(
    name: str, value: object, shape: tuple[int, ...], left: tuple[int, ...], flat: list[int | float]
) -> None:
    if left:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, list | tuple) or len(value) != left[0]:
            raise InvalidInputError(f"{name}: expected numbers of shape {shape}")
        for item in value:
            _flatten(name, item, shape, left[1:], flat)
        return
    number = _plain(value)
    if number is None or (isinstance(number, int) and abs(number) > _EXACT):
        raise InvalidInputError(f"{name}: expected numbers of shape {shape}, got {shown(value)}")
    flat.append(number)


def float_vector(name: str, value: object, size: int) -> NDArray[np.float64]:
    """``value``, of whatever kind NumPy makes arrays of, as a new (size,) float64 array; its
    numbers may be NaN. Raises ``InvalidInputError``."""
    try:
        array = np.asarray(value)
    except Exception:  # what an object's own conversion raises can be anything
        raise InvalidInputError(f"{name}: expected {size} numbers, got {shown(value)}") from None
    if array.dtype.kind not in _NUMERIC_KINDS:
        raise InvalidInputError(f"{name}: expected {size} numbers, got {shown(value)}")
    if array.shape != (size,):
        raise InvalidInputError(f"{name}: expected shape ({size},), got {array.shape}")
    return array.astype(np.float64)


def shown(value: object) -> str:
    """``value`` as an error's text shows it: short, whatever it is."""
    if isinstance(value, int) and abs(value) >= 1 << 64:  # its digits may be thousands
        return f"an integer of {value.bit_length()} bits"
    try:
        return f"{value!r:.60}"
    except Exception:  # its own or of what it holds
        return f"a {type(value).__name__}"
