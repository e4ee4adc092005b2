"""The measuring loops: single-stream, paced, and several variants interleaved frame by frame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from same_bench.measuring.clip import Clip
from same_bench.measuring.clock import Clock
from same_bench.measuring.probe import PARTS, ProbedTracker
from same_engines.errors import InvalidInputError

OVERHEAD = "overhead"
STAGE_NAMES = (*PARTS, OVERHEAD)
_START_NS = 1_000_000_000

AfterFrame = Callable[["Samples", int | None], None]
"""Called between frames with what was measured so far and the time left until the next frame
(None: no schedule). It must return within that time."""


@dataclass
class Samples:
    """Every measured frame of one run, raw and complete."""

    name: str
    mode: str
    """``single-stream``, ``paced`` or ``interleaved``."""
    rate_hz: float | None = None
    """Frames per second that arrive, in paced mode."""
    scheduled: int | None = None
    """Frames that arrived, in paced mode."""
    warm_up_frames: int = 0
    seconds: float = 0.0
    """Measured time, first to last frame."""
    latency_ns: list[int] = field(default_factory=list)
    """Paced: from the frame's scheduled time; else the time of ``push``."""
    finished_ns: list[int] = field(default_factory=list)
    """When each pose was out, from the start of the run."""
    slot: list[int] = field(default_factory=list)
    """Index of each processed frame in the schedule, from 0; a gap is dropped frames."""
    stage_ns: dict[str, list[int]] = field(
        default_factory=lambda: {name: [] for name in STAGE_NAMES}
    )
    """Time within ``push`` by stage; ``overhead`` is what no stage accounts for."""
    status: dict[str, int] = field(default_factory=dict)
    """Pose status -> frames."""
    probe_calls: int = 0
    """Timed calls of all frames together."""

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before they could be processed."""
        return 0 if self.scheduled is None else self.scheduled - len(self.slot)

    def _add(
        self,
        slot: int,
        latency_ns: int,
        push_ns: int,
        finished_ns: int,
        parts: list[int],
        calls: int,
        status: str,
    ) -> None:
        self.slot.append(slot)
        self.latency_ns.append(latency_ns)
        self.finished_ns.append(finished_ns)
        for name, value in zip(PARTS, parts, strict=True):
            self.stage_ns[name].append(value)
        self.stage_ns[OVERHEAD].append(push_ns - sum(parts))
        self.probe_calls += calls
        self.status[status] = self.status.get(status, 0) + 1


class _Feeder:
    """Pushes the frames of a clip, one after another, and notes what each took."""

    def __init__(self, tracker: ProbedTracker, clip: Clip, clock: Clock, period_ns: int) -> None:
        self.tracker, self._clip, self._clock, self._period_ns = tracker, clip, clock, period_ns
        self._next = 0

    def prepare(self, slot: int | None = None) -> None:
        """Build the next frame, as a camera driver would before handing it over."""
        index = self._next if slot is None else slot
        self._next = index + 1
        self._sample = self._clip.sample(index, _START_NS + index * self._period_ns)

    def push(self) -> tuple[int, int, str]:
        """(start, end) of the push and the pose's status."""
        self.tracker.probe.start_frame()
        started_ns = self._clock.now_ns()
        pose = self.tracker.push(*self._sample)
        return started_ns, self._clock.now_ns(), pose.status.value


def _check(duration_s: float) -> None:
    if not np.isfinite(duration_s) or duration_s <= 0:
        raise InvalidInputError(f"duration: expected more than 0 seconds, got {duration_s:g}")


def single_stream(
    name: str,
    tracker: ProbedTracker,
    clip: Clip,
    duration_s: float,
    clock: Clock,
    warm_up_frames: int = 64,
    after_frame: AfterFrame | None = None,
) -> Samples:
    """Push frames as fast as they are taken, for ``duration_s``; latency is that of ``push``.

    Raises ``InvalidInputError`` for a duration that is not positive.
    """
    _check(duration_s)
    feeder = _Feeder(tracker, clip, clock, clip.period_ns)
    samples = Samples(name, "single-stream", warm_up_frames=warm_up_frames)
    for _ in range(warm_up_frames):
        feeder.prepare()
        feeder.push()
    begun_ns = clock.now_ns()
    end_ns = begun_ns + round(duration_s * 1e9)
    while clock.now_ns() < end_ns:
        feeder.prepare()
        started_ns, finished_ns, status = feeder.push()
        probe, took_ns = tracker.probe, finished_ns - started_ns
        samples._add(
            len(samples.slot),
            took_ns,
            took_ns,
            finished_ns - begun_ns,
            probe.part_ns,
            probe.calls,
            status,
        )
        if after_frame is not None:
            after_frame(samples, None)
    samples.seconds = (clock.now_ns() - begun_ns) / 1e9
    return samples


