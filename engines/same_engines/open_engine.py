"""Choose a backend and open it."""

import logging
import os

from same_engines.bundle import Bundle
from same_engines.engine import Engine
from same_engines.errors import EngineError
from same_engines.onnxruntime_engine import OnnxRuntimeEngine

BACKENDS = ("onnxruntime",)
_MAX_DEFAULT_THREADS = 4

_log = logging.getLogger("same")


def open_engine(
    bundle: Bundle, backend: str = "auto", precision: str = "fp32", threads: int | None = None
) -> Engine:
    """Open ``bundle`` on a backend, all buffers allocated.

    ``backend``: ``auto`` or one of ``BACKENDS``. ``precision``: ``fp32`` or ``fp16`` graphs.
    ``threads``: CPU threads for the visual stage; None takes the processors this process may
    use, four at most. Raises ``EngineError`` for an unknown backend, ``BundleError`` for a bad
    bundle.
    """
    if backend not in ("auto", *BACKENDS):
        raise EngineError(f"backend: expected auto, {', '.join(BACKENDS)}; got {backend!r}")
    if threads is not None and not 1 <= threads <= 256:
        raise EngineError(f"threads: expected 1..256, got {threads}")
    if threads is None:
        threads = min(_usable_processors(), _MAX_DEFAULT_THREADS)
    engine = OnnxRuntimeEngine(bundle, precision, threads)
    _log.info("backend %s: %s on %d CPU threads", backend, engine.backend, threads)
    return engine


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
