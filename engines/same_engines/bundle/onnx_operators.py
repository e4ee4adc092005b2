"""The operators that a bundle's graph may consist of, and what their attributes may be.

Standard arithmetic, shape and network operators, each a plain function of tensors of known shapes.
No control flow, sequences, text, randomness or files. An attribute that is not here, or out of its
range, is refused: libraries divide by a stride or a group of 0 and trust a window of 2^40.
"""

from typing import Any, Final, NamedTuple

FLOAT, UINT8, INT8, INT32, INT64, BOOL, FLOAT16, DOUBLE = 1, 2, 3, 6, 7, 9, 10, 11
ITEM_BYTES: Final = {
    FLOAT: 4,
    UINT8: 1,
    INT8: 1,
    INT32: 4,
    INT64: 8,
    BOOL: 1,
    FLOAT16: 2,
    DOUBLE: 8,
}
MOST_DIMENSIONS: Final = 8

# AttributeProto.AttributeType -> the field that holds the value
_A_FLOAT, _AN_INT, _A_TEXT, _A_TENSOR, _FLOATS, _INTS, _TEXTS = 1, 2, 3, 4, 6, 7, 8
VALUE_FIELDS: Final = {
    _A_FLOAT: "f",
    _AN_INT: "i",
    _A_TEXT: "s",
    _A_TENSOR: "t",
    _FLOATS: "floats",
    _INTS: "ints",
    _TEXTS: "strings",
}


class AttributeRule(NamedTuple):
    """What an attribute of some name may hold."""

    kind: int
    low: float = -1e30
    high: float = 1e30
    longest: int = 2 * MOST_DIMENSIONS


_FLAG = AttributeRule(_AN_INT, 0, 1)
_WORD = AttributeRule(_A_TEXT, longest=64)
_RULES: Final = {
    name: rule
    for names, rule in {
        """align_corners allowzero antialias ceil_mode count_include_pad exclude_outside exclusive
        fmod keepdims largest linear_before_reset noop_with_empty_axes reverse saturate sorted
        transA transB""": _FLAG,
        """approximate auto_pad coordinate_transformation_mode direction equation mode
        keep_aspect_ratio_policy nearest_mode padding_mode""": _WORD,
        """alpha beta bias clip cubic_coeff_a epsilon extrapolation_value gamma lambd
        value_float""": AttributeRule(_A_FLOAT),
        "blocksize group hidden_size num_groups num_outputs p": AttributeRule(_AN_INT, 1, 1 << 16),
        "dilations kernel_shape strides": AttributeRule(_INTS, 1, 1 << 10),
        "output_padding pads": AttributeRule(_INTS, 0, 1 << 10),
        "axis": AttributeRule(_AN_INT, -MOST_DIMENSIONS, MOST_DIMENSIONS - 1),
        "axes": AttributeRule(_INTS, -MOST_DIMENSIONS, MOST_DIMENSIONS - 1),
        "perm": AttributeRule(_INTS, 0, MOST_DIMENSIONS - 1),
        "batch_dims": AttributeRule(_AN_INT, 0, MOST_DIMENSIONS - 1),
        "activations": AttributeRule(_TEXTS),
        "layout storage_order": AttributeRule(_AN_INT, 0, 0),
        "stash_type": AttributeRule(_AN_INT, FLOAT, FLOAT),
        "to": AttributeRule(_AN_INT, FLOAT, DOUBLE),
        "value": AttributeRule(_A_TENSOR),
        "value_floats": AttributeRule(_FLOATS, longest=64),
        "value_int": AttributeRule(_AN_INT, -(1 << 31), 1 << 31),
        "value_ints": AttributeRule(_INTS, -(1 << 31), 1 << 31, 64),
    }.items()
    for name in names.split()
}

