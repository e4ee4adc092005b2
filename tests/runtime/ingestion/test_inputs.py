"""Live doors: every bad sample is named, counted and harmless, and clocks are brought together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import START_NS

from same_engines.errors import InvalidInputError, TimestampError
from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime._core import Ingestion, PushStatus, Synchroniser
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock
from same_runtime.stats import Health

MS = 1_000_000
SECOND = 1_000_000_000
IDENTITY = (0.0, 0.0, 0.0, 1.0)
STANDING = (0.0, 1.6, 0.0)


def new_ingestion() -> tuple[Synchroniser, Ingestion]:
    synchroniser = Synchroniser(64)
    return synchroniser, Ingestion(synchroniser)


def push(ingestion: Ingestion, timestamp_ns: int, **options: object) -> PushStatus:
    return PushStatus(ingestion.push_pose(0, timestamp_ns, STANDING, IDENTITY, **options))


def test_each_bad_stamp_has_its_name_and_counter() -> None:
    synchroniser, ingestion = new_ingestion()
    assert push(ingestion, START_NS) is PushStatus.ACCEPTED
    for stamp, status in (
        (START_NS, PushStatus.DUPLICATE),
        (START_NS - 1, PushStatus.BACKWARDS),
        (START_NS + 33, PushStatus.TOO_CLOSE),
        (START_NS * 1_000_000, PushStatus.JUMPED),
    ):
        assert push(ingestion, stamp) is status
        assert synchroniser.newest_ns(0) == START_NS
    assert ingestion.counts(0) == (1, 1, 1, 1, 1, 0, 0)
    assert push(ingestion, START_NS + 10 * MS) is PushStatus.ACCEPTED


@pytest.mark.parametrize("shift_ns", [-3600 * SECOND, -2 * SECOND, 60 * SECOND, 86_400 * SECOND])
def test_a_stream_whose_clock_restarts_comes_back(shift_ns: int) -> None:
    synchroniser, ingestion = new_ingestion()
    start = 4000 * SECOND
    for i in range(5):
        push(ingestion, start + i * 10 * MS)
    statuses = [push(ingestion, start + shift_ns + i * 10 * MS) for i in range(12)]
    first = statuses.index(PushStatus.ACCEPTED)
    assert first <= 8
    assert all(s is PushStatus.ACCEPTED for s in statuses[first:])
    assert synchroniser.newest_ns(0) == start + shift_ns + 110 * MS
    assert ingestion.counts(0)[-1] == 1


def test_a_jump_that_another_device_shares_is_taken_at_once() -> None:
    _, ingestion = new_ingestion()
    push(ingestion, START_NS)
    later = START_NS + 60 * SECOND
    assert ingestion.push_leg(3, START_NS, IDENTITY, (0.0, 0.0, 0.0)) == 0
    assert ingestion.push_leg(3, later, IDENTITY, (0.0, 0.0, 0.0)) == PushStatus.JUMPED
    assert ingestion.push_leg(3, later + 5 * MS, IDENTITY, (0.0, 0.0, 0.0)) == 0
    assert push(ingestion, later + 6 * MS) is PushStatus.ACCEPTED


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**62 - 1), max_size=20), st.integers(0, 2**61))
def test_no_rubbish_silences_a_stream(rubbish: list[int], start: int) -> None:
    synchroniser, ingestion = new_ingestion()
    for stamp in rubbish:
        push(ingestion, stamp)
    # Whatever came before, a healthy 100 Hz stream is heard again within a second of waiting
    # (a stamp shortly ahead may hold it up that long) plus the eight witnesses of a restart.
    good = [start + i * 10 * MS for i in range(1, 620)]
    accepted = [push(ingestion, stamp) is PushStatus.ACCEPTED for stamp in good]
    assert all(accepted[-10:])
    assert synchroniser.newest_ns(0) == good[-1]


@settings(deadline=None, max_examples=30)
@given(
    offset_s=st.floats(-1e6, 1e6),
    drift_ppm=st.floats(-100, 100),
    latency_ms=st.floats(0, 20),
    seed=st.integers(0, 1000),
)
def test_clock_offset_and_drift_are_learnt(
    offset_s: float, drift_ppm: float, latency_ms: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    _, ingestion = new_ingestion()
    ingestion.set_clock_estimated(3, round(latency_ms * MS))
    start = 2_000_000 * SECOND
    for i in range(20 * 100):
        device_ns = start + i * 10 * MS
        true_ns = device_ns + round(offset_s * SECOND) + round(i * 10 * MS * 1e-6 * drift_ppm)
        arrival_ns = true_ns + round(latency_ms * MS + random.exponential(3.0) * MS)
        ingestion.push_leg(3, device_ns, IDENTITY, (0.0, 0.0, 0.0), arrival_ns)
    newest_ns = ingestion.newest_ns(3)
    assert newest_ns is not None and abs(newest_ns - true_ns) < 1 * MS
    assert abs(ingestion.clock(3)[1] - drift_ppm) < 60


def test_a_given_clock_is_applied_exactly() -> None:
    synchroniser, ingestion = new_ingestion()
    ingestion.set_clock_given(0, -2 * SECOND, 10.0)
    push(ingestion, 100 * SECOND)
    assert synchroniser.newest_ns(0) == 98 * SECOND + 1 * MS


def test_doors_name_the_device_and_count_what_they_refuse(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        ingest = tracker.ingest
        for error, message, call in (
            (InvalidInputError, "head: orientation_xyzw: expected a unit", lambda: ingest.head(
                START_NS, STANDING, (0.0, 0.0, 0.0, 0.0))),
            (InvalidInputError, "head: position: expected finite", lambda: ingest.head(
                START_NS, (0.0, np.nan, 0.0), IDENTITY)),
            (InvalidInputError, "head: position: expected", lambda: ingest.head(
                START_NS, "here", IDENTITY)),  # type: ignore[arg-type]
            (InvalidInputError, "position: expected values within", lambda: ingest.head(
                START_NS, (1e9, 0.0, 0.0), IDENTITY)),
            (TimestampError, "head timestamp_ns: expected integer", lambda: ingest.head(
                5.02, STANDING, IDENTITY)),  # type: ignore[arg-type]
            (TimestampError, "head timestamp_ns: expected 0 <=", lambda: ingest.head(
                -5, STANDING, IDENTITY)),
            (InvalidInputError, "side: expected one of", lambda: ingest.leg(
                "middle", START_NS, IDENTITY, STANDING)),
            (InvalidInputError, "leg_left: acceleration: expected shape", lambda: ingest.leg(
                "left", START_NS, IDENTITY, (1.0, 2.0))),
        ):  # fmt: skip
            with pytest.raises(error, match=message):
                call()
        ingest.head(START_NS, STANDING, IDENTITY)
        ingest.controller("left", np.int64(START_NS), np.array(STANDING), np.array(IDENTITY))
        streams = tracker.stats().streams
        assert streams["head"].invalid == 6 and streams["leg_left"].invalid == 1
        assert streams["head"].accepted == streams["ctrl_left"].accepted == 1
        assert streams["head"].health is Health.OK
        assert streams["ctrl_right"].health is Health.NEVER


def test_rates_ages_and_health_are_reported(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        for i in range(200):
            tracker.ingest.head(START_NS + i * 10 * MS, STANDING, IDENTITY)
            if i < 100:
                tracker.ingest.leg("right", START_NS + i * 5 * MS, IDENTITY, (0.0, 0.0, 0.0))
        streams = tracker.stats().streams
        assert streams["head"].rate_hz == pytest.approx(100)
        assert streams["leg_right"].rate_hz == pytest.approx(200)
        assert streams["leg_right"].health is Health.LOST
        assert streams["leg_right"].age_ns == 199 * 10 * MS - 99 * 5 * MS


def test_clocks_are_chosen_by_option(tiny_bundle: Path) -> None:
    clocks = {"leg_left": GivenClock(7 * SECOND), "leg_right": EstimatedClock(2 * MS)}
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as tracker:
        tracker.ingest.leg("left", START_NS, IDENTITY, (0.0, 0.0, 0.0))
        tracker.ingest.leg("right", 1, IDENTITY, (0.0, 0.0, 0.0), START_NS + 9 * MS)
        streams = tracker.stats().streams
        assert streams["leg_left"].clock_offset_ns == 7 * SECOND
        assert streams["leg_right"].clock_offset_ns == START_NS + 7 * MS - 1
    with pytest.raises(InvalidInputError, match="clocks: expected names"):
        SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks={"waist": GivenClock(0)}))
