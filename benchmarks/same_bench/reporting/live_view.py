"""The terminal: a live view that may not disturb what it shows, and the final tables."""

import numpy as np
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from same_bench.measuring.clock import Clock
from same_bench.measuring.measure import Samples
from same_bench.reporting.tables import TextTable
from same_runtime.cli.console import messages

_SHARE = 0.005
"""Largest share of the elapsed time that drawing may take."""
_SLACK_FACTOR = 3
"""With a schedule, draw only if this many drawings would fit before the next frame."""
_RECENT = 500
_SPARKS = "▁▂▃▄▅▆▇█"


class LiveView:
    """Shows a run while it is measured, drawing between frames and only within a budget."""

    def __init__(self, duration_s: float, enabled: bool, clock: Clock) -> None:
        self.drawings = 0
        self.spent_ns = 0
        self._duration_s, self._clock = duration_s, clock
        self._live = (
            Live(console=messages(), auto_refresh=False, transient=True) if enabled else None
        )
        self._begun_ns = self._clock.now_ns()
        self._cost_ns = 0

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
            # Once before anything is measured: the first drawing is slow, and it tells the cost.
            for _ in range(2):
                self._draw(Samples("starting", ""))
        self.spent_ns, self._begun_ns = 0, self._clock.now_ns()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def after_frame(self, samples: Samples, slack_ns: int | None) -> None:
        """Draw if the budget and the time to the next frame allow it."""
        if self._live is None:
            return
        elapsed_ns = self._clock.now_ns() - self._begun_ns
        if self.spent_ns + self._cost_ns > _SHARE * elapsed_ns:
            return
        if slack_ns is not None and slack_ns < _SLACK_FACTOR * self._cost_ns:
            return
        self._draw(samples)

    def _draw(self, samples: Samples) -> None:
        assert self._live is not None
        started_ns = self._clock.now_ns()
        self._live.update(_picture(samples, self._duration_s), refresh=True)
        self._cost_ns = self._clock.now_ns() - started_ns
        self.spent_ns += self._cost_ns
        self.drawings += 1


def _picture(samples: Samples, duration_s: float) -> Group:
    done_s = samples.finished_ns[-1] / 1e9 if samples.finished_ns else 0.0
    recent_ms = np.asarray(samples.latency_ns[-_RECENT:]) / 1e6
    if len(recent_ms):
        shown = recent_ms[-60:]
        top = max(float(shown.max()), 1e-9)
        sparks = "".join(_SPARKS[min(7, int(8 * value / top))] for value in shown)
        figures = (
            f"last {len(recent_ms)}: median {np.median(recent_ms):.2f} ms, "
            f"max {recent_ms.max():.2f} ms; {len(samples.slot):,} frames, "
            f"{samples.dropped:,} dropped"
        )
    else:
        sparks, figures = "", "warming up"
    rate = "" if samples.rate_hz is None else f" at {samples.rate_hz:g} Hz"
    return Group(
        Text(f"{samples.name} {samples.mode}{rate}", style="bold"),
        ProgressBar(total=duration_s, completed=min(done_s, duration_s), width=60),
        Text(figures),
        Text(sparks, style="cyan"),
    )


def rich_table(table: TextTable) -> Table:
    """A table for the terminal."""
    shown = Table(title=table.title, title_justify="left", show_header=any(table.header))
    for index, name in enumerate(table.header):
        shown.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown
