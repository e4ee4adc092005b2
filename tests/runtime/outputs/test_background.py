"""Sending from a thread of its own."""

import pytest

from same_runtime import InvalidInputError
from same_runtime.outputs import Background


def test_what_is_no_output_is_named() -> None:
    with pytest.raises(InvalidInputError, match="outputs: expected Output, got NoneType"):
        Background(None)  # type: ignore[arg-type]
