"""Checks that options and arguments share: one type, one range, one wording of the error."""

import math
from collections.abc import Collection
from typing import TypeVar

from same_engines.errors import InvalidInputError
from same_engines.json_values import real_number, shown

Choice = TypeVar("Choice")
Kind = TypeVar("Kind")


def checked_number(name: str, value: object, low: float, high: float, unit: str) -> float:
    """``value`` as a float. Raises ``InvalidInputError`` naming ``name`` and ``unit`` unless it
    is a number in ``low``..``high`` (both count); text, booleans and NaN are none."""
    try:
        number = real_number(name, value)
    except InvalidInputError:
        number = None
    if number is None or not low <= number <= high:
        raise InvalidInputError(
            f"{name}: expected a number in {low:g}..{high:g} {unit}, got {shown(value)}"
        )
    return number


def check_ranges(options: object, **ranges: tuple[float, float]) -> None:
    """Raise ``InvalidInputError`` unless every named field of ``options`` lies in its range (both
    ends count); a field that is None is left alone, NaN lies nowhere."""
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            wanted = f"at least {low:.15g}" if math.isinf(high) else f"{low:.15g} to {high:.15g}"
            raise InvalidInputError(f"{name}: expected {wanted}, got {shown(value)}")


def checked_flag(name: str, value: object) -> bool:
    """``value`` itself. Raises ``InvalidInputError`` unless it is True or False."""
    if not isinstance(value, bool):
        raise InvalidInputError(f"{name}: expected True or False, got {shown(value)}")
    return value


def checked_choice(name: str, value: Choice, choices: Collection[Choice]) -> Choice:
    """``value`` itself. Raises ``InvalidInputError`` unless it is one of ``choices``."""
    # Compared with its own kind only: arrays and others answer a comparison as they like.
    if not isinstance(value, tuple({type(choice) for choice in choices})) or value not in choices:
        listed = ", ".join(map(str, choices))
        raise InvalidInputError(f"{name}: expected one of {listed}, got {shown(value)}")
    return value


def check_kind(name: str, value: object, *kinds: type) -> None:
    """Raise ``InvalidInputError`` unless ``value`` is of one of ``kinds``."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidInputError(f"{name}: expected {wanted}, got {type(value).__name__}")


def given_or_default(name: str, value: Kind | None, kind: type[Kind]) -> Kind:
    """``value``, or a ``kind()`` for None. Raises ``InvalidInputError`` for another type."""
    if value is None:
        return kind()
    check_kind(name, value, kind)
    return value
