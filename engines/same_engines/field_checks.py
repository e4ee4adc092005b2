"""Checks that options and arguments share: one type, one range, one wording of the error."""

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


def given_or_default(name: str, value: Kind | None, kind: type[Kind]) -> Kind:
    """``value``, or a ``kind()`` for None. Raises ``InvalidInputError`` for another type."""
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InvalidInputError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value
