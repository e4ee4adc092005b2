"""The benchmark's clock, replaceable so that tests can say exactly how long things took."""

import time
from abc import ABC, abstractmethod


class Clock(ABC):
    """A monotonic clock in integer nanoseconds."""

    @abstractmethod
    def now_ns(self) -> int:
        """The time, nanoseconds."""

    @abstractmethod
    def wait_until(self, deadline_ns: int) -> None:
        """Return at ``deadline_ns``, or at once if it has passed."""


class SystemClock(Clock):
    """The machine's monotonic clock."""

    _SPIN_NS = 300_000
    """The system wakes a sleeper up to this late; the rest of a wait is spent looking."""

    now_ns = staticmethod(time.perf_counter_ns)

    def wait_until(self, deadline_ns: int) -> None:
        slack_ns = deadline_ns - time.perf_counter_ns() - self._SPIN_NS
        if slack_ns > 0:
            time.sleep(slack_ns / 1e9)
        while time.perf_counter_ns() < deadline_ns:
            pass


class SleepingClock(SystemClock):
    """Sleeps all of a wait, so that the process's time is the tracker's; wakes up a little late."""

    _SPIN_NS = 0
