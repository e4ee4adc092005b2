"""Read pickled numbers of others without pickle: no code of theirs runs, and none of NumPy's that
builds arrays from states.

A pickle is a program for a stack machine that may call any function. Of its operations those are
known here that lay out numbers, text and containers, and of the functions that it may name those
that NumPy's arrays are written with; what they would do is done here, on bytes whose number is
checked first.
"""

import pickletools
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from same_engines.errors import DataError
from same_engines.files.regular_files import open_regular
from same_model.data.array_files import number_type, read_header

_MOST_BYTES: Final = 1 << 30
_MOST_OPERATIONS: Final = 200_000
_MOST_DEPTH: Final = 32
_ONE_OBJECT: Final = ("|O", "O")

Names = frozenset[tuple[str, str]]


class InertObject:
    """Stands in for an instance of a class that is not loaded: its state, and no behaviour."""

    def __init__(self) -> None:
        self.state: Any = None


class _Name:
    """A function or class that the pickle names."""

    def __init__(self, module: str, name: str) -> None:
        self.full = (module, name)


class _Type:
    """A dtype being built: NumPy sets the byte order last."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Array:
    """An array being built: empty until its state is set."""

    def __init__(self) -> None:
        self.value: Any = None


_MARK: Final = object()
_PUSHED: Final = {
    name
    for names in (
        "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT",
        "UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8",
        "SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8",
    )
    for name in names.split()
}
_TEXT: Final = frozenset(("STRING", "SHORT_BINSTRING", "BINSTRING"))
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NOTHING: Final = frozenset(("PROTO", "FRAME"))
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """Runs one pickle. Raises ``DataError``; whatever else it raises means a damaged one."""

    def __init__(self, inert: Names) -> None:
        self._inert = inert
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, operations: Iterator[tuple[Any, Any, Any]]) -> Any:
        """The object that ``operations`` (of ``pickletools.genops``) lay out."""
        for count, (operation, argument, _) in enumerate(operations):
            if count > _MOST_OPERATIONS:
                raise DataError(f"a pickle of more than {_MOST_OPERATIONS} operations")
            if operation.name == "STOP":
                return self._pop()
            self._do(operation.name, argument)
        raise DataError("a pickle without an end")

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _PUSHED:
            stack.append(bytes(argument) if isinstance(argument, bytearray) else argument)
        elif name in _TEXT:  # genops gives Python 2's strings as Latin-1 text
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            count = _TUPLES[name]
            stack.append(tuple(self._pop() for _ in range(count))[::-1])
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo[int(argument)])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name == "GLOBAL":
            module, _, attribute = argument.partition(" ")
            stack.append(self._name(module, attribute))
        elif name not in _NOTHING:
            build = self._builders().get(name)
            if build is None:
                raise DataError(f"refused the pickle operation {name}")
            build()

    def _builders(self) -> dict[str, Callable[[], None]]:
        stack = self._stack
        return {
            "MARK": lambda: stack.append(_MARK),
            "POP": self._drop,
            "POP_MARK": lambda: self._to_mark().clear(),
            "EMPTY_LIST": lambda: stack.append([]),
            "EMPTY_DICT": lambda: stack.append({}),
            "TUPLE": lambda: stack.append(tuple(self._to_mark())),
            "LIST": lambda: stack.append(self._to_mark()),
            "DICT": lambda: self._set_items(self._to_mark(), new=True),
            "APPEND": lambda: self._extend([self._pop()]),
            "APPENDS": lambda: self._extend(self._to_mark()),
            "SETITEM": lambda: self._set_items([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda: self._set_items(self._to_mark()),
            "STACK_GLOBAL": self._stack_global,
            "REDUCE": self._call,
            "NEWOBJ": self._call,
            "BUILD": self._set_state,
        }

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise DataError("a mark where a value should be")
        return value

    def _drop(self) -> None:
        self._stack.pop()

    def _to_mark(self) -> list[Any]:
        at = len(self._stack) - 1 - self._stack[::-1].index(_MARK)
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def _extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise DataError("something appended to what is no list")
        self._stack[-1].extend(values)

    def _set_items(self, values: list[Any], new: bool = False) -> None:
        if new:
            self._stack.append({})
        target = self._stack[-1]
        if not isinstance(target, dict) or len(values) % 2:
            raise DataError("items of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if not isinstance(key, str | int | bytes):
                raise DataError(f"a key of type {type(key).__name__}")
            target[key] = value

    def _stack_global(self) -> None:
        attribute, module = self._pop(), self._pop()
        self._stack.append(self._name(module, attribute))

    def _name(self, module: Any, attribute: Any) -> _Name:
        full = (module, attribute)
        if full not in _CALLS and full not in _BASES and full not in self._inert:
            raise DataError(f"refused to load {module}.{attribute}: only arrays and containers")
        return _Name(module, attribute)

    def _call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise DataError("refused a call of what is no name")
        if function.full in self._inert:
            self._stack.append(InertObject())
        elif function.full in _CALLS:
            self._stack.append(_CALLS[function.full](*arguments))
        else:
            raise DataError(f"refused a call of {'.'.join(function.full)}")

    def _set_state(self) -> None:
        state, target = self._pop(), self._stack[-1]
        if isinstance(target, InertObject):
            target.state = state
        elif isinstance(target, _Type):
            _set_byte_order(target, state)
        elif isinstance(target, _Array) and target.value is None:
            version, shape, kind, fortran, content = state
            target.value = _filled(shape, kind, fortran, content)
        else:
            raise DataError(f"refused to set the state of a {type(target).__name__}")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if not isinstance(kind, _Name) or kind.full != ("numpy", "ndarray"):
        raise DataError("refused an array of another class")
    return _Array()


def _dtype(kind: Any, *_: Any) -> _Type:
    text = kind.decode("latin1") if isinstance(kind, bytes) else kind
    if not isinstance(text, str) or (text not in _ONE_OBJECT and text != "O8"):
        number_type(text if isinstance(text, str) else repr(kind))
    return _Type("O" if str(text).endswith(("O", "O8")) else text)


def _set_byte_order(target: _Type, state: Any) -> None:
    # (version, byte order, subtype, names, fields, size, alignment, flags[, metadata])
    order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
    if order not in ("<", ">", "=", "|") or any(part is not None for part in state[2:5]):
        raise DataError("refused a type of records")
    if target.kind != "O":
        target.kind = order + target.kind.lstrip("<>=|")


def _filled(shape: Any, kind: Any, fortran: Any, content: Any) -> Any:
    """The array, or the object itself for NumPy's wrapping of one object."""
    if not isinstance(kind, _Type) or not isinstance(shape, tuple):
        raise DataError("refused an array without a type")
    if not all(isinstance(size, int) and 0 <= size <= _MOST_BYTES for size in shape):
        raise DataError("refused an array without a shape")
    if kind.kind == "O":
        if prod(shape) != 1 or not isinstance(content, list) or len(content) != 1:
            raise DataError("refused an array of objects")
        return content[0]
    dtype = number_type(kind.kind)
    raw = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(raw, bytes) or len(raw) != prod(shape) * dtype.itemsize:
        raise DataError(f"refused an array of {shape} with data of another size")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")


