"""The operators that a bundle's graph may consist of, and what their attributes may be.

Those that same-export writes, each a plain function of tensors of known shapes, and their
attributes as it writes them. What is not here or out of its range is refused: libraries divide by
a stride or a group of 0 and trust a window of 2^40, and what nobody needs nobody has tried.
"""

from typing import Any, Final, NamedTuple

FLOAT, UINT8, INT8, INT32, INT64, FLOAT16 = 1, 2, 3, 6, 7, 10
ITEM_BYTES: Final = {FLOAT: 4, UINT8: 1, INT8: 1, INT32: 4, INT64: 8, FLOAT16: 2}
"""Of TensorProto.DataType; a bundle's graphs have no other types."""
MOST_DIMENSIONS: Final = 8

# AttributeProto.AttributeType -> the field that holds the value
_A_FLOAT, _AN_INT, _A_TEXT, _INTS = 1, 2, 3, 7
VALUE_FIELDS: Final = {
    _A_FLOAT: "f",
    _AN_INT: "i",
    _A_TEXT: "s",
    4: "t",
    6: "floats",
    _INTS: "ints",
    8: "strings",
}


class AttributeRule(NamedTuple):
    """What an attribute of some name may hold."""

    kind: int
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()


_ZERO = AttributeRule(_AN_INT, 0, 0)
_FLAG = AttributeRule(_AN_INT, 0, 1)
_AXIS = AttributeRule(_AN_INT, -MOST_DIMENSIONS, MOST_DIMENSIONS - 1)
_ONE = AttributeRule(_A_FLOAT, 1, 1)
_SIZES = AttributeRule(_INTS, 1, 32)
_PADS = AttributeRule(_INTS, 0, 32)


def _words(*words: str) -> AttributeRule:
    return AttributeRule(_A_TEXT, words=words)


_WINDOW: Final = {
    "auto_pad": _words("NOTSET"),
    "dilations": _SIZES,
    "kernel_shape": _SIZES,
    "pads": _PADS,
    "strides": _SIZES,
}
_REDUCE: Final = {"keepdims": _FLAG, "noop_with_empty_axes": _ZERO}

ALLOWED: Final[dict[str, dict[str, AttributeRule]]] = {
    **{name: {} for name in ("Add", "Clip", "Div", "Expand", "MatMul", "Mul", "Relu", "Sigmoid")},
    **{name: {} for name in ("Slice", "Squeeze", "Sub", "Tanh", "Unsqueeze")},
    "Cast": {"to": AttributeRule(_AN_INT, FLOAT, FLOAT16)},
    "Concat": {"axis": _AXIS},
    "Conv": {"group": AttributeRule(_AN_INT, 1, 1 << 13), **_WINDOW},
    "DequantizeLinear": {"axis": _AXIS},
    "Gather": {"axis": _AXIS},
    "Gelu": {"approximate": _words("none")},
    "Gemm": {"alpha": _ONE, "beta": _ONE, "transA": _ZERO, "transB": _FLAG},
    "GridSample": {
        "align_corners": _ZERO,
        "mode": _words("linear"),
        "padding_mode": _words("zeros"),
    },
    "LayerNormalization": {
        "axis": _AXIS,
        "epsilon": AttributeRule(_A_FLOAT, 1e-12, 1),
        "stash_type": AttributeRule(_AN_INT, FLOAT, FLOAT),
    },
    "MaxPool": {"ceil_mode": _ZERO, "storage_order": _ZERO, **_WINDOW},
    "QuantizeLinear": {"axis": _AXIS},
    **{operator: _REDUCE for operator in ("ReduceL2", "ReduceMax", "ReduceSum")},
    "Reshape": {"allowzero": _FLAG},
    "Resize": {
        "antialias": _ZERO,
        "coordinate_transformation_mode": _words("asymmetric"),
        "cubic_coeff_a": AttributeRule(_A_FLOAT, -1, 0),
        "exclude_outside": _ZERO,
        "extrapolation_value": AttributeRule(_A_FLOAT),
        "keep_aspect_ratio_policy": _words("stretch"),
        "mode": _words("nearest"),
        "nearest_mode": _words("floor"),
    },
    "Softmax": {"axis": _AXIS},
    "Split": {"axis": _AXIS, "num_outputs": AttributeRule(_AN_INT, 1, 64)},
    "Transpose": {"perm": AttributeRule(_INTS, 0, MOST_DIMENSIONS - 1)},
}
"""Operator of ONNX's own domain -> its attributes' rules: those that same-export writes for every
preset, precision and switch, and no others."""

CONSTANT_INPUTS: Final = {
    "Expand": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
    **{name: (1,) for name in ALLOWED if name.startswith("Reduce")},
}
"""Inputs that decide a shape: constants, so that every shape is known before anything runs."""

OPERATOR_DOMAIN: Final = "same"
OPERATOR_NAME: Final = "SpatialAwareDeformAttn"
OPERATOR_RULES: Final = {
    "num_shell_points": AttributeRule(_AN_INT, 1, 64),
    "delta": AttributeRule(_A_FLOAT, 0, 10),
    "pe_sum": _FLAG,
    "plugin_namespace": _words("same"),
    "plugin_version": _words("1"),
}
"""The project's own operator: its attributes' rules."""


def value_of(attribute: dict[str, Any], rule: AttributeRule) -> Any:
    """The value of a decoded AttributeProto. Raises ``ValueError`` unless it keeps ``rule``."""
    name, kind = attribute["name"], attribute.get("type", 0)
    field = VALUE_FIELDS.get(kind, "")
    if kind != rule.kind or attribute.keys() - {"name", "type", field}:
        raise ValueError(f"attribute {name} has another type than it may have")
    value = attribute.get(field)
    items = value if isinstance(value, list) else [value]
    if len(items) > 2 * MOST_DIMENSIONS:
        raise ValueError(f"attribute {name} is too long")
    for item in items:
        if item is None:
            raise ValueError(f"attribute {name} has no value")
        if isinstance(item, str):
            if item not in rule.words:
                raise ValueError(
                    f"attribute {name}: expected {' or '.join(rule.words)}, got {item[:64]!r}"
                )
        elif not rule.low <= item <= rule.high:
            raise ValueError(
                f"attribute {name}: expected {rule.low:g} to {rule.high:g}, got {item:g}"
            )
    return value
