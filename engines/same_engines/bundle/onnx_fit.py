"""Whether a node's inputs, outputs and attributes fit together, by their declared shapes.

The libraries that run graphs take much of this for granted: a ``Split`` into other than its outputs
ends the process. What is not judged here (a convolution's spatial sizes, how a matrix product is
broadcast) is left to ONNX Runtime's inference of shapes, which refuses what differs from the
declared.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

Shape = tuple[int, ...]

_ARITY: Final = {
    "Add Div Expand MatMul Mul Reshape Squeeze Sub Unsqueeze Gather GridSample": (2, 2),
    "Cast Gelu MaxPool Relu Sigmoid Softmax Tanh Transpose": (1, 1),
    "Clip Conv Gemm LayerNormalization": (1, 3),
    "Concat": (1, 64),
    "DequantizeLinear QuantizeLinear": (2, 3),
    "ReduceL2 ReduceMax ReduceSum Split": (1, 2),
    "Resize": (3, 4),
    "Slice": (3, 5),
}
_INPUTS: Final = {name: span for names, span in _ARITY.items() for name in names.split()}
_BROADCAST: Final = frozenset({"Add", "Div", "Mul", "Sub", "Expand"})
_SAME_SHAPE: Final = frozenset(
    {"Cast", "Clip", "DequantizeLinear", "Gelu", "LayerNormalization", "QuantizeLinear", "Relu"}
    | {"Sigmoid", "Softmax", "Tanh"}
)
_SAME_ELEMENTS: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze"})
_SAME_RANK: Final = frozenset({"Conv", "MaxPool", "Resize", "Slice", "GridSample"})


def check_fit(
    operator: str,
    attributes: Mapping[str, Any],
    read: Sequence[Shape | None],
    written: Sequence[Shape],
) -> None:
    """Raise ``ValueError`` unless a node of one of the allowed operators fits together.

    ``read``: shapes of its inputs, None for one that is left out; ``written``: of its outputs.
    """
    low, high = _INPUTS[operator]
    # Only the region of interest may be left out, which resizing does not need.
    needed = [*read[:1], *read[2:]] if operator == "Resize" else read
    if not low <= len(read) <= high or None in needed:
        raise ValueError(f"{operator} of {len(read)} inputs")
    if operator != "Split" and len(written) != 1:
        raise ValueError(f"{operator} of {len(written)} outputs")
    given = [shape for shape in read if shape is not None]
    first, out = given[0], written[0]
    axis = attributes.get("axis", -1 if operator in ("LayerNormalization", "Softmax") else 0)
    if "axis" in attributes and first and not -len(first) <= axis < len(first):
        raise ValueError(f"{operator} along axis {axis} of {first}")
    if operator == "Split":
        parts = int(attributes.get("num_outputs", len(written)))
        fits = parts == len(written) and _joins(first, written, axis)
    elif operator == "Concat":
        fits = _joins(out, given, axis)
    elif operator == "Transpose":
        turned = attributes.get("perm", list(range(len(first)))[::-1])
        fits = sorted(turned) == list(range(len(first)))
        fits = fits and out == tuple(first[index] for index in turned)
    elif operator in _BROADCAST:
        fits = _broadcasts(given if operator != "Expand" else [first, out], out)
    elif operator in _SAME_SHAPE:
        fits = first == out
    elif operator in _SAME_ELEMENTS:
        fits = prod(first) == prod(out)
    elif operator in _SAME_RANK:
        fits = len(first) == len(out) and _window_fits(operator, attributes, given)
    else:
        fits = True
    if not fits:
        raise ValueError(f"{operator} of shapes {given} and attributes to {list(written)}")


def _joins(whole: Shape, parts: Sequence[Shape], axis: int) -> bool:
    """Whether ``parts`` one after the other along ``axis`` are ``whole``."""
    if not whole or any(len(part) != len(whole) for part in parts):
        return False
    axis %= len(whole)
    rest = whole[:axis] + whole[axis + 1 :]
    return sum(part[axis] for part in parts) == whole[axis] and all(
        part[:axis] + part[axis + 1 :] == rest for part in parts
    )


def _broadcasts(shapes: Sequence[Shape], out: Shape) -> bool:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    columns = list(zip(*padded, strict=True))
    return len(out) == rank and all(
        max(sizes) == size and {1, size}.issuperset(sizes)
        for sizes, size in zip(columns, out, strict=True)
    )


def _window_fits(operator: str, attributes: Mapping[str, Any], given: Sequence[Shape]) -> bool:
    if operator not in ("Conv", "MaxPool"):
        return True
    spatial = len(given[0]) - 2
    lengths = {"kernel_shape": 1, "strides": 1, "dilations": 1, "pads": 2}
    if spatial < 1 or any(
        len(attributes[name]) != times * spatial
        for name, times in lengths.items()
        if name in attributes
    ):
        return False
    if operator == "MaxPool":
        return "kernel_shape" in attributes
    if len(given) < 2 or len(given[1]) != len(given[0]):
        return False
    groups, weights = attributes.get("group", 1), given[1]
    return (
        given[0][1] == weights[1] * groups
        and weights[0] % groups == 0
        and list(attributes.get("kernel_shape", weights[2:])) == list(weights[2:])
        and given[2:] in ([], [(weights[0],)])
    )
