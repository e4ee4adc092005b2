"""Refuse ONNX files that point outside themselves, without parsing them as a model.

An ONNX tensor may name an external file, which a hostile model can aim anywhere. The check
walks the protobuf wire format of the few message types that can hold tensors, so it needs
neither the ``onnx`` package nor a native parser. Where parsers are lenient it refuses: what it
passes must mean the same to all of them. Field numbers: onnx.proto3.
"""

from collections.abc import Iterator

from same_engines.errors import BundleError

_MAX_DEPTH = 32
_INSIDE = 0
_MAX_TAG = (1 << 32) - 1
_MAX_VARINT = (1 << 64) - 1

# message type -> {field number: type of the message it holds}
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION, _TRAINING = range(8)
_CHILDREN: dict[int, dict[int, int]] = {
    _MODEL: {7: _GRAPH, 20: _TRAINING, 25: _FUNCTION},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    _TENSOR: {},
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
    _FUNCTION: {7: _NODE, 11: _ATTRIBUTE},
    _TRAINING: {1: _GRAPH, 2: _GRAPH},
}
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14


def refuse_external_data(model: bytes, where: str) -> None:
    """Raise ``BundleError`` if ``model`` (a serialised ONNX ModelProto) is not a well-formed
    message or any tensor in it keeps its data in another file. ``where`` names the file."""
    try:
        _walk(memoryview(model), _MODEL, 0, where)
    except (IndexError, ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not a well-formed ONNX file ({error})") from None


def _walk(message: memoryview, kind: int, depth: int, where: str) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("graphs nested too deep")
    for number, value in _fields(message):
        if kind == _TENSOR and (
            number == _TENSOR_EXTERNAL_DATA
            # Parsers keep the lower 32 bits of an enumeration: only 0 is surely 'inside'.
            or (number == _TENSOR_DATA_LOCATION and value != _INSIDE)
        ):
            raise BundleError(
                f"{where}: a tensor keeps its data in another file; a bundle's graphs must hold "
                "their weights themselves (export again with same-export)"
            )
        child = _CHILDREN[kind].get(number)
        if child is not None:
            if not isinstance(value, memoryview):
                raise ValueError(f"field {number} has the wrong wire type")
            _walk(value, child, depth + 1, where)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, integer or bytes) of one protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key > _MAX_TAG:
            raise ValueError(f"field number {key >> 3} is too large")
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError("field number 0")
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(message, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if at + size > len(message):
            raise ValueError("truncated")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # Parsers read over-long numbers as the same number, or cut what is beyond 64 bits.
            if (byte == 0 and shift > 0) or value > _MAX_VARINT:
                raise ValueError("a number that is not written in the one canonical way")
            return value, at
    raise ValueError("varint too long")
