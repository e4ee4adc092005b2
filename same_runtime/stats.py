"""What ``tracker.stats()`` reports: health, counters, rates and latencies."""

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from same_runtime._core import Ingestion
from same_runtime.ingestion.clock_sync import STREAMS
from same_runtime.ingestion.frame_inbox import FrameCounts
from same_runtime.pose import Pose, PoseStatus, Reason

_KEPT = 512


class Health(Enum):
    """How a stream is doing."""

    NEVER = "no sample yet"
    OK = "samples keep coming"
    LOST = "no sample for longer than may be bridged"
    OTHER_CLOCK = "samples come, but stamped by another clock than the others'"


@dataclass(frozen=True)
class StreamStats:
    """One device's stream, or the cameras'."""

    health: Health
    age_ns: int | None
    """Time since its newest sample: until now on the tracker's clock while the tracker is
    started, else until the newest sample of all streams. None before the first, and for a stream
    on another clock."""
    rate_hz: float
    """Of the last samples; 0 before the second."""
    accepted: int
    duplicate: int
    backwards: int
    too_close: int
    """Stamps in another unit."""
    jumped: int
    """Stamps seconds ahead that no other stamp confirmed."""
    invalid: int
    """Samples with a wrong type, shape or value, such as a zero quaternion, or with a time that
    the stream's clock maps out of range."""
    restarts: int
    """Times the stream's clock began anew or stepped."""
    clock_offset_ns: int
    """Added to the newest device stamp to bring it onto the tracker's clock."""
    clock_drift_ppm: float

    @property
    def refused(self) -> int:
        """Samples that were not taken, for any reason."""
        return self.duplicate + self.backwards + self.too_close + self.jumped + self.invalid


@dataclass(frozen=True)
class RunningFigures:
    """Rate and latency of something that happens again and again, over its last 512 times."""

    count: int
    rate_hz: float
    latency_median_ms: float
    latency_p99_ms: float
    latency_max_ms: float


class RollingFigures:
    """Collects ``RunningFigures`` in fixed memory; one writer, any reader."""

    def __init__(self) -> None:
        self._times_ns = np.zeros(_KEPT, np.int64)
        self._latencies_ns = np.zeros(_KEPT, np.int64)
        self._count = 0

    def add(self, time_ns: int, latency_ns: int) -> None:
        """Note one event at ``time_ns`` that took ``latency_ns``."""
        slot = self._count % _KEPT
        self._times_ns[slot], self._latencies_ns[slot] = time_ns, latency_ns
        self._count += 1

    def figures(self) -> RunningFigures:
        """The figures so far."""
        count = self._count
        held = min(count, _KEPT)
        if held == 0:
            return RunningFigures(0, 0.0, 0.0, 0.0, 0.0)
        times, latencies = self._times_ns[:held], 1e-6 * self._latencies_ns[:held]
        span_s = 1e-9 * float(times.max() - times.min())
        median, p99 = np.percentile(latencies, (50, 99))
        rate_hz = (held - 1) / span_s if span_s > 0 else 0.0
        return RunningFigures(count, rate_hz, float(median), float(p99), float(latencies.max()))


@dataclass(frozen=True)
class TrackerStats:
    """One consistent look at a tracker."""

    status: PoseStatus
    """Of the newest pose."""
    reasons: tuple[Reason, ...]
    joint_confidence: NDArray[np.float32]
    """(22,) in [0, 1], newest pose."""
    streams: dict[str, StreamStats]
    """By name: ``conventions.DEVICES`` and ``cameras``."""
    frames: FrameCounts
    estimates: RunningFigures
    """Runs of the network on a frame; latency from the frame's coming in, or the call of
    ``push``, to its pose."""
    output: RunningFigures
    """Poses the worker gave out; latency is how long after its deadline each one was ready."""
    deadlines_missed: int
    """Poses that the worker gave out a whole display period late or not at all."""
    frames_too_late: int
    """Frames older than an estimate that was made without them."""
    relocalisations: int
    """Times the head jumped and the body was moved along."""
    engine_failures: int
    worker_errors: int
    """Errors that the live threads caught and went on after, engine failures among them."""
    callback_errors: int
    """What the application's pose callbacks and its clock raised."""
    hints: tuple[str, ...] = ()
    """The likely mistake behind each kind of implausible input since the tracker opened."""


def stream_stats(
    ingestion: Ingestion, lost_after_ns: int, off_clock: Container[str], now_ns: int | None
) -> dict[str, StreamStats]:
    """The state of every stream of ``clock_sync.STREAMS``.

    ``off_clock``: names of those on another clock. ``now_ns``: now on the tracker's clock; None
    takes the time of the newest sample.
    """
    newest = {name: ingestion.newest_ns(index) for index, name in enumerate(STREAMS)}
    on_clock = [t for name, t in newest.items() if t is not None and name not in off_clock]
    if now_ns is None:
        now_ns = max(on_clock, default=0)
    found = {}
    for index, (name, newest_ns) in enumerate(newest.items()):
        age_ns = None
        if newest_ns is None:
            health = Health.NEVER
        elif name in off_clock:
            health = Health.OTHER_CLOCK
        else:
            age_ns = max(0, now_ns - newest_ns)
            health = Health.OK if age_ns <= lost_after_ns else Health.LOST
        interval_ns = ingestion.interval_ns(index)
        offset_ns, drift_ppm = ingestion.clock(index)
        counts = ingestion.counts(index)
        rate_hz = 1e9 / interval_ns if interval_ns > 0 else 0.0
        found[name] = StreamStats(health, age_ns, rate_hz, *counts, offset_ns, drift_ppm)
    return found


def newest_status(pose: Pose | None) -> tuple[PoseStatus, tuple[Reason, ...], NDArray[np.float32]]:
    """Status, reasons and confidence of a pose; INVALID before the first."""
    pose = pose or Pose()
    return pose.status, pose.reasons, pose.joint_confidence
