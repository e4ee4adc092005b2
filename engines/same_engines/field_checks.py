"""Checks that options and arguments share: one type, one range, one wording of the error."""

from collections.abc import Collection
from typing import TypeVar

import numpy as np

from same_engines.errors import InvalidInputError

Choice = TypeVar("Choice")


def checked_number(name: str, value: object, low: float, high: float, unit: str) -> float:
    """``value`` as a float. Raises ``InvalidInputError`` naming ``name`` and ``unit`` unless it
    is a number in ``low``..``high`` (both count); text, booleans and NaN are none."""
    kinds = int | float | np.integer | np.floating
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise InvalidInputError(
            f"{name}: expected a number in {low:g}..{high:g} {unit}, got {value!r}"
        )
    return float(value)


def checked_integer(name: str, value: object, low: int, high: int, unit: str) -> int:
    """``value`` as an int; as ``checked_number``, and a fraction or a float is none."""
    kinds = int | np.integer
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise InvalidInputError(
            f"{name}: expected an integer in {low}..{high} {unit}, got {value!r}"
        )
    return int(value)


def checked_flag(name: str, value: object) -> bool:
    """``value`` itself. Raises ``InvalidInputError`` unless it is True or False."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}: expected True or False, got {value!r}")
    return value


def checked_choice(name: str, value: Choice, choices: Collection[Choice]) -> Choice:
    """``value`` itself. Raises ``InvalidInputError`` unless it is one of ``choices``."""
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise InvalidInputError(f"{name}: expected one of {listed}, got {value!r}")
    return value
