"""The interface every inference backend fits behind."""

from abc import ABC, abstractmethod

import numpy as np

from same_engines.bundle.manifest import STAGES, STATE_SUFFIX, TensorSpec
from same_engines.bundle.reader import Bundle
from same_engines.errors import BundleError, EngineError


class Engine(ABC):
    """Runs a bundle's four stage graphs on one backend.

    Tensors are known by name, and a name means the same tensor in every stage: what
    ``visual`` writes as ``features`` is what ``fusion`` reads as ``features``, without leaving
    the device. State (``X_next`` of one frame is ``X`` of the following one) stays in the engine
    too. All buffers are allocated once, when the engine opens.

    Life cycle: ``open_engine`` -> ``warm_up`` -> per frame: write ``host_input`` arrays, ``run``
    the stages, read ``host_output`` arrays -> ``close``. One thread at a time.
    """

    backend: str
    """Name of the backend, e.g. ``onnxruntime``."""
    precision: str
    """``fp32``, ``fp16``, ``bf16`` or ``int8``: which graphs run, and how they are computed."""

    @abstractmethod
    def host_input(self, name: str) -> np.ndarray:
        """The preallocated host array of an input that no stage computes; write into it."""

    @abstractmethod
    def host_output(self, name: str) -> np.ndarray:
        """Host view of a stage's output, valid until that stage runs again. The array of an
        output that is carried on (``X_next``) may be another one after every run."""

    @abstractmethod
    def run(self, stage: str) -> None:
        """Run one stage on the current tensors. Raises ``EngineError`` if the backend fails."""

    def run_frame(self, with_images: bool = True) -> None:
        """Run one frame's stages in order; ``visual`` keeps its last outputs where there are no
        images. An engine may run them faster than one by one. Raises ``EngineError``."""
        for stage in STAGES if with_images else STAGES[1:]:
            self.run(stage)

    def peek(self, stage: str) -> None:
        """Run one stage as ``run`` does, but leave the carried state as it was: the next run
        reads what this one read. Raises ``EngineError`` where the backend cannot."""
        raise EngineError(f"backend {self.backend} cannot run a stage without moving its state on")

    @abstractmethod
    def reset_state(self) -> None:
        """Zero all carried state (recurrent state, window)."""

    @abstractmethod
    def close(self) -> None:
        """Release the backend; the engine cannot be used afterwards. Safe to call twice."""

    def warm_up(self, runs: int = 3) -> None:
        """Run every stage a few times, so that the first frame is not the slow one, and reset."""
        for _ in range(runs):
            for stage in STAGES:
                self.run(stage)
        self.reset_state()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def collect_tensors(bundle: Bundle, precision: str) -> dict[str, TensorSpec]:
    """All tensors of a bundle by name. Raises ``BundleError`` where two stages disagree about a
    name, a state output has no input, or a tensor has two writers."""
    tensors: dict[str, TensorSpec] = {}
    writers: dict[str, str] = {}
    for stage in STAGES:
        graph = bundle.graph(precision, stage)
        for spec in (*graph.inputs, *graph.outputs):
            known = tensors.setdefault(spec.name, spec)
            if known != spec:
                raise BundleError(
                    f"bundle {bundle.path}: stage {stage} has {spec.name} as {spec.dtype} "
                    f"{spec.shape}, another stage as {known.dtype} {known.shape}"
                )
        for spec in graph.outputs:
            if writers.setdefault(spec.name, stage) != stage:
                raise BundleError(
                    f"bundle {bundle.path}: {spec.name} is written by {writers[spec.name]} "
                    f"and by {stage}"
                )
    for name, spec in tensors.items():
        if name.endswith(STATE_SUFFIX):
            state = tensors.get(name.removesuffix(STATE_SUFFIX))
            if state is None or (state.shape, state.dtype) != (spec.shape, spec.dtype):
                raise BundleError(f"bundle {bundle.path}: state {name} has no matching input")
    return tensors
