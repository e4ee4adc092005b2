"""What ``tracker.stats()`` reports: health, counters, rates and latencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from same_runtime._core import Ingestion, Tracker
from same_runtime.ingestion.clock_sync import STREAMS
from same_runtime.ingestion.frame_inbox import FrameCounts
from same_runtime.pose import Pose, PoseStatus, Reason


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


@dataclass(frozen=True, eq=False)
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
    """The likely mistake behind each kind of implausible input since the tracker opened, or in how
    it was opened."""


def tracker_stats(
    core: Tracker,
    newest: Pose,
    frames: FrameCounts,
    lost_after_ns: int,
    callback_errors: int,
    hints: Sequence[str],
) -> TrackerStats:
    """What ``core`` counts so far. ``newest``: its newest pose. ``lost_after_ns``: age of a
    stream's newest sample from which it counts as lost."""
    now_ns = core.clock_now_ns()
    figures = core.figures()
    estimates, output = (RunningFigures(*figures.pop(name)) for name in ("estimates", "output"))
    return TrackerStats(
        status=newest.status,
        reasons=newest.reasons,
        joint_confidence=newest.joint_confidence,
        streams=_stream_stats(core.ingestion, lost_after_ns, core.off_clock(now_ns), now_ns),
        frames=frames,
        estimates=estimates,
        output=output,
        callback_errors=callback_errors,
        hints=tuple(hints),
        **figures,
    )


def _stream_stats(
    ingestion: Ingestion, lost_after_ns: int, off_clock: Sequence[bool], now_ns: int | None
) -> dict[str, StreamStats]:
    newest = [ingestion.newest_ns(index) for index in range(len(STREAMS))]
    if now_ns is None:
        on_clock = [
            t for t, off in zip(newest, off_clock, strict=True) if t is not None and not off
        ]
        now_ns = max(on_clock, default=0)
    found = {}
    for index, name in enumerate(STREAMS):
        newest_ns, age_ns = newest[index], None
        if newest_ns is None:
            health = Health.NEVER
        elif off_clock[index]:
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
