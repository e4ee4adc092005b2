"""ONNX Runtime on the CPU: the engine that runs everywhere."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnxruntime as ort

from same_engines.bundle.manifest import GraphSpec
from same_engines.bundle.reader import Bundle
from same_engines.errors import BundleError, EngineError
from same_engines.host_engine import HostEngine
from same_engines.onnxruntime.operator import with_operator
from same_engines.onnxruntime.session_options import open_session, session_options

_ORT_TYPES = {"float32": "tensor(float)", "float16": "tensor(float16)"}


class OnnxRuntimeEngine(HostEngine):
    """Stage graphs on ONNX Runtime's CPU provider.

    ``threads``: threads for the visual stage. The small stages get one each: pools that
    spin side by side on the same cores cost more than they bring.
    """

    backend = "onnxruntime"
    spin_us: str | None = "300"
    """How long threads wait for the next layer before they sleep: longer than between two layers,
    shorter than between two frames. None leaves it to the library, whose threads spin for longer
    than a frame lasts and take every core."""
    takes_operator = True
    """Whether the operator runs as one kernel where that can be."""

    def __init__(self, bundle: Bundle, precision: str, threads: int) -> None:
        self.threads = threads
        super().__init__(bundle, precision)

    def _open_stage(
        self, stage: str, spec: GraphSpec, arrays: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[Callable[[], None], ...]:
        threads = self.threads if stage == "visual" else 1
        session = self._open_session(self._bundle, stage, threads)
        _check_signature(session, spec, f"{self._bundle.path / spec.path}")
        return tuple(_bind(session, stage, spec, held) for held in arrays)

    def _open_session(self, bundle: Bundle, stage: str, threads: int) -> ort.InferenceSession:
        options = session_options()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        if self.spin_us is not None:
            options.add_session_config_entry("session.intra_op.spin_duration_us", self.spin_us)
        content, spec = bundle.graph_bytes(self._graphs, stage), bundle.graph(self._graphs, stage)
        try:
            is_float32 = all(t.dtype == "float32" for t in (*spec.inputs, *spec.outputs))
            if self.takes_operator and is_float32:
                content = with_operator(content, options)
            return open_session(content, options)
        except Exception as error:  # ONNX Runtime raises many kinds; all mean a bad graph
            path = bundle.path / spec.path
            raise BundleError(f"{path}: ONNX Runtime refuses it: {error}") from None


def _bind(
    session: ort.InferenceSession, stage: str, spec: GraphSpec, arrays: Mapping[str, np.ndarray]
) -> Callable[[], None]:
    binding = session.io_binding()
    for bind, tensors in ((binding.bind_input, spec.inputs), (binding.bind_output, spec.outputs)):
        for tensor in tensors:
            array = arrays[tensor.name]
            bind(tensor.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)

    def run() -> None:
        try:
            session.run_with_iobinding(binding)
        except Exception as error:  # any backend failure is one kind of error to the caller
            raise EngineError(f"ONNX Runtime failed in stage {stage}: {error}") from None

    return run


def _check_signature(session: ort.InferenceSession, spec: GraphSpec, where: str) -> None:
    for kind, actual, expected in (
        ("inputs", session.get_inputs(), spec.inputs),
        ("outputs", session.get_outputs(), spec.outputs),
    ):
        came = {(node.name, tuple(node.shape), node.type) for node in actual}
        want = {(tensor.name, tensor.shape, _ORT_TYPES[tensor.dtype]) for tensor in expected}
        if came != want:
            raise BundleError(
                f"{where}: its {kind} are not the manifest's; only in the graph: "
                f"{sorted(came - want, key=str)}, only in the manifest: "
                f"{sorted(want - came, key=str)}"
            )