def paced(
    name: str,
    tracker: ProbedTracker,
    clip: Clip,
    rate_hz: float,
    duration_s: float,
    clock: Clock,
    warm_up_frames: int = 64,
    after_frame: AfterFrame | None = None,
) -> Samples:
    """Frames arrive at ``rate_hz`` whether or not the tracker keeps up, for ``duration_s``.

    Latency counts from the time a frame was scheduled to arrive, so waiting is in it. When
    several frames have arrived, the newest is taken and the others are dropped and counted. The
    schedule starts with the warm-up frames. Raises ``InvalidInputError`` for a rate or a
    duration that is not positive.
    """
    _check(duration_s)
    if not np.isfinite(rate_hz) or rate_hz <= 0:
        raise InvalidInputError(f"rate: expected more than 0 frames per second, got {rate_hz:g}")
    period_ns = 1e9 / rate_hz
    feeder = _Feeder(tracker, clip, clock, round(period_ns))
    measured = max(1, round(duration_s * rate_hz))
    slots = warm_up_frames + measured
    samples = Samples(name, "paced", rate_hz, measured, warm_up_frames, measured / rate_hz)
    origin_ns = clock.now_ns() + round(period_ns)

    def scheduled_ns(slot: int) -> int:
        return origin_ns + round(slot * period_ns)

    slot = 0
    while slot < slots:
        feeder.prepare(slot)
        clock.wait_until(scheduled_ns(slot))
        started_ns, finished_ns, status = feeder.push()
        if slot >= warm_up_frames:
            probe = tracker.probe
            samples._add(
                slot - warm_up_frames,
                finished_ns - scheduled_ns(slot),
                finished_ns - started_ns,
                finished_ns - scheduled_ns(warm_up_frames),
                probe.part_ns,
                probe.calls,
                status,
            )
            if after_frame is not None:
                after_frame(samples, scheduled_ns(slot + 1) - clock.now_ns())
        arrived = int((clock.now_ns() - origin_ns) // period_ns)
        slot = max(slot + 1, arrived)
    if not samples.slot:
        raise InvalidInputError(
            f"duration: no frame was finished within {duration_s:g} s after the warm-up; the "
            "machine is too slow for this rate: make it longer or the rate lower"
        )
    return samples


def interleaved(
    trackers: Mapping[str, ProbedTracker],
    clip: Clip,
    rounds: int,
    clock: Clock,
    every: Mapping[str, int] | None = None,
    warm_up_frames: int = 8,
    settle_ns: int = 5_000_000,
    after_round: Callable[[int], None] | None = None,
) -> dict[str, Samples]:
    """Push each frame through every tracker in turn, so that noise on the machine hits all alike.

    ``every``: name -> take only each n-th round (for slow variants). ``settle_ns``: pause
    before each push, in which the previous variant's thread pool stops spinning. The order is
    shuffled each round, so that no variant always follows the same one. Deterministic.
    """
    if rounds < 1:
        raise InvalidInputError(f"rounds: expected at least 1, got {rounds}")
    every = every or {}
    feeders = {
        name: _Feeder(tracker, clip, clock, clip.period_ns) for name, tracker in trackers.items()
    }
    runs = {name: Samples(name, "interleaved", warm_up_frames=warm_up_frames) for name in trackers}
    for feeder in feeders.values():
        for _ in range(warm_up_frames):
            feeder.prepare()
            feeder.push()
    begun_ns = clock.now_ns()
    names, random = list(trackers), np.random.default_rng(0)
    for index in range(rounds):
        for name in random.permutation(names).tolist():
            if index % every.get(name, 1):
                continue
            feeder = feeders[name]
            feeder.prepare()
            clock.wait_until(clock.now_ns() + settle_ns)
            started_ns, finished_ns, status = feeder.push()
            probe, took_ns = trackers[name].probe, finished_ns - started_ns
            runs[name]._add(
                index, took_ns, took_ns, finished_ns - begun_ns, probe.part_ns, probe.calls, status
            )
        if after_round is not None:
            after_round(index)
    for samples in runs.values():
        samples.seconds = (clock.now_ns() - begun_ns) / 1e9
    return runs
