"""Nodes whose shapes and attributes do not fit together are refused."""

from typing import Any

import pytest

from same_engines.bundle.onnx_fit import Shape, check_fit
from same_engines.bundle.onnx_operators import ALLOWED

GOOD: list[tuple[str, dict[str, Any], list[Shape | None], list[Shape]]] = [
    ("Add", {}, [(2, 1, 4), (3, 1)], [(2, 3, 4)]),
    ("Expand", {}, [(1, 4), (2,)], [(3, 4)]),
    ("Clip", {}, [(2, 3), (), ()], [(2, 3)]),
    ("Split", {"axis": 1, "num_outputs": 2}, [(2, 5)], [(2, 3), (2, 2)]),
    ("Split", {"axis": -1}, [(2, 5), (2,)], [(2, 3), (2, 2)]),
    ("Concat", {"axis": -2}, [(1, 2), (3, 2)], [(4, 2)]),
    ("Transpose", {"perm": [2, 0, 1]}, [(1, 2, 3)], [(3, 1, 2)]),
    ("Transpose", {}, [(1, 2, 3)], [(3, 2, 1)]),
    ("Reshape", {"allowzero": 1}, [(2, 6), (2,)], [(3, 4)]),
    ("Softmax", {}, [(2, 3)], [(2, 3)]),
    ("Resize", {"mode": "nearest"}, [(1, 1, 2, 2), None, (4,)], [(1, 1, 4, 4)]),
    (
        "Conv",
        {"group": 2, "kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]},
        [(1, 4, 8, 8), (6, 2, 3, 3), (6,)],
        [(1, 6, 8, 8)],
    ),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, [(1, 2, 4, 4)], [(1, 2, 2, 2)]),
]
BAD: list[tuple[str, dict[str, Any], list[Shape | None], list[Shape]]] = [
    ("Add", {}, [(2, 3), (2, 2)], [(2, 3)]),
    ("Add", {}, [(2, 1), (1, 2)], [(2, 1)]),
    ("Add", {}, [(2,)], [(2,)]),
    ("Add", {}, [(2,), None], [(2,)]),
    ("Relu", {}, [(2,)], [(3,)]),
    ("Relu", {}, [(2,)], [(2,), (2,)]),
    ("Split", {"axis": 0, "num_outputs": 1}, [(4,)], [(2,), (2,)]),
    ("Split", {"axis": 0, "num_outputs": 2}, [(4,)], [(2,), (3,)]),
    ("Split", {"axis": 1}, [(4,)], [(2,), (2,)]),
    ("Concat", {"axis": 0}, [(1, 2), (3, 3)], [(4, 2)]),
    ("Concat", {"axis": 0}, [(1, 2), (3,)], [(4, 2)]),
    ("Concat", {"axis": 0}, [(), ()], [()]),
    ("Transpose", {"perm": [0, 0]}, [(2, 2)], [(2, 2)]),
    ("Transpose", {"perm": [1, 0, 2]}, [(2, 3)], [(3, 2)]),
    ("Reshape", {}, [(2, 6), (2,)], [(3, 5)]),
    ("Gather", {"axis": 2}, [(2, 2), (1,)], [(1, 2)]),
    ("Resize", {}, [None, None, (4,)], [(1, 1, 4, 4)]),
    ("Conv", {"strides": [1]}, [(1, 4, 8, 8), (6, 4, 3, 3)], [(1, 6, 6, 6)]),
    ("Conv", {"pads": [1, 1]}, [(1, 4, 8, 8), (6, 4, 3, 3)], [(1, 6, 6, 6)]),
    ("Conv", {"kernel_shape": [5, 5]}, [(1, 4, 8, 8), (6, 4, 3, 3)], [(1, 6, 6, 6)]),
    ("Conv", {"group": 4}, [(1, 4, 8, 8), (6, 1, 3, 3)], [(1, 6, 6, 6)]),
    ("Conv", {}, [(1, 4, 8, 8), (6, 4, 3, 3), (5,)], [(1, 6, 6, 6)]),
    ("Conv", {}, [(1, 4, 8, 8)], [(1, 6, 6, 6)]),
    ("MaxPool", {}, [(1, 2, 4, 4)], [(1, 2, 2, 2)]),
]


@pytest.mark.parametrize(("operator", "attributes", "read", "written"), GOOD)
def test_what_fits_passes(
    operator: str, attributes: dict[str, Any], read: list[Shape | None], written: list[Shape]
) -> None:
    check_fit(operator, attributes, read, written)


@pytest.mark.parametrize(("operator", "attributes", "read", "written"), BAD)
def test_what_does_not_fit_is_refused(
    operator: str, attributes: dict[str, Any], read: list[Shape | None], written: list[Shape]
) -> None:
    with pytest.raises(ValueError, match=operator):
        check_fit(operator, attributes, read, written)


@pytest.mark.parametrize("operator", ALLOWED)
def test_every_operator_that_is_allowed_is_judged(operator: str) -> None:
    with pytest.raises(ValueError, match="of 0 inputs"):
        check_fit(operator, {}, [], [(1,)])
