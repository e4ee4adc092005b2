"""Load OpenVINO and find its devices."""

import importlib
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from same_engines.errors import EngineError, install_hint

DEVICES: Final = {"openvino": "CPU", "openvino-gpu": "GPU", "openvino-npu": "NPU"}
"""Backend -> OpenVINO's name of the device."""
CPU: Final = "CPU"

_X86: Final = ("x86_64", "amd64")
_NEEDED: Final = "AVX2"


@dataclass(frozen=True)
class OpenVino:
    """The imported library."""

    module: Any
    core: Any
    version: str

    def describe(self, device: str) -> str:
        """What graphs compiled for ``device`` are good for: its name and instruction sets."""
        name = self.core.get_property(device, "FULL_DEVICE_NAME")
        return f"{device} {name} {' '.join(sorted(self._capabilities(device)))}"

    def computes_bf16(self) -> bool:
        """Whether this processor has instructions for bfloat16."""
        return "BF16" in self._capabilities(CPU)

    def _capabilities(self, device: str) -> list[str]:
        return list(self.core.get_property(device, "OPTIMIZATION_CAPABILITIES"))


def is_x86() -> bool:
    """Whether this is a processor on which OpenVINO is the fastest engine."""
    return platform.machine().lower() in _X86


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let ``openvino`` find no telemetry package, which writes to the home folder and sends, but
    the stand-in that it has for where there is none."""
    name = "openvino_telemetry"
    there = name in sys.modules
    if not there:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not there:
            del sys.modules[name]


@cache
def load_openvino() -> OpenVino:
    """Import OpenVINO. Raises ``EngineError`` when it is not installed, does not load or the
    processor lacks instructions that it needs."""
    if is_x86() and not _has_instructions():
        raise EngineError(
            f"openvino: this processor has no {_NEEDED}, which OpenVINO needs; use backend "
            "onnxruntime"
        )
    try:
        with _without_telemetry():
            module = importlib.import_module("openvino")
        core = module.Core()
    except Exception as error:  # ImportError, or whatever a broken installation raises
        raise EngineError(
            f"openvino: not usable here ({' '.join(str(error).split())[:300]}); install it with: "
            f"{install_hint('openvino')}"
        ) from None
    return OpenVino(module, core, str(module.__version__))


def find_device(openvino: OpenVino, backend: str) -> str:
    """The device of ``backend``, one of ``DEVICES``. Raises ``EngineError`` where there is none."""
    device = DEVICES[backend]
    found = [str(name) for name in openvino.core.available_devices]
    if not any(name.split(".")[0] == device for name in found):
        raise EngineError(
            f"{backend}: OpenVINO finds no {device} here, only {', '.join(found) or 'nothing'}; "
            f"install Intel's driver for it, or use backend openvino"
        )
    return device


def _has_instructions() -> bool:
    # NumPy chooses its own kernels by this table, on every operating system.
    umath = importlib.import_module(
        "numpy._core._multiarray_umath"
        if int(np.__version__.split(".")[0]) > 1
        else "numpy.core._multiarray_umath"
    )
    return bool(umath.__cpu_features__.get(_NEEDED, True))
