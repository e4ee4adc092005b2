"""What TensorRT reports while it builds one plan, as a share of it; and how to stop it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Share = Callable[[float], None]
"""Receives how much of a plan is built, 0 to 1, never falling."""


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class PhaseTree:
    """Nested phases of known numbers of steps as one share, steps of a phase counted as equal."""

    def __init__(self) -> None:
        self._phases: dict[str, _Phase] = {}
        self._share = 0.0
        self._lock = threading.Lock()  # the library reports from threads of its own

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of ``steps`` steps began within ``parent``, or at the top."""
        with self._lock:
            self._phases[name] = _Phase(parent, max(steps, 1))

    def step(self, name: str, index: int) -> float:
        """Step ``index`` of a phase ended; returns the share of everything that is done."""
        with self._lock:
            phase = self._phases.get(name)
            if phase is not None:
                phase.done = max(phase.done, index + 1)
                self._share = max(self._share, self._share_at(phase))
            return self._share

    def finish(self, name: str) -> None:
        """A phase ended; its parent's step goes on."""
        with self._lock:
            self._phases.pop(name, None)

    def _share_at(self, phase: _Phase) -> float:
        share = min(phase.done / phase.steps, 1.0)
        parent = self._phases.get(phase.parent) if phase.parent is not None else None
        while parent is not None:
            share = min((parent.done + share) / parent.steps, 1.0)
            parent = self._phases.get(parent.parent) if parent.parent is not None else None
        return share


def make_monitor(trt: Any, report: Share, stop: Callable[[], bool]) -> Any:
    """An IProgressMonitor of the library ``trt`` that tells ``report`` and ends the build when
    ``stop``. It must outlive the builder. No exception leaves it: what ``report`` raises ends the
    build and is kept as ``raised``.
    """

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.raised: BaseException | None = None
            self._phases = PhaseTree()

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            self._phases.start(name, parent, steps)

        def step_complete(self, name: str, index: int) -> bool:
            try:
                report(self._phases.step(name, index))
            except BaseException as error:
                self.raised = error
            return self.raised is None and not stop()

        def phase_finish(self, name: str) -> None:
            self._phases.finish(name)

    return Monitor()
