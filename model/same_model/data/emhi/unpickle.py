"""Reading pickled data of others without running their code."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from same_engines.errors import DataError

_MAX_BYTES = 1 << 30


class InertObject:
    """Stands in for an instance of a class that is not loaded: its state, and no behaviour."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _allowed() -> dict[tuple[str, str], Any]:
    reconstruct = np.ndarray.__reduce__(np.zeros(1))[0]
    scalar = np.float64(0).__reduce__()[0]
    out: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
        ("collections", "OrderedDict"): dict,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        out[module, "_reconstruct"] = reconstruct
        out[module, "scalar"] = scalar
    return out


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise DataError(f"pickle: unexpected encoding {encoding!r}")
    return text.encode("latin1")


def _inert_of(kind: Any, base: Any, state: Any) -> InertObject:
    """What Python 2's pickles call to make an instance: here only ever an inert one."""
    if kind is not InertObject:
        raise DataError("refused to make an object")
    return InertObject()


_OLD_OBJECTS: dict[tuple[str, str], Any] = {
    ("copy_reg", "_reconstructor"): _inert_of,
    ("copyreg", "_reconstructor"): _inert_of,
    ("__builtin__", "object"): InertObject,
    ("builtins", "object"): InertObject,
}


class RestrictedUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers; any other class is refused.

    ``inert``: names of classes whose instances are read as ``InertObject``. Raises ``DataError``.
    """

    def __init__(
        self,
        file: io.BufferedIOBase,
        inert: frozenset[tuple[str, str]] = frozenset(),
        encoding: str = "ASCII",
    ) -> None:
        super().__init__(file, encoding=encoding)
        self._inert = inert
        self._known = _allowed()

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in or NumPy constructor of a name; everything else is refused."""
        if (module, name) in self._known:
            return self._known[module, name]
        if (module, name) in self._inert:
            return InertObject
        if self._inert and (module, name) in _OLD_OBJECTS:
            return _OLD_OBJECTS[module, name]
        raise DataError(f"refused to load {module}.{name}: only arrays and plain containers")

    def persistent_load(self, pid: Any) -> Any:
        """Always refused."""
        raise DataError("refused a persistent reference")


def _load(file: io.BufferedIOBase, inert: frozenset[tuple[str, str]], encoding: str) -> Any:
    try:
        return RestrictedUnpickler(file, inert, encoding).load()
    except DataError:
        raise
    except Exception as error:
        # A damaged pickle can raise nearly anything; all of it means the same.
        raise DataError(f"damaged pickle ({type(error).__name__}: {error})") from None


def load_object_array(path: Path) -> Any:
    """The object in a ``.npy`` file of one pickled object (``np.save`` of a dict).

    Raises ``DataError`` for a damaged file or one that holds more than arrays and containers.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError("too large for an annotation")
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read is None:
                raise DataError(f"unknown npy version {version}")
            shape, _, dtype = read(file)
            if dtype != np.dtype(object) or shape not in ((), (1,)):
                raise DataError(f"expected one pickled object, got {dtype} {shape}")
            content = _load(file, frozenset(), "ASCII")
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"not a npy file ({error})") from None
    while isinstance(content, np.ndarray) and content.dtype == object and content.size == 1:
        content = content.reshape(-1)[0]
    return content


def load_pickle(path: Path, inert: frozenset[tuple[str, str]]) -> Any:
    """The object in a pickle file, Python 2's included. Raises ``DataError``."""
    try:
        with open(path, "rb") as file:
            return _load(file, inert, "latin1")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
