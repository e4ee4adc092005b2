"""Qualcomm's NPU through ONNX Runtime: the systems on chip known by name, and sessions on them.

``onnxruntime-qnn`` compiles for a named SoC on an x86 machine and emulates its Hexagon NPU
there: the device's results, but times that mean nothing. On an aarch64 device the same calls
run on the NPU itself.
"""

import importlib
import platform
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import onnxruntime as ort

from same_engines.errors import EngineError, install_hint

TARGET_PREFIX: Final = "qnn-"
_PROVIDER: Final = "QNNExecutionProvider"
_DEVICE_MACHINES: Final = ("aarch64", "arm64")
_NO_LOG: Final = 4


@dataclass(frozen=True)
class Soc:
    """A system on chip by the numbers that QNN's compiler knows it by."""

    part: str
    """Qualcomm's part number."""
    soc_model: int
    htp_arch: int
    """Version of its Hexagon tensor processor, 69 for v69."""
    vtcm_mb: int
    """Fast memory beside the tensor processor, MB."""
    about: str

    def describe(self) -> str:
        """What plans for it are keyed by."""
        return f"{self.part} soc {self.soc_model} v{self.htp_arch}"


# Numbers as in the QNN backend of ExecuTorch (qc_schema.py).
SOCS: Final = {
    "qnn-xr2gen2": Soc("SXR2230P", 53, 69, 8, "Snapdragon XR2 Gen 2: PICO 4 Ultra, Quest 3"),
    "qnn-xr1": Soc("SXR1230P", 45, 73, 2, "XR1-class viewers and glasses"),
    "qnn-sxr2330p": Soc("SXR2330P", 75, 79, 8, "newer XR headsets"),
    "qnn-sar2230p": Soc("SAR2230P", 95, 81, 4, "newer AR glasses"),
}
"""Target -> SoC. A new SoC is one more line."""


def find_soc(target: str) -> Soc:
    """The SoC of ``target``; raises ``EngineError`` that lists the known ones."""
    try:
        return SOCS[target]
    except KeyError:
        known = ", ".join(f"{name} ({soc.about})" for name, soc in SOCS.items())
        raise EngineError(f"target {target!r}: unknown SoC; expected one of {known}") from None


def is_emulated() -> bool:
    """Whether NPU sessions opened here are emulated on the CPU."""
    return platform.machine().lower() not in _DEVICE_MACHINES


@dataclass(frozen=True)
class Qnn:
    """The loaded provider."""

    version: str
    """Of onnxruntime-qnn."""
    sdk_version: str
    """Of the QNN libraries in it."""
    devices: tuple[Any, ...]
    backend_path: str


@cache
def load_qnn() -> Qnn:
    """Register ONNX Runtime's QNN provider. Needs no NPU on x86.

    Raises ``EngineError`` when onnxruntime-qnn is not installed or does not load.
    """
    try:
        module = importlib.import_module("onnxruntime_qnn")
        if not _devices():  # an application may have registered it already
            ort.register_execution_provider_library(_PROVIDER, module.get_library_path())
        devices = _devices()
    except Exception as error:  # ImportError, or whatever ONNX Runtime raises for a bad library
        raise EngineError(
            f"qnn: not usable here ({' '.join(str(error).split())[:300]}); install it with: "
            f"{install_hint('qnn')} (Python 3.11 or later; Linux x86-64 or aarch64)"
        ) from None
    if not devices:
        raise EngineError("qnn: the provider loaded but offers no device on this machine")
    return Qnn(
        module.__version__,
        module.build_and_package_info.qnn_version,
        devices,
        module.get_qnn_htp_path(),
    )


def _devices() -> tuple[Any, ...]:
    return tuple(device for device in ort.get_ep_devices() if device.ep_name == _PROVIDER)


class NotFinalised(EngineError):
    """A graph that does not run whole on the NPU: ``operators`` are what stopped it."""

    def __init__(self, message: str, operators: tuple[str, ...]) -> None:
        super().__init__(message)
        self.operators = operators


def compile_context(qnn: Qnn, graph: bytes, soc: Soc, where: str) -> bytes:
    """Compile a QDQ graph into an ONNX file that holds one context binary for ``soc``.

    Needs no device. ``where`` names the graph in errors. Raises ``NotFinalised`` when any
    operator would be left to the CPU.
    """
    with tempfile.TemporaryDirectory(prefix="same-qnn-") as folder:
        path = Path(folder) / "context.onnx"
        options = ort.SessionOptions()
        options.log_severity_level = _NO_LOG
        for key, value in {
            "ep.context_enable": "1",
            "ep.context_file_path": str(path),
            "ep.context_embed_mode": "1",
            "session.disable_cpu_ep_fallback": "1",
        }.items():
            options.add_session_config_entry(key, value)
        options.add_provider_for_devices(list(qnn.devices), _compiler_options(qnn, soc))
        try:
            ort.InferenceSession(graph, options)
            return path.read_bytes()
        except Exception as error:  # ONNX Runtime raises many kinds
            said = " ".join(str(error).split())[:300]
    left = _left_to_the_cpu(qnn, graph, soc)
    named = ", ".join(left) or "none that it names"
    raise NotFinalised(
        f"{where}: does not run whole on {soc.describe()} (operators left over: {named}): {said}",
        left,
    )


def open_context(qnn: Qnn, context: bytes, soc: Soc, where: str) -> ort.InferenceSession:
    """A session on a compiled context: on the NPU of an aarch64 device, emulated on x86.

    Raises ``EngineError`` when the library refuses it.
    """
    options = ort.SessionOptions()
    options.log_severity_level = _NO_LOG
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_provider_for_devices(list(qnn.devices), _runtime_options(qnn, soc))
    try:
        return ort.InferenceSession(context, options)
    except Exception as error:  # ONNX Runtime raises many kinds
        raise EngineError(
            f"{where}: onnxruntime-qnn {qnn.version} refuses the context for {soc.describe()}: "
            f"{' '.join(str(error).split())[:300]}; is this device of that SoC?"
        ) from None


def _compiler_options(qnn: Qnn, soc: Soc) -> dict[str, str]:
    return {
        "backend_path": qnn.backend_path,
        "soc_model": str(soc.soc_model),
        "htp_arch": str(soc.htp_arch),
        "htp_graph_finalization_optimization_mode": "3",
        # Else the conversions at the graph's edge stay behind on the CPU.
        "offload_graph_io_quantization": "0",
    }


def _runtime_options(qnn: Qnn, soc: Soc) -> dict[str, str]:
    if is_emulated():
        return _compiler_options(qnn, soc)
    return {
        "backend_path": qnn.backend_path,
        # A frame has a deadline; the clocks must not fall between two of them.
        "htp_performance_mode": "sustained_high_performance",
        "offload_graph_io_quantization": "0",
    }


def _left_to_the_cpu(qnn: Qnn, graph: bytes, soc: Soc) -> tuple[str, ...]:
    """Operators, with their nodes, that a session with a CPU to fall back on puts there."""
    options = ort.SessionOptions()
    options.log_severity_level = _NO_LOG
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices(list(qnn.devices), _compiler_options(qnn, soc))
    try:
        session = ort.InferenceSession(graph, options)
        return tuple(
            f"{node.op_type} {node.name}".strip()
            for subgraph in session.get_provider_graph_assignment_info()
            if subgraph.ep_name != _PROVIDER
            for node in subgraph.get_nodes()
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear")
        )
    except Exception:  # what stopped the compiler may stop this too
        return ()
