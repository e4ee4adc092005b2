"""Run float and QDQ graphs on the CPU, and any session over calibration frames."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from same_export.quantisation.calibrate import Frame

_ERRORS_ONLY: Final = 3


def cpu_session(content: bytes) -> ort.InferenceSession:
    """``content`` on ONNX Runtime's CPU provider, one thread."""
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_all(session: ort.InferenceSession, frames: Iterable[Frame]) -> dict[str, NDArray[Any]]:
    """Each output of ``session`` over ``frames``, stacked along a new first axis."""
    names = [output.name for output in session.get_outputs()]
    results = [session.run(names, dict(frame)) for frame in frames]
    return {
        name: np.stack(values)
        for name, values in zip(names, zip(*results, strict=True), strict=True)
    }
