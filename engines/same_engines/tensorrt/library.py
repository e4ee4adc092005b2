"""Load TensorRT or TensorRT-RTX: nearly one API, told apart by the target's name."""

import atexit
import ctypes
import importlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from same_engines.errors import EngineError, install_hint

TARGETS: Final = ("tensorrt", "tensorrt-rtx")
_MODULES: Final = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_EXTRAS: Final = {"tensorrt": "gpu", "tensorrt-rtx": "rtx"}
_RTX_LIBRARY: Final = "libtensorrt_rtx.so.1"
_RTX_PARSER: Final = "libtensorrt_onnxparser_rtx.so.1"

_log = logging.getLogger("same")


@dataclass(frozen=True)
class TensorRt:
    """One of the two libraries, imported, with a logger that remembers its errors."""

    target: str
    module: Any
    version: str
    logger: Any
    errors: list[str] = field(default_factory=list)

    def last_error(self) -> str:
        """What the library last complained of, as one line; clears it."""
        said = " | ".join(" ".join(line.split()) for line in self.errors[-3:])
        self.errors.clear()
        return said or "it gave no reason"


@cache
def load_tensorrt(target: str) -> TensorRt:
    """Import the library behind ``target``, one of ``TARGETS``. Needs no GPU and no driver.

    Raises ``EngineError`` when the target is unknown or its library is not installed.
    """
    if target not in TARGETS:
        raise EngineError(f"target: expected {' or '.join(TARGETS)}, got {target!r}")
    if target == "tensorrt-rtx":
        _preload_rtx_libraries()
    try:
        module = importlib.import_module(_MODULES[target])
    except (ImportError, OSError) as error:
        raise EngineError(
            f"{target}: not usable here ({error}); install it with: {install_hint(_EXTRAS[target])}"
        ) from None
    errors: list[str] = []
    return TensorRt(target, module, module.__version__, _make_logger(module, errors), errors)


def _preload_rtx_libraries() -> None:
    """Let the ONNX parser find its sibling, without which the first plugin node aborts.

    The parser opens ``libtensorrt_rtx.so`` in its own folder, where the wheel has only
    ``libtensorrt_rtx.so.1``. Loaded first from a folder of links, its own folder is that one.
    """
    found = importlib.util.find_spec("tensorrt_rtx_libs")
    if found is None or found.origin is None or not sys.platform.startswith("linux"):
        return
    wheel = Path(found.origin).parent
    try:
        if _is_loaded(_RTX_PARSER):  # too late for that: the link must lie beside the parser
            link = wheel / "libtensorrt_rtx.so"
            if not link.exists():
                link.symlink_to(_RTX_LIBRARY)
            return
        links = Path(tempfile.mkdtemp(prefix="same-tensorrt-rtx-"))
        atexit.register(shutil.rmtree, links, ignore_errors=True)
        (links / "libtensorrt_rtx.so").symlink_to(wheel / _RTX_LIBRARY)
        for name in (_RTX_LIBRARY, _RTX_PARSER):
            (links / name).symlink_to(wheel / name)
            ctypes.CDLL(str(links / name), ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise EngineError(
            f"tensorrt-rtx: its libraries in {wheel} cannot be prepared ({error}); open the "
            "SAME engine before the first `import tensorrt_rtx`, or reinstall: "
            f"{install_hint('rtx')} --force-reinstall"
        ) from None


def _is_loaded(library: str) -> bool:
    try:
        ctypes.CDLL(library, os.RTLD_NOLOAD | os.RTLD_LAZY)
    except OSError:
        return False
    return True


def _make_logger(module: Any, errors: list[str]) -> Any:
    class Logger(module.ILogger):
        def __init__(self) -> None:
            module.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.INTERNAL_ERROR, module.ILogger.ERROR):
                errors.append(message)
            _log.debug("%s: %s", module.__name__, message)

    return Logger()
