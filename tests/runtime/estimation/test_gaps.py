"""After a gap longer than training's window spans, tracking starts anew and says so."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import FRAME_NS, made_up_stream
from same_runtime import ImuFrame, PoseStatus, Reason, SamePoseTracker, StereoFrame
from same_runtime._core import MAX_FRAME_GAP_NS

WINDOW = 8
BEFORE, AFTER = 12, 10


def stream_with_gap(
    tracker: SamePoseTracker, gap_ns: int, lost: bool
) -> Iterator[tuple[bool, StereoFrame, ImuFrame]]:
    """Frames, then ``gap_ns`` to the next; ``lost``: meanwhile frames without a head come, whose
    first is still told by extrapolation."""
    stream = list(made_up_stream(tracker.rig, BEFORE + AFTER))
    for frame, imu in stream[:BEFORE]:
        yield False, frame, imu
    gap_end_ns = stream[BEFORE - 1][0].timestamp_ns + gap_ns
    if lost:
        gap_end_ns += FRAME_NS
        for t in range(stream[BEFORE][0].timestamp_ns, gap_end_ns - FRAME_NS, FRAME_NS):
            yield False, StereoFrame(t, None, None), ImuFrame(t, None)
    for index, (frame, imu) in enumerate(stream[BEFORE:]):
        t = gap_end_ns + index * FRAME_NS
        yield True, replace(frame, timestamp_ns=t), replace(imu, timestamp_ns=t)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("gap_ns", [MAX_FRAME_GAP_NS + 1, 2 * 10**9, 600 * 10**9])
def test_after_a_long_gap_tracking_starts_anew(tiny_bundle: Path, gap_ns: int, lost: bool) -> None:
    if lost and gap_ns > 10**10:
        pytest.skip("needs minutes of frames")
    with SamePoseTracker(tiny_bundle) as tracker, SamePoseTracker(tiny_bundle) as fresh:
        count = 0
        for after, frame, imu in stream_with_gap(tracker, gap_ns, lost):
            pose = tracker.push(frame, imu)
            if not after:
                continue
            np.testing.assert_array_equal(pose.joints_world, fresh.push(frame, imu).joints_world)
            count += 1
            if count < WINDOW:
                assert pose.status is PoseStatus.LIMITED
                assert pose.reasons == (Reason.WARMING_UP,)
            else:
                assert pose.status is PoseStatus.VALID
        assert count == AFTER


def test_a_shorter_gap_is_bridged(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        for after, frame, imu in stream_with_gap(tracker, MAX_FRAME_GAP_NS, lost=False):
            pose = tracker.push(frame, imu)
            assert not after or pose.status is PoseStatus.VALID


def test_nothing_is_predicted_over_a_long_gap(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        for frame, imu in made_up_stream(tracker.rig, BEFORE):
            tracker.push(frame, imu)
        head = imu.head
        assert head is not None
        for later_ns, predicted in ((FRAME_NS, True), (MAX_FRAME_GAP_NS + FRAME_NS, False)):
            tracker.ingest.sample("head", frame.timestamp_ns + later_ns, head)
            tracker._core.predict_without_images()
            assert (tracker._core.newest_estimate(predicted=True) is not None) == predicted


def test_few_frames_a_second_still_have_a_velocity_of_their_own(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        for index, (frame, imu) in enumerate(made_up_stream(tracker.rig, BEFORE)):
            t = frame.timestamp_ns + index * 500_000_000  # three rows of the window are known
            tracker.push(replace(frame, timestamp_ns=t), replace(imu, timestamp_ns=t))
        newest = tracker._core.newest_estimate()
    assert newest is not None and not newest.velocities.any()
