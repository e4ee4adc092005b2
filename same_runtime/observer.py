"""Watching a tracker's parts at work, for benchmarks and profilers."""

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

PARTS: Final = ("synchronise", "features", "preprocess", "output")
"""What a frame's estimate consists of beside the network: samples brought to the frame's time, the
network's inputs from them, its images, and joints from its output."""


class Observer:
    """Give one to ``SamePoseTracker`` to watch it; this one does nothing. Override what is wanted.

    The methods are called in the thread that does the work: they must be quick and not raise. The
    network itself is watched by an ``EngineWrapper``.
    """

    def part(self, name: str, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Called when the tracker opens, for each function that does the work of a part, one of
        ``PARTS``. Returns what the tracker calls in its place, which must do the same."""
        return function

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        """A frame of ``timestamp_ns`` has become a pose, ``latency_ns`` after it arrived."""

    def given_out(self, ready_ns: int, late_ns: int) -> None:
        """A started tracker's pose was ready at ``ready_ns`` of ``time.monotonic_ns``, ``late_ns``
        after its display tick."""
