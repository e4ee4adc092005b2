"""Choose a backend and open it."""

import logging
from collections.abc import Callable

import onnxruntime as ort

from same_engines.bundle.manifest import BF16, PRECISIONS
from same_engines.bundle.reader import Bundle
from same_engines.engine import Engine
from same_engines.errors import EngineError
from same_engines.fastest_precision import open_fastest
from same_engines.gpu.cuda_device import find_driver
from same_engines.json_values import shown
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_engines.onnxruntime.installed import warn_of_shadowing
from same_engines.openvino.library import is_x86, load_openvino
from same_engines.processes import usable_processors
from same_engines.qnn.library import SOCS, TARGET_PREFIX, is_emulated

BACKENDS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda", "openvino", "onnxruntime")
"""From the fastest to the one that runs everywhere: the order in which ``auto`` tries them."""
OPENVINO_DEVICES = ("openvino-gpu", "openvino-npu")
"""Intel's GPUs and NPUs, for the visual stage. ``auto`` never takes them: what they win depends
on the laptop."""
NPU_BACKENDS = ("qnn", *SOCS)
"""Qualcomm's NPU: ``qnn`` takes the target that the bundle was compiled for. ``auto`` tries it
first on a device that has one, and never its emulation."""

_GPU_BACKENDS = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda")
_CPU_BACKENDS = ("openvino", "onnxruntime")
_MAX_DEFAULT_THREADS = 4

_log = logging.getLogger("same")


def open_engine(
    bundle: Bundle, backend: str = "auto", precision: str = "fp32", threads: int | None = None
) -> Engine:
    """Open ``bundle`` on a backend, all buffers allocated.

    ``backend``: one of ``BACKENDS``, ``OPENVINO_DEVICES`` or ``NPU_BACKENDS``, or ``auto`` for the
    first of ``BACKENDS`` that works here; what it picked and why is logged. ``precision``:
    ``fp32``, ``fp16`` or, on CPUs, ``int8`` graphs (an NPU's are made from ``fp32``); ``bf16`` runs
    ``fp32`` graphs on OpenVINO, mostly in bfloat16. ``auto`` is ``fp32``, but on a CPU ``bf16`` or
    ``int8`` where that is faster, measured once and remembered.
    ``threads``: CPU threads for the visual stage; None takes the processors this process may
    use, four at most.
    Raises ``EngineError`` for an unknown or unusable backend, ``BundleError`` for a bad bundle.
    """
    warn_of_shadowing()
    known = (*BACKENDS, *OPENVINO_DEVICES, *NPU_BACKENDS)
    if not isinstance(backend, str) or backend not in ("auto", *known):
        expected = ", ".join(known)
        raise EngineError(f"backend: expected auto, {expected}; got {shown(backend)}")
    if not isinstance(precision, str):
        expected = ", ".join((*PRECISIONS, BF16))
        raise EngineError(f"precision: expected auto, {expected}; got {shown(precision)}")
    is_count = isinstance(threads, int) and not isinstance(threads, bool)
    if threads is not None and not (is_count and 1 <= threads <= 256):
        raise EngineError(f"threads: expected 1..256, got {shown(threads)}")
    if threads is None:
        threads = min(usable_processors(), _MAX_DEFAULT_THREADS)
    if precision == "int8" and backend not in ("auto", *_CPU_BACKENDS):
        raise EngineError(
            f"precision int8: is for CPUs, backend {' or '.join(_CPU_BACKENDS)}; got {backend!r}"
        )
    if precision == BF16:  # one backend has it
        if backend not in ("auto", "openvino"):
            raise EngineError(f"precision bf16: is for backend openvino; got {backend!r}")
        backend = "openvino"
    on_cpu = precision
    if precision == "auto":
        precision = "fp32"
    if backend in NPU_BACKENDS:
        if precision != "fp32":
            raise EngineError(f"{backend}: runs one precision, named fp32; got {precision!r}")
        return _open_qnn(bundle, backend, threads)
    openers = _openers(bundle, precision, on_cpu, threads)
    if backend == "auto":
        reasons: list[str] = []
        if not is_emulated() and any(t.startswith(TARGET_PREFIX) for t in bundle.manifest.targets):
            try:
                return _open_qnn(bundle, "qnn", threads)
            except EngineError as error:
                reasons.append(str(error))
        return _open_first(openers, threads, reasons)
    if backend in OPENVINO_DEVICES:
        engine = _open_openvino(bundle, backend, precision, threads)
    else:
        engine = openers[backend]()
    _log.info("backend %s, as asked", engine.backend)
    return engine


def _openers(
    bundle: Bundle, precision: str, on_cpu: str, threads: int
) -> dict[str, Callable[[], Engine]]:
    openers: dict[str, Callable[[], Engine]] = {
        "tensorrt": lambda: _open_tensorrt(bundle, "tensorrt", precision),
        "tensorrt-rtx": lambda: _open_tensorrt(bundle, "tensorrt-rtx", precision),
        "onnxruntime-cuda": lambda: _open_onnxruntime_cuda(bundle, precision),
        "openvino": lambda: _open_on_openvino(bundle, on_cpu, threads),
        "onnxruntime": lambda: _open_on_onnxruntime(bundle, on_cpu, threads),
    }
    return {name: openers[name] for name in _CPU_BACKENDS} if precision == "int8" else openers


def _open_first(
    openers: dict[str, Callable[[], Engine]], threads: int, reasons: list[str]
) -> Engine:
    untried = set(BACKENDS) - set(openers)
    missing = None if untried.issuperset(_GPU_BACKENDS) else find_driver()
    if missing is not None:  # spares importing libraries that could not run
        reasons.append(missing)
        untried.update(_GPU_BACKENDS)
    if not is_x86():  # elsewhere ONNX Runtime has the better kernels
        untried.add("openvino")
    for backend in BACKENDS:
        if backend in untried:
            continue
        try:
            engine = openers[backend]()
        except EngineError as error:
            if backend == BACKENDS[-1]:
                raise
            reasons.append(str(error))
            continue
        on = "" if backend in _GPU_BACKENDS else f" on {threads} CPU threads"
        if engine.precision in (BF16, "int8"):
            on += f" in {engine.precision}"
        _log.info("backend auto: %s%s%s", backend, on, _because(reasons))
        return engine
    raise AssertionError("the last backend opens or raises")


def _because(reasons: list[str]) -> str:
    return f", because {'; '.join(reasons)}" if reasons else ", the fastest there is"


# Imported when asked for: most machines have neither the libraries nor a GPU.
def _open_tensorrt(bundle: Bundle, target: str, precision: str) -> Engine:
    from same_engines.tensorrt.engine import open_tensorrt_engine

    return open_tensorrt_engine(bundle, target, precision)


def _open_on_openvino(bundle: Bundle, precision: str, threads: int) -> Engine:
    if precision != "auto":
        return _open_openvino(bundle, "openvino", precision, threads)
    openvino = load_openvino()
    return open_fastest(
        bundle,
        f"openvino {openvino.version}",
        threads,
        lambda candidate: _open_openvino(bundle, "openvino", candidate, threads),
        ("fp32", BF16, "int8") if openvino.computes_bf16() else ("fp32", "int8"),
    )


def _open_on_onnxruntime(bundle: Bundle, precision: str, threads: int) -> Engine:
    if precision != "auto":
        return OnnxRuntimeEngine(bundle, precision, threads)
    return open_fastest(
        bundle,
        f"onnxruntime {ort.__version__}",
        threads,
        lambda candidate: OnnxRuntimeEngine(bundle, candidate, threads),
    )


def _open_openvino(bundle: Bundle, backend: str, precision: str, threads: int) -> Engine:
    from same_engines.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(bundle, backend, precision, threads)


def _open_qnn(bundle: Bundle, backend: str, threads: int) -> Engine:
    from same_engines.qnn.engine import open_qnn_engine

    return open_qnn_engine(bundle, backend, threads)


def _open_onnxruntime_cuda(bundle: Bundle, precision: str) -> Engine:
    from same_engines.onnxruntime.cuda_engine import open_onnxruntime_cuda_engine

    return open_onnxruntime_cuda_engine(bundle, precision)
