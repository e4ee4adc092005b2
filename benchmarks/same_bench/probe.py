"""Where a ``push`` spends its time, measured from outside: the tracker has no hooks to pay for.

A probed tracker is the plain tracker with its parts wrapped. Each wrapped call reads the clock
twice and adds to an integer: that is the whole cost of measuring, see ``probe_cost_ns``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from same_bench.clock import Clock, SystemClock
from same_engines import Engine
from same_engines.bundle.manifest import STAGES
from same_runtime.camera import CameraRig
from same_runtime.tracker import SamePoseTracker, TrackerOptions

PARTS: Final = ("synchronise", "features", "preprocess", *STAGES, "copy", "output")
"""What is timed apart within a push; the rest of it is ``overhead``. ``copy`` is what an engine
spends handing host arrays in and out during a frame."""


class Probe:
    """Time per part since ``start_frame``, nanoseconds, and how often the clock was read."""

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self.part_ns = [0] * len(PARTS)
        self.calls = 0

    def start_frame(self) -> None:
        """Forget the previous frame."""
        self.part_ns[:] = [0] * len(PARTS)
        self.calls = 0

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, its time added to ``part``."""
        index, part_ns, now_ns = PARTS.index(part), self.part_ns, self._now_ns

        def call(*arguments: Any) -> Any:
            started_ns = now_ns()
            result = function(*arguments)
            part_ns[index] += now_ns() - started_ns
            self.calls += 1
            return result

        return call


class _Proxy:
    """Stands in for a part of the tracker; methods not named here pass straight through."""

    def __init__(self, target: Any, **methods: Callable[..., Any]) -> None:
        self._target = target
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


class ProbedEngine(Engine):
    """An engine whose stages are timed."""

    def __init__(self, engine: Engine, probe: Probe) -> None:
        self.inner = engine
        self.backend, self.precision = engine.backend, engine.precision
        self._runs = {
            stage: probe.timed(stage, lambda stage=stage: engine.run(stage)) for stage in STAGES
        }
        self._host_input = probe.timed("copy", engine.host_input)
        self._host_output = probe.timed("copy", engine.host_output)

    def host_input(self, name: str) -> np.ndarray:
        return self._host_input(name)

    def host_output(self, name: str) -> np.ndarray:
        return self._host_output(name)

    def run(self, stage: str) -> None:
        self._runs[stage]()

    def reset_state(self) -> None:
        self.inner.reset_state()

    def warm_up(self, runs: int = 3) -> None:
        self.inner.warm_up(runs)

    def close(self) -> None:
        self.inner.close()


class ProbedTracker(SamePoseTracker):
    """A tracker whose parts are timed in ``probe``; owns ``engine``."""

    def __init__(
        self,
        bundle: str | Path,
        engine: Engine,
        rig: CameraRig | None = None,
        options: TrackerOptions | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.probe = Probe(clock or SystemClock())
        super().__init__(bundle, rig, ProbedEngine(engine, self.probe), options)

    def _connect(self, config: Any, options: TrackerOptions) -> None:
        super()._connect(config, options)
        timed, ingestion, pipeline = self.probe.timed, self._ingestion, self._pipeline
        synchroniser, estimator = self._synchroniser, pipeline._estimator
        assembler = estimator.assembler
        probed_ingestion: Any = _Proxy(
            ingestion,
            admit=timed("synchronise", ingestion.admit),
            push_pose=timed("synchronise", ingestion.push_pose),
            push_leg=timed("synchronise", ingestion.push_leg),
        )
        self._ingestion = pipeline._ingestion = probed_ingestion
        probed_synchroniser: Any = _Proxy(
            synchroniser, lookup=timed("synchronise", synchroniser.lookup)
        )
        self._synchroniser = pipeline._synchroniser = probed_synchroniser
        estimator.assembler = _Proxy(
            assembler,
            assemble=timed("features", assembler.assemble),
            joints_to_world=timed("output", assembler.joints_to_world),
        )  # type: ignore[assignment]
        estimator.preprocess = timed("preprocess", estimator.preprocess)  # type: ignore[assignment]


def probe_cost_ns(calls: int = 20_000) -> float:
    """What one wrapped call costs more than the bare one, nanoseconds (mean over ``calls``)."""
    clock = SystemClock()
    probe = Probe(clock)

    def nothing() -> None:
        return None

    wrapped = probe.timed(PARTS[0], nothing)
    costs = []
    for function in (nothing, wrapped):
        started_ns = clock.now_ns()
        for _ in range(calls):
            function()
        costs.append((clock.now_ns() - started_ns) / calls)
    return max(0.0, costs[1] - costs[0])
