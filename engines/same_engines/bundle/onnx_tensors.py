"""The constants and the declared shapes of a graph: static, finite, whole, and within a budget."""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_engines.bundle.onnx_operators import (
    FLOAT,
    FLOAT16,
    INT8,
    INT32,
    INT64,
    ITEM_BYTES,
    MOST_DIMENSIONS,
    UINT8,
)
from same_engines.bundle.onnx_wire import Fields, read_tensor_type

MOST_ELEMENTS: Final = 1 << 26
_MOST_TYPED: Final = 64
_LARGEST_INDEX: Final = 1 << 31
_ENDS: Final = np.iinfo(np.int64).min, np.iinfo(np.int64).max
"""What exporters write for 'to the end' of a slice."""
_DTYPES: Final[dict[int, np.dtype[Any]]] = {
    FLOAT: np.dtype("<f4"),
    UINT8: np.dtype("u1"),
    INT8: np.dtype("i1"),
    INT32: np.dtype("<i4"),
    INT64: np.dtype("<i8"),
    FLOAT16: np.dtype("<f2"),
}


class TensorType(NamedTuple):
    """Element type (of TensorProto.DataType) and static shape."""

    kind: int
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """In memory; processors compute half precision in single."""
        return self.elements * max(4, ITEM_BYTES[self.kind])


def declared_types(values: list[Fields]) -> dict[str, TensorType]:
    """The types of a graph's ValueInfoProtos by name. Raises ``ValueError``."""
    known: dict[bytes, TensorType] = {}
    found: dict[str, TensorType] = {}
    for value in values:
        name, raw = value.get("name", ""), value.get("type", b"")
        if raw not in known:  # many tensors have one type
            known[raw] = _checked(name, *read_tensor_type(raw))
        if not name or found.setdefault(name, known[raw]) != known[raw]:
            raise ValueError(f"tensor {name!r} is declared twice")
    return found


def constant_type(tensor: Fields) -> TensorType:
    """The type of a TensorProto once its content is checked. Raises ``ValueError``."""
    name = tensor.get("name", "")
    if "external_data" in tensor or tensor.get("location", 0) != 0:
        raise ValueError(
            "a tensor keeps its data in another file; a bundle's graphs must hold their weights "
            "themselves"
        )
    found = _checked(name, tensor.get("data_type", 0), tuple(tensor.get("dims", ())))
    values = _values(tensor, found)
    if values.size != found.elements:
        raise ValueError(f"tensor {name!r} has {values.size} elements, its shape {found.shape}")
    if values.dtype.kind == "f":
        # One pass without a copy: a sum is finite only where every term is.
        with np.errstate(over="ignore", invalid="ignore"):
            total = values.sum(dtype=np.float32 if found.kind == FLOAT16 else None)
        if not np.isfinite(total) and not np.isfinite(values).all():
            raise ValueError(f"tensor {name!r} holds values that are not finite")
    elif found.kind in (INT64, INT32):
        inside = np.abs(values.astype(np.float64)) <= _LARGEST_INDEX
        if not (inside | np.isin(values, _ENDS)).all():
            raise ValueError(f"tensor {name!r} holds numbers that no index or size can be")
    return found


def _values(tensor: Fields, found: TensorType) -> NDArray[Any]:
    data = [name for name in tensor if name.endswith("_data")]
    if data == ["raw_data"]:
        raw = tensor["raw_data"]
        if len(raw) != found.elements * ITEM_BYTES[found.kind]:
            raise ValueError(f"tensor {tensor.get('name')!r} has another size than its shape says")
        return np.frombuffer(raw, _DTYPES[found.kind])
    typed = {FLOAT: "float_data", INT64: "int64_data"}.get(found.kind, "int32_data")
    if data != [typed] or found.elements > _MOST_TYPED:
        raise ValueError(f"tensor {tensor.get('name')!r} does not hold its data as raw bytes")
    # Half precision is held as its bits.
    dtype = np.dtype("<u2") if found.kind == FLOAT16 else _DTYPES[found.kind]
    numbers = tensor[typed]
    if dtype.kind != "f":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if not all(low <= number <= high for number in numbers):
            raise ValueError(f"tensor {tensor.get('name')!r} holds numbers out of its type's range")
    return np.array(numbers, dtype).view(_DTYPES[found.kind])


def _checked(name: str, kind: int, shape: tuple[int, ...]) -> TensorType:
    if kind not in ITEM_BYTES:
        raise ValueError(f"tensor {name!r} is of an element type ({kind}) that no bundle needs")
    if len(shape) > MOST_DIMENSIONS or any(size < 1 for size in shape):
        raise ValueError(f"tensor {name!r}: expected a static shape, got {shape}")
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(f"tensor {name!r} has more than {MOST_ELEMENTS} elements")
    return TensorType(kind, shape)