_POOL: Final = "auto_pad ceil_mode dilations kernel_shape pads strides"
_RNN: Final = "activations clip direction hidden_size layout"
_REDUCE: Final = "keepdims noop_with_empty_axes"
# operators -> the attributes they may have
_OPERATORS: Final = {
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh Ceil Clip Cos Cosh Div Equal Erf Exp Floor": "",
    "Greater GreaterOrEqual HardSwish Identity IsInf IsNaN Less LessOrEqual Log MatMul Max": "",
    "Mean Min Mish Mul Neg Not Or PRelu Pow Reciprocal Relu Round Sigmoid Sign Sin Sinh": "",
    "Softplus Softsign Sqrt Sub Sum Tan Tanh Where Xor GlobalAveragePool GlobalMaxPool": "",
    "Expand Slice Squeeze Tile Unsqueeze MatMulInteger": "",
    "Reshape": "allowzero",
    "Celu Elu HardSigmoid LeakyRelu Selu ThresholdedRelu": "alpha beta gamma",
    "Gelu": "approximate",
    "Shrink": "bias lambd",
    "Mod": "fmod",
    "Cast CastLike": "to saturate",
    "Constant": "value value_float value_floats value_int value_ints",
    "ConstantOfShape": "value",
    "Range": "",
    "Concat Gather GatherElements Hardmax LogSoftmax Softmax Flatten": "axis",
    "GatherND": "batch_dims",
    "Split": "axis num_outputs",
    "TopK": "axis largest sorted",
    "ArgMax ArgMin": "axis keepdims",
    "CumSum": "exclusive reverse",
    "Transpose": "perm",
    "Pad": "mode",
    "Trilu": "",
    "DepthToSpace SpaceToDepth": "blocksize mode",
    "Einsum": "equation",
    "Gemm": "alpha beta transA transB",
    "Conv ConvTranspose": "auto_pad dilations group kernel_shape output_padding pads strides",
    "MaxPool AveragePool": f"{_POOL} count_include_pad storage_order",
    "LpNormalization LpPool GlobalLpPool": f"{_POOL} axis p",
    "BatchNormalization InstanceNormalization": "epsilon",
    "LayerNormalization": "axis epsilon stash_type",
    "GroupNormalization": "epsilon num_groups stash_type",
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin": _REDUCE,
    "ReduceProd ReduceSum ReduceSumSquare": _REDUCE,
    "GridSample": "align_corners mode padding_mode",
    "Resize": """antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside
        extrapolation_value keep_aspect_ratio_policy mode nearest_mode""",
    "QuantizeLinear DequantizeLinear": "axis saturate",
    "LSTM": _RNN,
    "GRU": f"{_RNN} linear_before_reset",
}

ALLOWED: Final = {
    operator: {name: _RULES[name] for name in attributes.split()}
    for operators, attributes in _OPERATORS.items()
    for operator in operators.split()
}
"""Operator of ONNX's own domain -> its attributes' rules."""

CONSTANT_INPUTS: Final = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "Pad": (1, 2, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
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
    "plugin_namespace": _WORD,
    "plugin_version": _WORD,
}
"""The project's own operator: its attributes' rules."""


def value_of(attribute: dict[str, Any], rule: AttributeRule) -> Any:
    """The value of a decoded AttributeProto. Raises ``ValueError`` unless it keeps ``rule``."""
    name, kind = attribute["name"], attribute.get("type", 0)
    field = VALUE_FIELDS.get(kind)
    extra = attribute.keys() - {"name", "type", field}
    if kind != rule.kind or field is None or extra:
        raise ValueError(f"attribute {name} has another type than it may have")
    value = attribute.get(field, [] if kind in (_FLOATS, _INTS, _TEXTS) else None)
    items = value if isinstance(value, list) else [value]
    if len(items) > rule.longest or (isinstance(value, str) and len(value) > rule.longest):
        raise ValueError(f"attribute {name} is too long")
    for item in items:
        if kind == _A_TENSOR:
            continue
        if item is None or (kind in (_A_TEXT, _TEXTS)) != isinstance(item, str):
            raise ValueError(f"attribute {name} has no value")
        if not isinstance(item, str) and not rule.low <= item <= rule.high:
            raise ValueError(
                f"attribute {name}: expected {rule.low:g} to {rule.high:g}, got {item:g}"
            )
    return value
