"""Device clocks: learnt from arrivals, learnt again after a step, never out of range."""

from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import START_NS
from same_engines.errors import InvalidInputError, TimestampError
from same_runtime import SamePoseTracker, StereoFrame, TrackerOptions
from same_runtime._core import Ingestion, LookupKind, PushStatus, Synchroniser
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock

MS = 1_000_000
SECOND = 1_000_000_000
IDENTITY = (0.0, 0.0, 0.0, 1.0)
STANDING = (0.0, 1.6, 0.0)


class EstimatedLeg:
    """A leg sensor at 100 Hz on a clock of its own, its samples 3 ms and more on their way."""

    def __init__(self, seed: int = 0) -> None:
        self.ingestion = Ingestion(Synchroniser(64))
        self.ingestion.set_clock_estimated(3, 3 * MS)
        self._random = np.random.default_rng(seed)

    def send(self, now_ns: int, stamp_ns: int, latency_ms: float | None = None) -> float | None:
        """How far off the sample is mapped, ms; None when it is refused."""
        if latency_ms is None:
            latency_ms = 3 + self._random.exponential(2)
        arrival_ns = now_ns + round(latency_ms * MS)
        if self.ingestion.push_leg(3, stamp_ns, IDENTITY, (0.0, 0.0, 0.0), arrival_ns):
            return None
        newest_ns = self.ingestion.newest_ns(3)
        assert newest_ns is not None
        return (newest_ns - now_ns) / MS


@pytest.mark.parametrize("step_ms", [200, -200, 2000, -2000, 30, -30, 4900])
def test_a_clock_that_steps_is_learnt_again_within_seconds(step_ms: int) -> None:
    leg = EstimatedLeg()
    for i in range(40 * 100):
        now_ns = 1000 * SECOND + i * 10 * MS
        stamp_ns = 7 * SECOND + i * 10 * MS + (step_ms * MS if i >= 1500 else 0)
        off_ms = leg.send(now_ns, stamp_ns)
        if i >= 2000 or (step_ms > 0 and i >= 1500):
            assert off_ms is not None and abs(off_ms) < 5
    assert leg.ingestion.restarts(3) == 1


def test_a_clock_that_stands_still_for_a_while_is_learnt_again() -> None:
    leg = EstimatedLeg()
    for i in range(30 * 100):
        # The device sleeps for a second, and its clock with it.
        now_ns = 1000 * SECOND + i * 10 * MS + (SECOND if i >= 1500 else 0)
        off_ms = leg.send(now_ns, 7 * SECOND + i * 10 * MS)
        if i >= 2000:
            assert off_ms is not None and abs(off_ms) < 5
    assert leg.ingestion.restarts(3) == 1


def test_a_slow_link_for_a_while_does_not_move_the_clock() -> None:
    leg = EstimatedLeg()
    for i in range(40 * 100):
        now_ns = 1000 * SECOND + i * 10 * MS
        latency_ms = 60.0 if 1500 <= i < 1690 else None
        off_ms = leg.send(now_ns, 7 * SECOND + i * 10 * MS, latency_ms)
        assert off_ms is not None
        assert abs(off_ms) < (40 if i < 100 else 5)
    assert leg.ingestion.restarts(3) == 0


def test_a_first_sample_that_comes_late_squeezes_none_after_it() -> None:
    leg, synchroniser = EstimatedLeg(), Synchroniser(64)
    leg.ingestion = Ingestion(synchroniser)
    leg.ingestion.set_clock_estimated(3, 3 * MS)
    for i in range(100):
        # What was waiting when the link came up is brought all at once.
        latency_ms = max(3.0, 203.0 - 10 * i)
        leg.send(1000 * SECOND + i * 10 * MS, 7 * SECOND + i * 10 * MS, latency_ms)
        held_ns = [
            t
            for t in range(999 * SECOND + 900 * MS, 1001 * SECOND + 200 * MS, MS)
            if synchroniser.lookup(t).how[3] in (LookupKind.EXACT, LookupKind.INTERPOLATED)
        ]
        if len(held_ns) > 1 and i > 21:  # true spacing of all that is held
            assert held_ns[-1] <= 1000 * SECOND + i * 10 * MS
    assert synchroniser.newest_ns(3) == 1000 * SECOND + 990 * MS
    at_ns = 1000 * SECOND + 555 * MS
    assert synchroniser.lookup(at_ns).how[3] == LookupKind.INTERPOLATED
    assert leg.ingestion.restarts(3) == 0


