"""Where a ``push`` spends its time: the plain tracker watched, its engine wrapped.

Each wrapped call reads the clock twice and adds to an integer: that is the whole cost of
measuring, see ``probe_cost_ns``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from same_bench.measuring.clock import Clock, SystemClock
from same_engines import Engine, EngineWrapper
from same_engines.bundle.manifest import STAGES
from same_runtime.camera import CameraRig
from same_runtime.observer import Observer
from same_runtime.tracker import SamePoseTracker, TrackerOptions

WHOLE_NETWORK: Final = "network"
"""All stages together, on an engine that runs a frame as one."""
NETWORK: Final = (*STAGES, WHOLE_NETWORK)
PARTS: Final = ("synchronise", "features", "preprocess", *NETWORK, "copy", "output")
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


class ProbedEngine(EngineWrapper):
    """An engine whose stages are timed; as one, where it runs them as one."""

    def __init__(self, inner: Engine, probe: Probe) -> None:
        super().__init__(inner)
        self._stages = {
            stage: probe.timed(stage, lambda stage=stage: inner.run(stage)) for stage in STAGES
        }
        self._whole_frame = probe.timed(WHOLE_NETWORK, inner.run_frame)
        self._host_input = probe.timed("copy", inner.host_input)
        self._host_output = probe.timed("copy", inner.host_output)

    def host_input(self, name: str) -> np.ndarray:
        return self._host_input(name)

    def host_output(self, name: str) -> np.ndarray:
        return self._host_output(name)

    def run(self, stage: str) -> None:
        self._stages[stage]()

    def run_frame(self, with_images: bool = True) -> None:
        if self.runs_frames_whole:
            self._whole_frame(with_images)
        else:
            super().run_frame(with_images)


class _ProbingObserver(Observer):
    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def parts_done(self, part_ns: Mapping[str, int]) -> None:
        for name, took_ns in part_ns.items():
            self._probe.part_ns[PARTS.index(name)] += took_ns


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
        # The core times its parts by the system's clock: on another one they are overhead.
        own = clock is None or isinstance(clock, SystemClock)
        observer = _ProbingObserver(self.probe) if own else None
        super().__init__(bundle, rig, ProbedEngine(engine, self.probe), options, observer)


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
