"""Read ONNX's protobuf messages, in the one way that protobuf itself writes them.

The libraries that run a graph have parsers of their own, more lenient than this one: they take
numbers in over-long spellings, fields in any order and twice, unknown fields, text that is not
ASCII. Here all of that is refused, so that what is passed means the same to every reader. It needs
neither the ``onnx`` package nor native code. Field numbers: onnx.proto3.
"""

import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

Fields = dict[str, Any]
"""A message: the values of its fields by name. Repeated fields are lists."""

_LONGEST_TEXT: Final = 512
_MOST_BITS: Final = 64
_VARINT, _BYTES, _FLOAT = 0, 2, 5  # wire types


class MalformedError(ValueError):
    """The bytes are no message in canonical spelling, or have a field that no bundle needs."""


class _Field(NamedTuple):
    name: str
    kind: str
    """``int``, ``float``, ``text``, ``bytes``, ``numbers`` (packed), or a message's name."""
    repeated: bool


_WIRE_TYPES: Final = {"int": _VARINT, "float": _FLOAT}
# message -> "number name kind", a kind with * is repeated. What is missing here is refused.
_MESSAGES: Final = {
    "model": """1 ir_version int, 2 producer_name text, 3 producer_version text, 4 domain text,
        5 model_version int, 6 doc_string text, 7 graph graph, 8 opset_import opset*,
        25 functions function*""",
    "opset": "1 domain text, 2 version int",
    "graph": """1 node node*, 2 name text, 5 initializer tensor*, 10 doc_string text,
        11 input value*, 12 output value*, 13 value_info value*""",
    "node": """1 input text*, 2 output text*, 3 name text, 4 op_type text, 5 attribute attribute*,
        6 doc_string text, 7 domain text""",
    "attribute": """1 name text, 2 f float, 3 i int, 4 s text, 5 t tensor, 7 floats float*,
        8 ints int*, 9 strings text*, 13 doc_string text, 20 type int, 21 ref_attr_name text""",
    "tensor": """1 dims int*, 2 data_type int, 4 float_data packed, 5 int32_data packed,
        7 int64_data packed, 8 name text, 9 raw_data bytes, 12 doc_string text,
        13 external_data bytes*, 14 location int""",
    "function": """1 name text, 4 input text*, 5 output text*, 6 attribute text*, 7 node node*,
        8 doc_string text, 9 opset_import opset*, 10 domain text, 13 overload text""",
    "value": "1 name text, 2 type bytes",
    "type": "1 tensor_type tensor_type",
    "tensor_type": "1 elem_type int, 2 shape shape",
    "shape": "1 dim dim*",
    "dim": "1 dim_value int",
}


def _table(fields: str) -> dict[int, _Field]:
    table = {}
    for field in fields.split(","):
        number, name, kind = field.split()
        plain = kind.rstrip("*")
        tag = int(number) << 3 | _WIRE_TYPES.get(plain, _BYTES)
        table[tag] = _Field(name, plain, plain != kind)
    return table


_TABLES: Final = {name: _table(fields) for name, fields in _MESSAGES.items()}


def read_model(content: bytes) -> Fields:
    """The fields of a serialised ModelProto. Raises ``MalformedError``."""
    try:
        return _message(content, "model", 0, len(content))
    except IndexError:
        raise MalformedError("truncated") from None


def without_functions(content: bytes) -> bytes:
    """A serialised ModelProto up to its functions, which come last. Raises ``MalformedError``."""
    position = 0
    try:
        while position < len(content):
            start = position
            tag, position = _number(content, position)
            if _TABLES["model"][tag].name == "functions":
                return content[:start]
            value, position = _number(content, position)
            if tag & 7 == _BYTES:
                position += value
    except (IndexError, KeyError):
        raise MalformedError("no model in canonical spelling") from None
    return content


def read_tensor_type(content: bytes) -> tuple[int, tuple[int, ...]]:
    """Element type and static shape of a serialised TypeProto. Raises ``MalformedError``."""
    try:
        tensor = _message(content, "type", 0, len(content)).get("tensor_type", {})
    except IndexError:
        raise MalformedError("truncated") from None
    if "elem_type" not in tensor or "shape" not in tensor:
        raise MalformedError("a tensor without a type or a shape")
    dims = [dim.get("dim_value", -1) for dim in tensor["shape"].get("dim", ())]
    return tensor["elem_type"], tuple(dims)


def _message(content: bytes, message: str, at: int, end: int) -> Fields:
    """The message in ``content[at:end]``; may run over ``end`` by a number's bytes, which is
    noticed there."""
    table, last = _TABLES[message], 0
    found: Fields = {}
    while at < end:
        tag = content[at]
        if tag < 0x80:  # nearly all are: worth the shorter way
            at += 1
        else:
            tag, at = _number(content, at)
        field = table.get(tag)
        if field is None:
            raise MalformedError(f"{message}: field {tag >> 3} of wire type {tag & 7} is unknown")
        name, kind, repeated = field
        if tag < last or (tag == last and not repeated):
            raise MalformedError(f"{message}: {name} comes twice or out of order")
        last = tag
        value: Any
        if kind == "int":
            value = content[at]
            if value < 0x80:
                at += 1
            else:
                value, at = _number(content, at)
                value -= (value >> 63) << 64  # as int64
        elif kind == "float":
            (value,) = struct.unpack_from("<f", content[at : at + 4].ljust(4, b"\0"))
            at += 4
        else:
            size = content[at]
            if size < 0x80:
                at += 1
            else:
                size, at = _number(content, at)
            if at + size > end:
                raise MalformedError("truncated")
            if kind == "text":
                value = _text(content[at : at + size])
            else:
                value = _content(content, name, kind, at, at + size)
            at += size
        if not repeated:
            found[name] = value
        elif name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    if at != end:
        raise MalformedError("truncated")
    return found


def _content(content: bytes, name: str, kind: str, at: int, end: int) -> Any:
    if name == "raw_data":
        return memoryview(content)[at:end]
    if kind == "bytes":
        return content[at:end]
    if kind == "packed":
        return _packed(content, name, at, end)
    return _message(content, kind, at, end)


def _packed(content: bytes, name: str, at: int, end: int) -> list[Any]:
    if name == "float_data":
        if (end - at) % 4:
            raise MalformedError("float_data: truncated")
        return list(struct.unpack_from(f"<{(end - at) // 4}f", content, at))
    numbers = []
    while at < end:
        number, at = _number(content, at)
        numbers.append(number - ((number >> 63) << 64))
    if at != end:
        raise MalformedError(f"{name}: truncated")
    return numbers


@lru_cache(maxsize=4096)  # a tensor's name comes back with each node that reads it
def _text(raw: bytes) -> str:
    text = raw.decode("ascii", "replace")
    if len(text) > _LONGEST_TEXT or not (text.isascii() and text.isprintable()):
        raise MalformedError(
            f"a text of other than up to {_LONGEST_TEXT} printable ASCII characters"
        )
    return text


def _number(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # Parsers read over-long numbers as the same number, or cut what is beyond 64 bits.
            if (byte == 0 and shift > 0) or value >> _MOST_BITS:
                raise MalformedError("a number that is not written in the one canonical way")
            return value, at
    raise MalformedError("a number of more than ten bytes")
