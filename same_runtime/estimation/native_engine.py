"""ONNX Runtime without the interpreter: the tracker's loop then never waits for Python."""

import logging
from pathlib import Path

import onnxruntime

from same_engines import Bundle, Engine
from same_engines.errors import SameError
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_runtime._core import NativeBundle, NativeEngine

_log = logging.getLogger("same")


def without_interpreter(engine: Engine, bundle: Bundle) -> Engine | NativeEngine:
    """What the core runs for ``engine``: for ONNX Runtime on a CPU the same graphs through its C
    interface, which computes the same bit for bit; any other engine as it is."""
    if type(engine) is not OnnxRuntimeEngine or (library := onnxruntime_library()) is None:
        return engine
    try:
        native = NativeBundle(str(bundle.path))
        return NativeEngine(native, library, engine.precision, engine.threads)
    except SameError as error:
        _log.info("ONNX Runtime runs through Python: %s", error)
        return engine


def onnxruntime_library() -> str | None:
    """Path of ONNX Runtime's C library inside its Python package; None where it has none."""
    folder = Path(onnxruntime.__file__).parent / "capi"
    found = sorted(path for path in folder.glob("*onnxruntime.*") if path.suffix != ".py")
    return str(found[0]) if found else None