def _scalar(kind: Any, content: Any) -> Any:
    return _filled((), kind, False, content)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise DataError(f"pickle: unexpected encoding {encoding!r:.40}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """What older protocols call where there are none."""
    return b""


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    out = {}
    for pair in pairs:
        key, value = pair
        if not isinstance(key, str | int | bytes):
            raise DataError(f"a key of type {type(key).__name__}")
        out[key] = value
    return out


def _inert_of(kind: Any, base: Any, state: Any) -> InertObject:
    """What Python 2's pickles call to make an instance: here only ever an inert one."""
    if not isinstance(kind, _Name) or kind.full in _CALLS or kind.full in _BASES:
        raise DataError("refused to make an object")
    return InertObject()


_CALLS: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("copy_reg", "_reconstructor"): _inert_of,
    ("copyreg", "_reconstructor"): _inert_of,
    **{
        (f"numpy.{core}.multiarray", name): call
        for core in ("core", "_core")
        for name, call in (("_reconstruct", _reconstruct), ("scalar", _scalar))
    },
}
_BASES: Final = {("numpy", "ndarray"), ("__builtin__", "object"), ("builtins", "object")}


def _plain(value: Any, done: dict[int, Any], depth: int = 0) -> Any:
    """``value`` with the arrays in the place of what they were built in. Each object once, however
    often it is held."""
    if depth > _MOST_DEPTH:
        raise DataError("a pickle nested too deep")
    if isinstance(value, _Array):
        return _plain(value.value, done, depth + 1)
    if isinstance(value, _Name | _Type):
        raise DataError("a pickle that holds functions or types")
    if not isinstance(value, list | tuple | dict | InertObject):
        return value
    if id(value) in done:
        return done[id(value)][1]
    out: Any
    if isinstance(value, InertObject):
        value.state, out = _plain(value.state, done, depth + 1), value
    elif isinstance(value, dict):
        out = {key: _plain(item, done, depth + 1) for key, item in value.items()}
    else:
        out = type(value)(_plain(item, done, depth + 1) for item in value)
    done[id(value)] = value, out  # the value is held, so that no other gets its id
    return out


def _load(file: IO[bytes], inert: Names) -> Any:
    try:
        return _plain(_Machine(inert).run(pickletools.genops(file)), {})
    except DataError:
        raise
    except Exception as error:
        # A damaged pickle can raise nearly anything; all of it means the same.
        raise DataError(f"damaged pickle ({type(error).__name__}: {error!s:.100})") from None


def _open(path: Path) -> IO[bytes]:
    file = open_regular(path)
    if file.seek(0, 2) > _MOST_BYTES:
        file.close()
        raise DataError(f"larger than {_MOST_BYTES} bytes")
    file.seek(0)
    return file


def load_object_array(path: Path) -> Any:
    """The object in a ``.npy`` file of one pickled object (``np.save`` of a dict).

    Raises ``DataError`` for a damaged file or one that holds more than arrays and containers.
    """
    try:
        with _open(path) as file:
            kind, _, shape = read_header(file)
            if kind not in _ONE_OBJECT or shape not in ((), (1,)):
                raise DataError(f"expected one pickled object, got {kind} {shape}")
            return _load(file, frozenset())
    except OSError as error:
        raise DataError(f"not a npy file ({error.strerror or error})") from None


def load_pickle(path: Path, inert: Names) -> Any:
    """The object in a pickle file, Python 2's included; instances of the classes ``inert`` are
    ``InertObject``. Raises ``DataError``."""
    try:
        with _open(path) as file:
            return _load(file, inert)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