def test_times_out_of_range_are_refused_alike_at_every_method(tiny_bundle: Path) -> None:
    clocks = {
        "head": EstimatedClock(5 * MS),
        "cameras": EstimatedClock(5 * MS),
        "leg_left": GivenClock(-10 * SECOND),
    }
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as tracker:
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        frame, ingest = StereoFrame(0, image, image), tracker.ingest
        for call in (
            lambda: ingest.head(0, STANDING, IDENTITY, 2 * MS),
            lambda: ingest.frame(frame, 2 * MS),
            lambda: ingest.image("left", 0, image, 2 * MS),
            lambda: ingest.image("right", 0, image, 2 * MS),
            lambda: ingest.leg("left", SECOND, IDENTITY, STANDING),
        ):
            with pytest.raises(TimestampError, match="on the tracker's clock"):
                call()
        streams = tracker.stats().streams
        assert streams["head"].invalid == streams["leg_left"].invalid == 1
        assert streams["cameras"].invalid == 3 and streams["head"].accepted == 0
        with pytest.raises(InvalidInputError, match="head is not tracked"):
            tracker.recentre()
        ingest.head(10 * MS, STANDING, IDENTITY, 12 * MS)
        ingest.leg("left", 10 * SECOND + 20 * MS, IDENTITY, STANDING)
        ingest.frame(StereoFrame(10 * MS, image, image), 12 * MS)
        pose = tracker.step()
        assert pose is not None and pose.timestamp_ns == 7 * MS
        tracker.recentre()


def test_a_head_at_time_zero_is_tracked(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.ingest.leg("left", 100 * MS, IDENTITY, STANDING)
        tracker.ingest.head(0, STANDING, IDENTITY)
        tracker.recentre()


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: GivenClock(1.5), "offset_ns"),  # type: ignore[arg-type]
        (lambda: GivenClock("2"), "offset_ns"),  # type: ignore[arg-type]
        (lambda: GivenClock(True), "offset_ns"),
        (lambda: GivenClock(1 << 62), "offset_ns"),
        (lambda: GivenClock(0, float("nan")), "drift_ppm"),
        (lambda: GivenClock(0, 1e300), "drift_ppm"),
        (lambda: GivenClock(0, "1"), "drift_ppm"),  # type: ignore[arg-type]
        (lambda: EstimatedClock(0.5), "min_latency_ns"),  # type: ignore[arg-type]
        (lambda: EstimatedClock(None), "min_latency_ns"),  # type: ignore[arg-type]
        (lambda: EstimatedClock(-1), "min_latency_ns"),
        (lambda: TrackerOptions(ring_capacity=2.5), "ring_capacity"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(ring_capacity=True), "ring_capacity"),
        (lambda: TrackerOptions(ring_capacity="9"), "ring_capacity"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(ground_y_m="0"), "ground_y_m"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(max_gap_ns=1e8), "max_gap_ns"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(clocks=[]), "clocks"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(clocks={"waist": GivenClock(0)}), "clocks"),
        (lambda: TrackerOptions(clocks={"head": 5}), "clocks"),  # type: ignore[dict-item]
    ],
)
def test_wrong_values_of_options_are_named(build: object, name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        build()  # type: ignore[operator]


def test_numbers_of_numpy_are_taken() -> None:
    assert GivenClock(np.int64(5), np.float32(2)) == GivenClock(5, 2.0)
    assert TrackerOptions(ring_capacity=np.int32(9)).ring_capacity == 9


@pytest.mark.parametrize("bad", [1.5, "now", -1, 1 << 62])
def test_bad_arrival_times_are_named_and_change_nothing(tiny_bundle: Path, bad: object) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        ingest = tracker.ingest
        for call in (
            lambda: ingest.head(START_NS, STANDING, IDENTITY, bad),  # type: ignore[arg-type]
            lambda: ingest.leg("left", START_NS, IDENTITY, STANDING, bad),  # type: ignore[arg-type]
            lambda: ingest.frame(StereoFrame(START_NS, image, image), bad),  # type: ignore[arg-type]
            lambda: ingest.image("left", START_NS, image, bad),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidInputError, match="arrival_ns: expected"):
                call()
        assert all(s.accepted == 0 for s in tracker.stats().streams.values())


@pytest.mark.parametrize("offset_ns", [2**62, 2**63 - 1, -(2**62), -(2**63)])
def test_offsets_beyond_all_times_put_samples_out_of_range(offset_ns: int) -> None:
    ingestion = Ingestion(Synchroniser())
    ingestion.set_clock_given(0, offset_ns)
    at = 2**62 - 1 if offset_ns > 0 else 5
    refused = ingestion.push_pose(0, at, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0), 7)
    assert refused == PushStatus.OUT_OF_RANGE
    assert ingestion.newest_ns(0) is None
