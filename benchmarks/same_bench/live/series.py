"""What a live run notes while it is measured, in memory that is there from the start."""

import time

import numpy as np
from numpy.typing import NDArray

from same_engines import Engine, EngineWrapper
from same_runtime import Observer


class Series:
    """Rows of integers noted one by one."""

    def __init__(self, capacity: int, columns: int) -> None:
        self._rows = np.full((capacity, columns), -1, np.int64)
        self._count = 0

    def add(self, *row: int) -> None:
        """Note a row; beyond the capacity it is left out."""
        if self._count < len(self._rows):
            self._rows[self._count] = row
            self._count += 1

    @property
    def rows(self) -> NDArray[np.int64]:
        """Those noted so far."""
        return self._rows[: self._count]


class NotingObserver(Observer):
    """Keeps every estimate and every pose given out."""

    def __init__(self, capacity: int) -> None:
        self.estimates = Series(capacity, 2)
        """(frame's time, latency), ns."""
        self.output = Series(capacity, 2)
        """(when a pose was ready, how late), ns."""

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        self.estimates.add(timestamp_ns, latency_ns)

    def given_out(self, ready_ns: int, late_ns: int) -> None:
        self.output.add(ready_ns, late_ns)


class TimedEngine(EngineWrapper):
    """Notes begin and end of each frame's network, ns."""

    def __init__(self, inner: Engine, capacity: int) -> None:
        super().__init__(inner)
        self.runs = Series(capacity, 2)

    def run_frame(self, with_images: bool = True) -> None:
        began_ns = time.monotonic_ns()
        super().run_frame(with_images)
        self.runs.add(began_ns, time.monotonic_ns())
