"""OpenVINO on the CPU, or with the visual stage on an Intel GPU or NPU."""

import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from same_engines.bundle.manifest import BF16, GraphSpec
from same_engines.bundle.reader import Bundle
from same_engines.compiled_files import CompiledFile, cache_folder
from same_engines.errors import BundleError, EngineError
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_engines.openvino.exact_tail import EXACT, with_exact_tail
from same_engines.openvino.library import CPU, OpenVino, find_device, load_openvino

KIND: Final = "openvino"
"""Suffix of kept graphs in the cache folder."""

_STAGE: Final = "visual"
"""What OpenVINO computes. The small stages are ONNX Runtime's, which has the project's operator as
one kernel; the way to a GPU or NPU costs more than they do."""

_log = logging.getLogger("same")


@dataclass(frozen=True)
class GraphKey:
    """What a graph compiled by OpenVINO is good for."""

    graph_sha256: str
    library_version: str
    device: str
    settings: str


class OpenVinoEngine(OnnxRuntimeEngine):
    """The visual stage on OpenVINO, compiled once for this machine and kept; the rest on ONNX
    Runtime.

    ``backend``: one of ``library.DEVICES``. ``threads``: threads for the visual stage, of a pool
    that waits without spinning; the small stages run on one.
    ``precision`` ``bf16``: the visual stage up to its feature map in bfloat16, all else in float32:
    the small stages win nothing by it.
    Raises ``EngineError`` when OpenVINO or its device is missing, does not compute in that
    precision or refuses a graph, ``BundleError`` for a bad bundle.
    """

    def __init__(self, bundle: Bundle, backend: str, precision: str, threads: int) -> None:
        self.backend = backend
        self._openvino = load_openvino()
        self._device = find_device(self._openvino, backend)
        if precision == BF16 and not (self._device == CPU and self._openvino.computes_bf16()):
            raise EngineError(
                f"{backend}: precision bf16 needs a processor that computes in it; use precision "
                "fp32 or auto"
            )
        super().__init__(bundle, precision, threads)

    def _open_stage(
        self, stage: str, spec: GraphSpec, arrays: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[Callable[[], None], ...]:
        if stage != _STAGE:
            return super()._open_stage(stage, spec, arrays)
        where = str(self._bundle.path / spec.path)
        content = self._bundle.graph_bytes(self._graphs, stage)
        settings = _settings(self._device, self.threads, self.precision)
        compiled = _compile(self._openvino, content, spec, self._device, settings, where)
        _check_signature(compiled, spec, where)
        return tuple(
            _bind(self._openvino.module, compiled, f"{self.backend} failed in stage {stage}", held)
            for held in arrays
        )


def _settings(device: str, threads: int, precision: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
    if device == CPU:
        # No pinning, which would hold the application's own thread to a core.
        settings |= {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if precision == BF16 else "f32",
            "ENABLE_CPU_PINNING": False,
            # OpenVINO's generated kernels win nothing here, and its generator has crashed the
            # process on a small attention block (2026.4).
            "SNIPPETS_MODE": "DISABLE",
        }
    elif device == "GPU":
        settings["INFERENCE_PRECISION_HINT"] = "f16" if precision == "fp16" else "f32"
    else:  # an NPU computes in half precision and takes no hint
        del settings["NUM_STREAMS"]
    return settings


def _compile(
    openvino: OpenVino,
    content: bytes,
    spec: GraphSpec,
    device: str,
    settings: Mapping[str, Any],
    where: str,
) -> Any:
    """The compiled graph, from the kept file where there is a good one."""
    rounded = settings.get("INFERENCE_PRECISION_HINT") == BF16
    made_with = repr(sorted(settings.items())) + (f", {EXACT}" if rounded else "")
    key = GraphKey(spec.sha256, openvino.version, openvino.describe(device), made_with)
    kept = CompiledFile(cache_folder(), key, KIND)
    blob = kept.read()
    if blob is not None:
        try:
            return openvino.core.import_model(io.BytesIO(blob), device, dict(settings))
        except Exception as error:  # whatever it dislikes, it can be compiled again
            kept.ignore(_one_line(error))
    try:
        model = openvino.core.read_model(content)
        if rounded:
            model = with_exact_tail(openvino, model)
        compiled = openvino.core.compile_model(model, device, dict(settings))
    except Exception as error:  # OpenVINO raises RuntimeError for everything
        raise EngineError(
            f"OpenVINO {openvino.version} refuses {where} on {device}: {_one_line(error)}; use "
            "backend onnxruntime"
        ) from None
    try:
        kept.write(compiled.export_model().getvalue())
    except RuntimeError as error:  # a device that cannot hand out what it compiled
        _log.info("openvino: %s keeps no compiled graphs: %s", device, _one_line(error))
    return compiled


def _bind(
    module: Any, compiled: Any, failed: str, arrays: Mapping[str, np.ndarray]
) -> Callable[[], None]:
    request = compiled.create_infer_request()
    for name, array in arrays.items():
        request.set_tensor(name, module.Tensor(array, shared_memory=True))

    def run() -> None:
        try:
            request.infer(share_outputs=True)
        except Exception as error:  # any backend failure is one kind of error to the caller
            raise EngineError(f"{failed}: {_one_line(error)}") from None

    return run


def _check_signature(compiled: Any, spec: GraphSpec, where: str) -> None:
    for kind, actual, expected in (
        ("inputs", compiled.inputs, spec.inputs),
        ("outputs", compiled.outputs, spec.outputs),
    ):
        # A port has several names where OpenVINO did away with what lay between them.
        came = {name: port for port in actual for name in port.names}
        strange = [
            tensor.name
            for tensor in expected
            if tensor.name not in came or _form(came[tensor.name]) != (tensor.shape, tensor.dtype)
        ]
        if strange or len(actual) != len(expected):
            forms = {"/".join(sorted(port.names)): _form(port) for port in actual}
            raise BundleError(
                f"{where}: its {kind} are not the manifest's: expected {expected}, got {forms}"
            )


def _form(port: Any) -> tuple[tuple[int, ...], str]:
    return tuple(port.shape), str(port.element_type.to_dtype())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
