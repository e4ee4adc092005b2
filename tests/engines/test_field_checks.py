"""Options and arguments of a wrong type or range are named, and never taken."""

import numpy as np
import pytest

from same_engines.errors import InvalidInputError
from same_engines.field_checks import (
    checked_choice,
    checked_flag,
    checked_number,
)


@pytest.mark.parametrize("good", [1, 1.5, np.float32(1.5), np.int64(2)])
def test_numbers_come_back_as_floats(good: float) -> None:
    found = checked_number("rate", good, 0.0, 2.0, "Hz")
    assert type(found) is float and found == good


@pytest.mark.parametrize("bad", ["1", None, True, np.nan, np.inf, -0.1, 2.1, [1.0], 1j])
def test_what_is_no_number_in_the_range_is_named(bad: object) -> None:
    with pytest.raises(InvalidInputError, match=r"rate: expected a number in 0..2 Hz, got"):
        checked_number("rate", bad, 0.0, 2.0, "Hz")


def test_flags_and_choices_are_exact() -> None:
    assert checked_flag("held", True) and checked_choice("mode", "a", ("a", "b")) == "a"
    for bad in (1, "yes", None):
        with pytest.raises(InvalidInputError, match="held: expected True or False"):
            checked_flag("held", bad)
        with pytest.raises(InvalidInputError, match="mode: expected one of a, b, got"):
            checked_choice("mode", bad, ("a", "b"))
