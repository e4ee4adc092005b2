"""Streams on another clock are named, and the others are judged without them."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_stream import device_event

from same_bench.measuring.made_up_stream import START_NS
from same_runtime import PoseStatus, Reason, SamePoseTracker, StereoFrame
from same_runtime.conventions import DEVICES
from same_runtime.live.options import LiveOptions
from same_runtime.stats import Health

MS = 1_000_000
SECOND = 1_000_000_000
STANDING, IDENTITY = (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0)
EPOCH_NS = 1_700_000_000 * SECOND


@pytest.fixture
def tracker(tiny_bundle: Path) -> Iterator[SamePoseTracker]:
    with SamePoseTracker(tiny_bundle) as opened:
        yield opened


def send(tracker: SamePoseTracker, device: str, timestamp_ns: int) -> None:
    side = device.rpartition("_")[2]
    if device == "head":
        tracker.ingest.head(timestamp_ns, STANDING, IDENTITY)
    elif device.startswith("ctrl"):
        tracker.ingest.controller(side, timestamp_ns, (0.3, 1.0, -0.3), IDENTITY)
    elif device.startswith("leg"):
        tracker.ingest.leg(side, timestamp_ns, IDENTITY, (0.0, 0.0, 0.0))
    else:
        shape = (tracker.rig.left.height, tracker.rig.left.width)
        image = np.zeros(shape, np.uint8)
        tracker.ingest.frame(StereoFrame(timestamp_ns, image, image))


def run(tracker: SamePoseTracker, offsets_ns: dict[str, int], seconds: float = 1.0) -> None:
    for i in range(round(100 * seconds)):
        for device in (*DEVICES, "cameras"):
            if device != "cameras" or i % 3 == 0:
                send(tracker, device, START_NS + i * 10 * MS + offsets_ns.get(device, 0))
        tracker.step()


@pytest.mark.parametrize("offset_ns", [EPOCH_NS, 3600 * SECOND, -3 * SECOND])
@pytest.mark.parametrize(
    "odd", [("leg_left", "leg_right"), ("head",), ("cameras",), ("ctrl_right",)]
)
def test_the_odd_stream_is_named(
    tracker: SamePoseTracker,
    odd: tuple[str, ...],
    offset_ns: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "same"):
        run(tracker, dict.fromkeys(odd, offset_ns))
        stats = tracker.stats()
        tracker.stats()
    for name, stream in stats.streams.items():
        assert stream.health is (Health.OTHER_CLOCK if name in odd else Health.OK), name
    assert Reason.OTHER_CLOCK in tracker.latest().reasons
    named = [r.getMessage() for r in caplog.records if "on another clock" in r.getMessage()]
    assert len(named) == len(odd) and all(
        message.startswith(name) and f"{1e-9 * offset_ns:+.6g}"[:6] in message
        for name, message in zip(odd, named, strict=True)
    )


def test_a_stream_that_was_lost_for_long_is_on_the_same_clock(tracker: SamePoseTracker) -> None:
    run(tracker, {})
    for i in range(100, 2000):
        send(tracker, "head", START_NS + i * 10 * MS)
    stats = tracker.stats()
    assert stats.streams["leg_left"].health is Health.LOST
    assert stats.streams["leg_left"].age_ns == 19 * SECOND
    send(tracker, "leg_left", START_NS + 20 * SECOND)
    assert tracker.stats().streams["leg_left"].health is Health.OK
    assert tracker.stats().streams["leg_right"].health is Health.LOST


def test_devices_that_are_played_one_after_the_other_are_on_one_clock(
    tracker: SamePoseTracker,
) -> None:
    for block in range(3):
        for device in DEVICES:
            for i in range(400):
                send(tracker, device, START_NS + (400 * block + i) * 10 * MS)
            health = {stream.health for stream in tracker.stats().streams.values()}
            assert Health.OTHER_CLOCK not in health


def test_statistics_agree_with_the_pose_when_everything_has_stopped(
    tracker: SamePoseTracker,
) -> None:
    tracker.start(LiveOptions())
    for _ in range(20):
        now_ns = time.monotonic_ns()
        for device in (*DEVICES, "cameras"):
            send(tracker, device, now_ns)
        time.sleep(0.01)
    time.sleep(1.0)
    stats, pose = tracker.stats(), tracker.latest()
    assert pose.status is stats.status is PoseStatus.INVALID
    assert stats.reasons == pose.reasons and Reason.HEAD_LOST in stats.reasons
    for stream in stats.streams.values():
        assert stream.health is Health.LOST
        assert stream.age_ns is not None and stream.age_ns >= SECOND


def test_stamps_far_ahead_of_the_trackers_clock_are_named(tracker: SamePoseTracker) -> None:
    tracker.start(LiveOptions(), lambda: START_NS)
    run_ns = START_NS + 60 * SECOND
    for i in range(5):
        send(tracker, "head", run_ns + i * 10 * MS)
    assert tracker.stats().streams["head"].health is Health.OTHER_CLOCK


def test_frames_ahead_of_the_head_say_so(tracker: SamePoseTracker) -> None:
    for i in range(60):
        send(tracker, "head", START_NS + i * 10 * MS)
        if i % 3 == 0:
            send(tracker, "cameras", START_NS + i * 10 * MS + 80 * MS)
            tracker.step()
    assert tracker.at_time(START_NS + 600 * MS).reasons == (Reason.HEAD_LOST,)
    assert tracker.stats().reasons == (Reason.HEAD_LOST,)


def test_views_too_far_apart_are_named(
    tracker: SamePoseTracker, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
    poses = []
    with caplog.at_level(logging.WARNING, "same"):
        for i in range(30):
            timestamp_ns = START_NS + i * 33 * MS
            device_event("head", timestamp_ns).send(tracker.ingest)
            tracker.ingest.image("left", timestamp_ns, image)
            tracker.ingest.image("right", timestamp_ns + 5_100_000, image)
            poses.append(tracker.step())
    counts = tracker.stats().frames
    assert counts.view_skew_ns == 5_100_000 and counts.skewed > 40
    assert all(pose is None or Reason.VIEW_SKEW in pose.reasons for pose in poses[2:])
    assert all(pose is None or Reason.CAMERA_LOST in pose.reasons for pose in poses[2:])
    assert [r.getMessage() for r in caplog.records if "+5.1 ms" in r.getMessage()]


def test_a_camera_that_stops_is_no_skew(tracker: SamePoseTracker) -> None:
    image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
    for i in range(30):
        timestamp_ns = START_NS + i * 33 * MS
        send(tracker, "head", timestamp_ns)
        tracker.ingest.image("left", timestamp_ns, image)
        if i < 15:
            tracker.ingest.image("right", timestamp_ns + 4 * MS, image)
        pose = tracker.step()
    assert pose is not None and Reason.CAMERA_LOST in pose.reasons
    assert Reason.VIEW_SKEW not in pose.reasons and tracker.stats().frames.skewed == 0
