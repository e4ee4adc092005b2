"""What counts as a number in a file."""

import math

import numpy as np
import pytest

from same_engines.errors import InvalidInputError
from same_engines.json_values import number_array, parse_json, real_number, whole_number


@pytest.mark.parametrize("value", [640, 640.0, np.int64(640), np.float32(640)])
def test_whole_numbers(value: object) -> None:
    came = whole_number("width", value, 1, 1000)
    assert came == 640 and type(came) is int


@pytest.mark.parametrize(
    "value", [0, 1001, 640.5, math.nan, math.inf, True, "640", None, [640], 10**400, 1e300]
)
def test_what_is_no_whole_number_in_range(value: object) -> None:
    with pytest.raises(InvalidInputError, match="width: expected a whole number from 1 to 1000"):
        whole_number("width", value, 1, 1000)


@pytest.mark.parametrize("value", [math.nan, -math.inf, True, "1.5", None, [1.5], 10**400, 1e7])
def test_what_is_no_real_number_in_range(value: object) -> None:
    assert real_number("fx", 2, 1e6) == 2.0
    with pytest.raises(InvalidInputError, match="fx: expected a finite number within"):
        real_number("fx", value, 1e6)


@pytest.mark.parametrize(
    "value",
    [
        ["1", 2],
        [True, 2],
        [True, False],
        [10**400, 1],
        [[1], [2, 3]],
        [None, 1],
        5,
        [1],
        ["9" * 10**6, 1],
        [[[1]], 2],
    ],
)
def test_what_is_no_array_of_numbers(value: object) -> None:
    np.testing.assert_array_equal(number_array("v", [1, 2.5], (2,)), [1, 2.5])
    with pytest.raises(InvalidInputError, match="v: expected"):
        number_array("v", value, (2,))


def test_faults_are_kept_where_asked() -> None:
    assert np.isnan(number_array("v", [math.nan, 1], (2,), finite=False)[0])
    with pytest.raises(InvalidInputError, match="finite"):
        number_array("v", [math.nan, 1], (2,))


def test_an_integer_that_no_float_holds_is_no_real_number() -> None:
    assert real_number("fx", 1 << 53) == float(1 << 53)
    for value in ((1 << 53) + 1, -(10**300), 10**400):
        with pytest.raises(InvalidInputError, match="fx: expected a finite number"):
            real_number("fx", value)
        with pytest.raises(InvalidInputError, match="v: expected"):
            number_array("v", [1.0, value], (2,))


@pytest.mark.parametrize("text", ["[" * 100_000, b"\xff", "{", "9" * 5000])
def test_bad_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
