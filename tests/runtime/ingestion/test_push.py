"""Frames and readings given together: on one clock, all or nothing, and never silenced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import FRAME_NS, START_NS, made_up_stream
from same_engines.errors import TimestampError
from same_runtime import Pose, Reason, SamePoseTracker, StereoFrame, TrackerOptions
from same_runtime.conventions import DEVICES
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock

MS = 1_000_000
SECOND = 1_000_000_000


def push_all(tracker: SamePoseTracker, frames: int, offset_ns: int = 0) -> list[Pose]:
    return [
        tracker.push(
            replace(frame, timestamp_ns=frame.timestamp_ns + offset_ns),
            replace(imu, timestamp_ns=imu.timestamp_ns + offset_ns),
        )
        for frame, imu in made_up_stream(tracker.rig, frames)
    ]


def test_given_clocks_are_applied_to_frames_and_readings(tiny_bundle: Path) -> None:
    """A headset that stamps all by a clock of its own, 7 s behind."""
    clocks = dict.fromkeys((*DEVICES, "cameras"), GivenClock(7 * SECOND))
    with (
        SamePoseTracker(tiny_bundle) as plain,
        SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as mapped,
    ):
        expected = push_all(plain, 5)
        poses = push_all(mapped, 5, -7 * SECOND + 10 * SECOND)
    for pose, other in zip(poses, expected, strict=True):
        assert pose.timestamp_ns == other.timestamp_ns + 10 * SECOND
        assert pose.reasons == other.reasons
        np.testing.assert_allclose(pose.joints_world, other.joints_world, atol=1e-5)


def test_estimated_clocks_are_applied_too(tiny_bundle: Path) -> None:
    clocks = dict.fromkeys((*DEVICES, "cameras"), EstimatedClock())
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as tracker:
        poses = push_all(tracker, 3)
        assert all(Reason.HEAD_LOST not in pose.reasons for pose in poses)


def test_a_reading_that_its_clock_takes_away_from_the_frame_is_named(tiny_bundle: Path) -> None:
    clocks = {"leg_left": GivenClock(7 * SECOND)}
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as tracker:
        for _ in range(2):
            with pytest.raises(TimestampError, match=r"imu.timestamp_ns \(leg_left\)"):
                push_all(tracker, 1)
        streams = tracker.stats().streams
        assert all(stream.accepted == stream.refused == 0 for stream in streams.values())


def test_a_frame_of_its_own_clock_meets_ingested_samples(tiny_bundle: Path) -> None:
    clocks = {"cameras": GivenClock(7 * SECOND)}
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(clocks=clocks)) as tracker:
        for i in range(3):
            timestamp_ns = 2 * 3600 * SECOND + i * FRAME_NS
            tracker.ingest.head(timestamp_ns, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
            pose = tracker.push_frame(StereoFrame(timestamp_ns - 7 * SECOND, None, None))
            assert pose.timestamp_ns == timestamp_ns and Reason.HEAD_LOST not in pose.reasons
        with pytest.raises(TimestampError, match="arrival_ns"):
            tracker.push_frame(StereoFrame(timestamp_ns, None, None), 1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("ahead_ms", [200, 900])
@pytest.mark.parametrize("what", ["imu", "both"])
def test_one_stamp_ahead_costs_a_few_pushes(tiny_bundle: Path, ahead_ms: int, what: str) -> None:
    refused = 0
    with SamePoseTracker(tiny_bundle) as tracker:
        for i, (frame, imu) in enumerate(made_up_stream(tracker.rig, 60)):
            if i == 20:
                imu = replace(imu, timestamp_ns=imu.timestamp_ns + ahead_ms * MS)
                if what == "both":
                    frame = replace(frame, timestamp_ns=frame.timestamp_ns + ahead_ms * MS)
            try:
                pose = tracker.push(frame, imu)
            except TimestampError:
                refused += 1
        assert refused <= 7
        assert pose.timestamp_ns == START_NS + 59 * FRAME_NS
        assert Reason.HEAD_LOST not in pose.reasons


def test_a_refused_reading_changes_nothing(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as one, SamePoseTracker(tiny_bundle) as other:
        stream = list(made_up_stream(one.rig, 6))
        for frame, imu in stream[:4]:
            one.push(frame, imu)
            other.push(frame, imu)
        with pytest.raises(TimestampError, match="before the newest"):
            one.push(stream[4][0], replace(stream[4][1], timestamp_ns=START_NS))
        for frame, imu in stream[4:]:
            a, b = one.push(frame, imu), other.push(frame, imu)
            np.testing.assert_array_equal(a.joints_world, b.joints_world)
        counts = one.stats().streams
        assert counts["cameras"].refused == 0 and counts["head"].backwards == 1
