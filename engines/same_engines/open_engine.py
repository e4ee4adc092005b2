"""Choose a backend and open it."""

import logging
import os
from collections.abc import Callable

from same_engines.bundle.reader import Bundle
from same_engines.engine import Engine
from same_engines.errors import EngineError
from same_engines.gpu.cuda_device import find_driver
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_engines.qnn.library import SOCS, TARGET_PREFIX, is_emulated

BACKENDS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda", "onnxruntime")
"""From the fastest to the one that runs everywhere: the order in which ``auto`` tries them."""
NPU_BACKENDS = ("qnn", *SOCS)
"""Qualcomm's NPU: ``qnn`` takes the target that the bundle was compiled for. ``auto`` tries it
first on a device that has one, and never its emulation."""

_MAX_DEFAULT_THREADS = 4

_log = logging.getLogger("same")


def open_engine(
    bundle: Bundle, backend: str = "auto", precision: str = "fp32", threads: int | None = None
) -> Engine:
    """Open ``bundle`` on a backend, all buffers allocated.

    ``backend``: one of ``BACKENDS`` or ``NPU_BACKENDS``, or ``auto`` for the first that works
    here; what it picked and why is logged. ``precision``: ``fp32`` or ``fp16`` graphs (the NPU's
    are quantised from ``fp32``). ``threads``: CPU threads for the visual stage; None takes the
    processors this process may use, four at most.
    Raises ``EngineError`` for an unknown or unusable backend, ``BundleError`` for a bad bundle.
    """
    if backend not in ("auto", *BACKENDS, *NPU_BACKENDS):
        expected = ", ".join((*BACKENDS, *NPU_BACKENDS))
        raise EngineError(f"backend: expected auto, {expected}; got {backend!r}")
    if threads is not None and not 1 <= threads <= 256:
        raise EngineError(f"threads: expected 1..256, got {threads}")
    if threads is None:
        threads = min(_usable_processors(), _MAX_DEFAULT_THREADS)
    if backend in NPU_BACKENDS:
        if precision != "fp32":
            raise EngineError(f"{backend}: runs one precision, named fp32; got {precision!r}")
        return _open_qnn(bundle, backend, threads)
    openers: dict[str, Callable[[], Engine]] = {
        "tensorrt": lambda: _open_tensorrt(bundle, "tensorrt", precision),
        "tensorrt-rtx": lambda: _open_tensorrt(bundle, "tensorrt-rtx", precision),
        "onnxruntime-cuda": lambda: _open_onnxruntime_cuda(bundle, precision),
        "onnxruntime": lambda: OnnxRuntimeEngine(bundle, precision, threads),
    }
    if backend == "auto":
        reasons: list[str] = []
        if not is_emulated() and any(t.startswith(TARGET_PREFIX) for t in bundle.manifest.targets):
            try:
                return _open_qnn(bundle, "qnn", threads)
            except EngineError as error:
                reasons.append(str(error))
        return _open_first(openers, threads, reasons)
    engine = openers[backend]()
    _log.info("backend %s, as asked", engine.backend)
    return engine


def _open_first(
    openers: dict[str, Callable[[], Engine]], threads: int, reasons: list[str]
) -> Engine:
    missing = find_driver()
    if missing is not None:  # spares importing libraries that could not run
        reasons.append(missing)
        openers = {"onnxruntime": openers["onnxruntime"]}
    for backend, opener in openers.items():
        if backend == "onnxruntime":
            break
        try:
            engine = opener()
        except EngineError as error:
            reasons.append(str(error))
            continue
        _log.info("backend auto: %s%s", backend, _because(reasons))
        return engine
    engine = openers["onnxruntime"]()
    _log.info("backend auto: onnxruntime on %d CPU threads%s", threads, _because(reasons))
    return engine


def _because(reasons: list[str]) -> str:
    return f", because {'; '.join(reasons)}" if reasons else ", the fastest there is"


# Imported when asked for: most machines have neither the libraries nor a GPU.
def _open_tensorrt(bundle: Bundle, target: str, precision: str) -> Engine:
    from same_engines.tensorrt.engine import open_tensorrt_engine

    return open_tensorrt_engine(bundle, target, precision)


def _open_qnn(bundle: Bundle, backend: str, threads: int) -> Engine:
    from same_engines.qnn.engine import open_qnn_engine

    return open_qnn_engine(bundle, backend, threads)


def _open_onnxruntime_cuda(bundle: Bundle, precision: str) -> Engine:
    from same_engines.onnxruntime.cuda_engine import open_onnxruntime_cuda_engine

    return open_onnxruntime_cuda_engine(bundle, precision)


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
