"""Write model-local functions out as the standard operators that they consist of."""

import tempfile
from pathlib import Path

import onnxruntime as ort

from same_engines.errors import BundleError
from same_engines.onnxruntime.session_options import session_options


def inlined(graph: bytes, where: str) -> bytes:
    """``graph`` (a serialised ONNX model) without functions, its shape arithmetic computed.

    ONNX Runtime does it, so that the engines that know no functions need no ``onnx`` package.
    ``where`` names the graph in errors. Raises ``BundleError``.
    """
    options = session_options()
    # Standard operators only: the higher levels put in ONNX Runtime's own.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        with tempfile.TemporaryDirectory(prefix="same-inline-") as folder:
            path = Path(folder) / "inlined.onnx"
            options.optimized_model_filepath = str(path)
            ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            return path.read_bytes()
    except Exception as error:  # ONNX Runtime raises many kinds; all mean a bad graph
        said = " ".join(str(error).split())[:300]
        raise BundleError(f"{where}: ONNX Runtime refuses it: {said}") from None
