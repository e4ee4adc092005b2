"""Which display deadlines were missed, and whether the network's own time explains it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ticks:
    """Every display tick of a run, in order; int64 nanoseconds."""

    due_ns: NDArray[np.int64]
    late_ns: NDArray[np.int64]
    """From when the tick was due to when its pose was there; the one after it for a tick that
    was skipped."""
    network_ns: NDArray[np.int64]
    """How much of that the network was running."""
    period_ns: int

    @property
    def missed(self) -> NDArray[np.bool_]:
        """No pose within a display period."""
        return self.late_ns > self.period_ns

    @property
    def unexplained(self) -> NDArray[np.bool_]:
        """Missed even if the time that the network ran were not counted."""
        return self.missed & (self.late_ns - self.network_ns > self.period_ns)


def judge_ticks(
    ready_ns: NDArray[np.int64],
    late_ns: NDArray[np.int64],
    period_ns: int,
    runs_ns: NDArray[np.int64],
) -> Ticks:
    """``ready_ns``, ``late_ns``: of each pose given out, when and how long after its tick was due.
    ``runs_ns``: (n, 2) begin and end of every run of the network, in order, none overlapping."""
    due_ns = ready_ns - late_ns
    skipped = np.rint(np.diff(due_ns, prepend=due_ns[:1] - period_ns) / period_ns).astype(int) - 1
    given_by = np.repeat(np.arange(len(due_ns)), skipped.clip(0) + 1)
    last_of_group = np.cumsum(skipped.clip(0) + 1) - 1
    before = last_of_group[given_by] - np.arange(len(given_by))
    all_due_ns = due_ns[given_by] - before * period_ns
    all_ready_ns = ready_ns[given_by]
    busy_ns = _busy_until(all_ready_ns, runs_ns) - _busy_until(all_due_ns, runs_ns)
    return Ticks(all_due_ns, all_ready_ns - all_due_ns, busy_ns, period_ns)


def _busy_until(times_ns: NDArray[np.int64], runs_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How long the network had run before each time."""
    if not len(runs_ns):
        return np.zeros_like(times_ns)
    done_ns = np.concatenate([[0], np.cumsum(runs_ns[:, 1] - runs_ns[:, 0])])
    begun = np.searchsorted(runs_ns[:, 0], times_ns, side="right")
    newest = (begun - 1).clip(0)
    too_much = (runs_ns[newest, 1] - times_ns).clip(0)
    return np.asarray(np.where(begun > 0, done_ns[begun] - too_much, 0), np.int64)
