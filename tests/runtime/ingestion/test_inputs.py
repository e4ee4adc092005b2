"""Live input: every bad sample is named, counted and harmless, and clocks are brought together."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from same_bench.measuring.made_up_stream import START_NS
from same_engines.errors import InvalidInputError, TimestampError
from same_runtime import PoseStatus, SamePoseTracker, StereoFrame, TrackerOptions
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


@pytest.mark.parametrize(
    "shift_ns",
    [-3600 * SECOND, -2 * SECOND, -500 * MS, -200 * MS, 60 * SECOND, 86_400 * SECOND],
)
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


@pytest.mark.parametrize("ahead_ms", [100, 200, 900, 2000, 60_000])
def test_one_stamp_ahead_costs_a_few_samples(ahead_ms: int) -> None:
    synchroniser, ingestion = new_ingestion()
    refused = 0
    for i in range(60):
        for stamp in (START_NS + i * 11 * MS,) * (i != 30) + (
            (START_NS + i * 11 * MS + ahead_ms * MS,) * (i == 30)
        ):
            refused += push(ingestion, stamp) is not PushStatus.ACCEPTED
    assert refused <= 8
    assert synchroniser.newest_ns(0) == START_NS + 59 * 11 * MS


def test_late_packets_among_newer_ones_do_not_restart_a_stream() -> None:
    synchroniser, ingestion = new_ingestion()
    for i in range(0, 400, 8):  # seven of eight samples come after the eighth
        stamps = [START_NS + (i + k) * 10 * MS for k in range(8)]
        for stamp in (stamps[-1], *stamps[:-1]):
            push(ingestion, stamp)
    counts = ingestion.counts(0)
    assert counts[0] == 50 and counts[2] == 350 and counts[-1] == 0
    assert synchroniser.newest_ns(0) == START_NS + 399 * 10 * MS


@pytest.mark.parametrize("rate_hz", [2.5, 5, 10, 90, 1000])
def test_microseconds_are_not_taken_for_nanoseconds(rate_hz: float) -> None:
    _, ingestion = new_ingestion()
    statuses = [push(ingestion, 5_000_000 + round(i * 1e6 / rate_hz)) for i in range(200)]
    assert statuses.count(PushStatus.ACCEPTED) <= 8
    assert all(status is PushStatus.TOO_CLOSE for status in statuses[-100:])
    # In the right unit the stream is taken at once.
    assert all(
        push(ingestion, START_NS + round(i * 1e9 / rate_hz)) is PushStatus.ACCEPTED
        for i in range(20)
    )


def test_samples_of_one_radio_packet_may_be_stamped_close_together() -> None:
    _, ingestion = new_ingestion()
    for packet in range(50):
        for k in range(4):
            assert push(ingestion, START_NS + packet * 40 * MS + k * 200_000) == 0


def test_a_gap_does_not_spoil_the_rate() -> None:
    _, ingestion = new_ingestion()
    for i in range(100):
        push(ingestion, START_NS + i * 10 * MS + (4 * SECOND if i >= 90 else 0))
    assert 1e9 / ingestion.interval_ns(0) > 80


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
    # Whatever came before, a healthy 100 Hz stream is accepted again within a second of waiting
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
            (
                InvalidInputError,
                "head: orientation_xyzw: expected a unit",
                lambda: ingest.head(START_NS, STANDING, (0.0, 0.0, 0.0, 0.0)),
            ),
            (
                InvalidInputError,
                "head: position: expected finite",
                lambda: ingest.head(START_NS, (0.0, np.nan, 0.0), IDENTITY),
            ),
            (
                InvalidInputError,
                "head: position: expected",
                lambda: ingest.head(START_NS, "here", IDENTITY),
            ),  # type: ignore[arg-type]
            (
                InvalidInputError,
                "position: expected values within",
                lambda: ingest.head(START_NS, (1e9, 0.0, 0.0), IDENTITY),
            ),
            (
                TimestampError,
                "head timestamp_ns: expected integer",
                lambda: ingest.head(5.02, STANDING, IDENTITY),
            ),  # type: ignore[arg-type]
            (
                TimestampError,
                "head timestamp_ns: expected 0 <=",
                lambda: ingest.head(-5, STANDING, IDENTITY),
            ),
            (
                InvalidInputError,
                "side: expected one of",
                lambda: ingest.leg("middle", START_NS, IDENTITY, STANDING),
            ),
            (
                InvalidInputError,
                "leg_left: acceleration: expected shape",
                lambda: ingest.leg("left", START_NS, IDENTITY, (1.0, 2.0)),
            ),
        ):
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
    with pytest.raises(InvalidInputError, match="clocks: expected one of head, ctrl_left"):
        SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks={"waist": GivenClock(0)}))


@pytest.mark.parametrize("back_ms", [300, 500, 3000])
@pytest.mark.parametrize("images", [True, False])
def test_all_clocks_set_back_cost_a_few_poses(
    tiny_bundle: Path, back_ms: int, images: bool
) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        for i in range(150):
            stamp = START_NS + 5 * SECOND + i * 11 * MS - (back_ms * MS if i >= 75 else 0)
            with contextlib.suppress(TimestampError):
                tracker.ingest.head(stamp, STANDING, IDENTITY)
            if not images:
                tracker._core.estimate_without_images()
            elif i % 3 == 0:
                try:
                    tracker.ingest.frame(StereoFrame(stamp, image, image))
                except TimestampError:
                    continue
                tracker.step()
        newest = tracker.latest()
        assert stamp - newest.timestamp_ns < 40 * MS
        assert newest.status is PoseStatus.LIMITED
        assert tracker.stats().streams["head"].restarts == 1
