"""The engine whose tensors are arrays in host memory, whichever library runs the stages."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from same_engines.bundle.manifest import STAGES, STATE_SUFFIX, GraphSpec, graphs_of
from same_engines.bundle.reader import Bundle
from same_engines.engine import Engine, collect_tensors
from same_engines.errors import EngineError


class HostEngine(Engine):
    """Stages that read and write fixed arrays.

    A stage with state alternates between two sets of arrays: the state written by one frame is
    read by the next without a copy.
    """

    def __init__(self, bundle: Bundle, precision: str) -> None:
        self.precision, self._graphs, self._bundle = precision, graphs_of(precision), bundle
        self._tensors = collect_tensors(bundle, self._graphs)
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
            spec.name: stage
            for stage in STAGES
            for spec in bundle.graph(self._graphs, stage).outputs
        }
        self._turn = dict.fromkeys(STAGES, 0)
        self._last_turn = dict.fromkeys(STAGES, 0)
        self._runs: dict[str, tuple[Callable[[], None], ...]] = {}
        for stage in STAGES:
            spec = bundle.graph(self._graphs, stage)
            names = [tensor.name for tensor in (*spec.inputs, *spec.outputs)]
            turns = max(len(self._buffers[name]) for name in names)
            arrays = [
                {name: self._buffers[name][turn % len(self._buffers[name])] for name in names}
                for turn in range(turns)
            ]
            self._runs[stage] = self._open_stage(stage, spec, arrays)

    @abstractmethod
    def _open_stage(
        self, stage: str, spec: GraphSpec, arrays: Sequence[Mapping[str, np.ndarray]]
    ) -> tuple[Callable[[], None], ...]:
        """Open ``stage``: one call for each set of ``arrays`` (by tensor name), which runs it on
        them and raises ``EngineError``. The arrays stay where they are."""

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
        self._turn[stage] = (self._turn[stage] + 1) % len(self._runs[stage])

    def peek(self, stage: str) -> None:
        # State is written beside what it was read from; what is read next is up to the turn.
        runs = self._runs.get(stage)
        if runs is None:
            raise EngineError(f"stage {stage!r}: expected one of {STAGES} on an open engine")
        runs[self._turn[stage]]()
        self._last_turn[stage] = self._turn[stage]

    def next_inputs(self, stage: str) -> dict[str, np.ndarray]:
        """Copies of what the next run of ``stage`` will read, by tensor name."""
        turn = self._turn[stage]
        names = [tensor.name for tensor in self._bundle.graph(self._graphs, stage).inputs]
        return {name: self._buffers[name][turn % len(self._buffers[name])].copy() for name in names}

    def reset_state(self) -> None:
        for name in self._tensors:
            if name.endswith(STATE_SUFFIX):
                for buffer in self._buffers[name]:
                    buffer.fill(0)
        self._turn = dict.fromkeys(STAGES, 0)
        self._last_turn = dict.fromkeys(STAGES, 0)

    def close(self) -> None:
        self._runs = {}
