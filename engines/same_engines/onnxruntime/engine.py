"""ONNX Runtime on the CPU: the engine that runs everywhere."""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from same_engines.bundle.reader import STAGES, STATE_SUFFIX, Bundle, GraphSpec
from same_engines.engine import Engine, collect_tensors
from same_engines.errors import BundleError, EngineError

_ORT_TYPES = {"float32": "tensor(float)", "float16": "tensor(float16)"}
_ONNX_ERRORS_ONLY = 3


@dataclass(frozen=True)
class _Stage:
    session: ort.InferenceSession
    bindings: tuple[ort.IOBinding, ...]
    """One binding, or two that a stage with state alternates between: the state written by one
    frame is read by the next without a copy."""


class OnnxRuntimeEngine(Engine):
    """Stage graphs on ONNX Runtime's CPU provider.

    ``threads``: threads for the visual stage. The small stages get one each: pools that
    spin side by side on the same cores cost more than they bring.
    """

    backend = "onnxruntime"

    def __init__(self, bundle: Bundle, precision: str, threads: int) -> None:
        self.precision, self._bundle = precision, bundle
        self._tensors = collect_tensors(bundle, precision)
        self._buffers: dict[str, tuple[np.ndarray, ...]] = {
            name: (spec.zeros(),) for name, spec in self._tensors.items()
        }
        for name in self._tensors:
            if name.endswith(STATE_SUFFIX):
                # Frame n reads the first and writes the second, frame n+1 the other way round.
                state = name.removesuffix(STATE_SUFFIX)
                first, second = self._buffers[state][0], self._buffers[name][0]
                self._buffers[state] = (first, second)
                self._buffers[name] = (second, first)
        self._writer = {
            spec.name: stage for stage in STAGES for spec in bundle.graph(precision, stage).outputs
        }
        self._turn = dict.fromkeys(STAGES, 0)
        self._last_turn = dict.fromkeys(STAGES, 0)
        self._stages = {
            stage: self._open_stage(bundle, stage, threads if stage == "visual" else 1)
            for stage in STAGES
        }

    def _open_stage(self, bundle: Bundle, stage: str, threads: int) -> _Stage:
        spec = bundle.graph(self.precision, stage)
        session = self._open_session(bundle, stage, threads)
        _check_signature(session, spec, f"{bundle.path / spec.path}")
        names = [tensor.name for tensor in (*spec.inputs, *spec.outputs)]
        turns = max(len(self._buffers[name]) for name in names)
        bindings = tuple(self._bind(session, spec, turn) for turn in range(turns))
        return _Stage(session, bindings)

    def _open_session(self, bundle: Bundle, stage: str, threads: int) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONNX_ERRORS_ONLY
        content = bundle.graph_bytes(self.precision, stage)
        try:
            return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises many kinds; all mean a bad graph
            path = bundle.path / bundle.graph(self.precision, stage).path
            raise BundleError(f"{path}: ONNX Runtime refuses it: {error}") from None

    def _bind(self, session: ort.InferenceSession, spec: GraphSpec, turn: int) -> ort.IOBinding:
        binding = session.io_binding()
        for bind, tensors in (
            (binding.bind_input, spec.inputs),
            (binding.bind_output, spec.outputs),
        ):
            for tensor in tensors:
                buffers = self._buffers[tensor.name]
                array = buffers[turn % len(buffers)]
                bind(tensor.name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding

    def host_input(self, name: str) -> np.ndarray:
        if name not in self._tensors or name in self._writer:
            raise EngineError(f"{name!r} is not a host input of this bundle")
        return self._buffers[name][0]

    def host_output(self, name: str) -> np.ndarray:
        if name not in self._writer:
            raise EngineError(f"{name!r} is not an output of this bundle")
        buffers = self._buffers[name]
        return buffers[self._last_turn[self._writer[name]] % len(buffers)]

    def run(self, stage: str) -> None:
        self.peek(stage)
        self._turn[stage] = (self._turn[stage] + 1) % len(self._stages[stage].bindings)

    def peek(self, stage: str) -> None:
        # State is written beside what it was read from; what is read next is up to the turn.
        opened = self._stages.get(stage)
        if opened is None:
            raise EngineError(f"stage {stage!r}: expected one of {STAGES} on an open engine")
        try:
            opened.session.run_with_iobinding(opened.bindings[self._turn[stage]])
        except Exception as error:  # any backend failure is one kind of error to the caller
            raise EngineError(f"ONNX Runtime failed in stage {stage}: {error}") from None
        self._last_turn[stage] = self._turn[stage]

    def next_inputs(self, stage: str) -> dict[str, np.ndarray]:
        """Copies of what the next run of ``stage`` will read, by tensor name."""
        turn = self._turn[stage]
        names = [tensor.name for tensor in self._bundle.graph(self.precision, stage).inputs]
        return {name: self._buffers[name][turn % len(self._buffers[name])].copy() for name in names}

    def reset_state(self) -> None:
        for name in self._tensors:
            if name.endswith(STATE_SUFFIX):
                for buffer in self._buffers[name]:
                    buffer.fill(0)
        self._turn = dict.fromkeys(STAGES, 0)
        self._last_turn = dict.fromkeys(STAGES, 0)

    def close(self) -> None:
        self._stages = {}


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
