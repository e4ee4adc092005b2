"""Watching a tracker at work, for benchmarks and profilers."""

from collections.abc import Mapping

from same_runtime._core import PARTS

__all__ = ["PARTS", "Observer"]


class Observer:
    """Give one to ``SamePoseTracker`` to watch it; this one does nothing. Override what is wanted.

    The methods are called in the thread that does the work: they must be quick and not raise. The
    network itself is watched by an ``EngineWrapper``.
    """

    def parts_done(self, part_ns: Mapping[str, int]) -> None:
        """Before ``estimated``: what the frame's parts beside the network took, nanoseconds by the
        names of ``PARTS``: ``synchronise``, samples brought to the frame's time; ``features``, the
        network's inputs from them; ``preprocess``, its images; ``output``, joints from what it
        gives."""

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        """A frame of ``timestamp_ns`` has become a pose, ``latency_ns`` after it arrived."""

    def given_out(self, ready_ns: int, late_ns: int) -> None:
        """A started tracker's pose was ready at ``ready_ns`` of ``time.monotonic_ns``, ``late_ns``
        after its display tick."""
