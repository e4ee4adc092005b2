"""The project's operator as one kernel, where the installation brings it: ``libsame``.

Without it ONNX Runtime runs the function of standard operators that a graph carries for it.
"""

import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import onnxruntime as ort

from same_engines.bundle.onnx_wire import without_functions

_LIBRARY: Final = {"win32": "same.dll", "darwin": "libsame.dylib"}.get(sys.platform, "libsame.so")


def with_operator(content: bytes, options: ort.SessionOptions) -> bytes:
    """``content``, a graph in float32 that was checked, for sessions with ``options``: without its
    function where they now have the operator, else as it is."""
    graph = without_functions(content)
    library = _library()
    if len(graph) == len(content) or library is None:
        return content
    options.register_custom_ops_library(str(library))
    return graph


@cache
def _library() -> Path | None:
    # It comes with same_runtime, which is not imported here: engines work without it.
    try:
        files = metadata.files("same-runtime") or ()
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name == _LIBRARY)
    return next((path for path in found if path.is_file()), None)
