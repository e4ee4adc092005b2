"""The pose between and beyond estimates: exact at the estimate, capped, tied to the devices."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_stream import SECOND, START_NS, live_events
from scipy.spatial.transform import Rotation

from same_engines.errors import TimestampError
from same_runtime import (
    DevicePose,
    ImuFrame,
    LegReading,
    Pose,
    PoseStatus,
    Reason,
    SamePoseTracker,
    StereoFrame,
)
from same_runtime._core import Synchroniser
from same_runtime.conventions import JOINT_NAMES
from same_runtime.estimation.prediction import Estimate, continued
from same_runtime.skeleton.bone_lengths import bone_lengths

MS = 1_000_000
ONE = (0.0, 0.0, 0.0, 1.0)
STILL = LegReading(ONE, (0.0, 0.0, 0.0))
FRAME_S = 0.033
HEAD, LEFT_WRIST, LEFT_FOOT = (JOINT_NAMES.index(n) for n in ("head", "left_wrist", "left_foot"))


@pytest.fixture
def tracker(tiny_bundle: Path) -> Iterator[SamePoseTracker]:
    with SamePoseTracker(tiny_bundle) as opened:
        yield opened


def warmed_up(tracker: SamePoseTracker) -> int:
    for event in live_events(tracker.rig, 0.5):
        event.send(tracker.ingest)
        if event.stream == "frame":
            tracker.step()
    newest = tracker._core.newest_estimate()
    assert newest is not None
    return newest.pose.timestamp_ns


def test_before_the_first_estimate_there_is_no_pose(tracker: SamePoseTracker) -> None:
    pose = tracker.at_time(START_NS)
    assert pose.status is PoseStatus.INVALID and pose.reason is Reason.WARMING_UP
    assert tracker.latest().status is PoseStatus.INVALID


def test_at_the_estimates_time_it_is_the_estimate(tracker: SamePoseTracker) -> None:
    newest_ns = warmed_up(tracker)
    estimate = tracker._core.newest_estimate()
    assert estimate is not None
    pose = tracker.at_time(newest_ns)
    np.testing.assert_allclose(pose.joints_world, estimate.pose.joints_world, atol=2e-3)
    np.testing.assert_allclose(pose.joints_cam_left, estimate.pose.joints_cam_left, atol=2e-3)
    np.testing.assert_allclose(pose.T_world_cam_left, estimate.pose.T_world_cam_left, atol=2e-3)


def test_far_ahead_it_stays_near_and_says_stale(tracker: SamePoseTracker) -> None:
    newest_ns = warmed_up(tracker)
    near = tracker.at_time(newest_ns + 50 * MS)
    assert Reason.STALE not in near.reasons
    far = tracker.at_time(newest_ns + 5 * SECOND)
    assert far.status is PoseStatus.INVALID
    assert {Reason.STALE, Reason.HEAD_LOST} <= set(far.reasons)
    assert np.isfinite(far.joints_world).all()
    cap_m = 12.0 * 0.1 + 0.5
    assert np.abs(far.joints_world - tracker.at_time(newest_ns).joints_world).max() < cap_m


def walked(tracker: SamePoseTracker, seconds: float) -> int:
    """Push a body that walks along x at 0.9 m/s; returns its last frame's time."""
    for index in range(int(30 * seconds)):
        timestamp_ns = START_NS + index * 33 * MS
        x = 0.03 * index
        hands = [DevicePose((x + side, 1.0, -0.3), ONE) for side in (-0.3, 0.3)]
        imu = ImuFrame(timestamp_ns, DevicePose((x, 1.6, 0.0), ONE), *hands, STILL, STILL)
        tracker.push(StereoFrame(timestamp_ns, None, None), imu)
    return timestamp_ns


@pytest.mark.parametrize("back_ns", [0, 100 * MS, 250 * MS, SECOND, 3 * SECOND])
def test_long_before_the_newest_estimate_it_says_stale_and_stays_whole(
    tracker: SamePoseTracker, back_ns: int
) -> None:
    newest_ns = walked(tracker, 6.0)
    now, then = tracker.at_time(newest_ns), tracker.at_time(newest_ns - back_ns)
    stale = back_ns > 200 * MS
    assert then.status is not PoseStatus.INVALID
    assert (Reason.STALE in then.reasons) == stale
    bones_now, bones_then = bone_lengths(now.joints_world), bone_lengths(then.joints_world)
    if back_ns >= SECOND:
        np.testing.assert_allclose(bones_then, bones_now, atol=1e-6)
    moved = then.joints_world[HEAD, 0] - now.joints_world[HEAD, 0]
    assert moved == pytest.approx(-0.03 / (33 * MS) * back_ns, abs=0.02)
    feet = then.joints_world[LEFT_FOOT, 0] - now.joints_world[LEFT_FOOT, 0]
    assert abs(feet - moved) <= 0.4  # never left behind by more than a step


def test_where_no_head_is_known_it_is_invalid(tracker: SamePoseTracker) -> None:
    newest_ns = walked(tracker, 12.0)
    for timestamp_ns in (0, START_NS, newest_ns - 10 * SECOND):  # older than the rings reach
        pose = tracker.at_time(timestamp_ns)
        assert pose.status is PoseStatus.INVALID and pose.reason is Reason.HEAD_LOST
        assert Reason.STALE in pose.reasons


def test_an_old_estimate_does_not_hold_the_feet_of_a_head_that_walks_on(
    tracker: SamePoseTracker,
) -> None:
    newest_ns = walked(tracker, 2.0)
    for step in range(1, 120):  # the head walks on, no frame comes
        x = 0.03 * 59 + 0.01 * step
        tracker.ingest.head(newest_ns + step * 11 * MS, (x, 1.6, 0.0), ONE)
    later = tracker.at_time(newest_ns + 119 * 11 * MS)
    assert (later.status, Reason.STALE in later.reasons) == (PoseStatus.LIMITED, True)
    bones = bone_lengths(tracker.at_time(newest_ns).joints_world)
    np.testing.assert_allclose(bone_lengths(later.joints_world), bones, atol=1e-6)


def test_without_any_head_the_reason_is_the_head(tracker: SamePoseTracker) -> None:
    for index in range(3):
        tracker.push_frame(StereoFrame(START_NS + index * 33 * MS, None, None))
    pose = tracker.at_time(START_NS + 99 * MS)
    assert (pose.status, pose.reasons) == (PoseStatus.INVALID, (Reason.HEAD_LOST,))


def test_hours_without_an_estimate_are_no_error(tracker: SamePoseTracker) -> None:
    newest_ns, hour_ns = warmed_up(tracker), 3600 * SECOND
    for half_hours in range(1, 8):
        now_ns = newest_ns + half_hours * hour_ns // 2
        pose = tracker.push_frame(StereoFrame(now_ns, None, None))
        assert (pose.status, pose.reason) == (PoseStatus.INVALID, Reason.HEAD_LOST)
        pose = tracker.at_time(now_ns + 20 * MS)
        assert pose.status is PoseStatus.INVALID and Reason.STALE in pose.reasons
        assert pose.timestamp_ns == now_ns + 20 * MS
    with pytest.raises(TimestampError, match="one monotonic clock"):
        tracker.at_time(now_ns + 2 * hour_ns)


def test_a_started_tracker_goes_on_after_hours(tracker: SamePoseTracker) -> None:
    newest_ns = warmed_up(tracker)
    now_ns = [newest_ns]
    tracker.start(clock=lambda: now_ns[0])
    now_ns[0] += 5 * 3600 * SECOND
    assert Reason.STALE in tracker.at_time(now_ns[0]).reasons
    tracker.stop()
    assert tracker.stats().worker_errors == 0


def test_bad_times_are_named(tracker: SamePoseTracker) -> None:
    newest_ns = warmed_up(tracker)
    for bad in (1.5, -1, newest_ns * 1000):
        with pytest.raises(TimestampError):
            tracker.at_time(bad)  # type: ignore[arg-type]


def states_at(
    head: np.ndarray, yaw: float = 0.0, hand: np.ndarray | None = None, after_ns: int = 0
):
    synchroniser, at_ns = Synchroniser(), START_NS + after_ns
    turn = Rotation.from_euler("y", yaw).as_quat()
    synchroniser.push_pose(0, at_ns, head, turn)
    if hand is not None:
        synchroniser.push_pose(1, at_ns, hand, turn)
    return synchroniser.lookup(at_ns)


def recent(*joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An estimate's recent joints, a camera frame apart."""
    return FRAME_S * np.arange(1 - len(joints), 1), np.stack(joints)


def test_head_and_hands_lead_and_feet_stay() -> None:
    random = np.random.default_rng(0)
    joints = random.normal(size=(22, 3))
    head, hand = np.array((0.0, 1.6, 0.0)), np.array((0.3, 1.0, -0.4))
    estimate = Estimate(
        Pose(timestamp_ns=START_NS, joints_world=joints),
        states_at(head, 0.0, hand),
        *recent(joints),
    )
    step, reach = np.array((0.05, 0.0, 0.02)), np.array((0.0, 0.1, 0.0))
    after = states_at(head + step, 0.0, hand + reach, 30 * MS)
    moved = continued(estimate, after, 0.03, 0.1) - joints
    np.testing.assert_allclose(moved[HEAD], step, atol=1e-12)
    np.testing.assert_allclose(moved[LEFT_WRIST], reach, atol=1e-12)
    np.testing.assert_allclose(moved[LEFT_FOOT], 0, atol=1e-12)


def test_a_head_that_jumps_takes_the_whole_body_along() -> None:
    joints = np.random.default_rng(1).normal(size=(22, 3))
    head = np.array((0.0, 1.6, 0.0))
    estimate = Estimate(
        Pose(timestamp_ns=START_NS, joints_world=joints),
        states_at(head),
        *recent(joints - 0.033, joints),
    )
    moved = continued(estimate, states_at((3.0, 1.6, -2.0), 2.0), 0.03, 0.1)
    R = Rotation.from_euler("y", 2.0)
    np.testing.assert_allclose(moved, R.apply(joints - head) + (3.0, 1.6, -2.0), atol=1e-9)


def test_velocity_is_the_slope_and_is_bounded() -> None:
    start = np.random.default_rng(2).normal(size=(22, 3))
    slope = np.full((22, 3), (1.0, -0.5, 0.25))

    def velocity(*joints: np.ndarray) -> np.ndarray:
        return Estimate(Pose(), states_at((0.0, 1.6, 0.0)), *recent(*joints)).velocity

    steady = [start + step * FRAME_S * slope for step in range(4)]
    np.testing.assert_allclose(velocity(*steady), slope, atol=1e-9)
    fast = velocity(*steady, start + 1000.0)
    np.testing.assert_allclose(np.linalg.norm(fast, axis=1), 12.0)
    assert not velocity(start).any()
    old = Estimate(Pose(), states_at((0.0, 1.6, 0.0)), np.array((-0.4, 0.0)), np.stack(steady[:2]))
    assert not old.velocity.any()


@pytest.mark.parametrize(
    ("place", "reason", "status"),
    [
        ((0.0, 1600.0, 0.0), Reason.IMPLAUSIBLE_HEAD, PoseStatus.INVALID),
        ((0.0, -3.0, 0.0), Reason.IMPLAUSIBLE_HEAD, PoseStatus.INVALID),
        ((50.0, 1.6, 0.0), Reason.RELOCALISED, PoseStatus.LIMITED),
    ],
)
def test_a_head_where_none_can_be_is_said(
    tracker: SamePoseTracker,
    place: tuple[float, float, float],
    reason: Reason,
    status: PoseStatus,
) -> None:
    newest_ns = warmed_up(tracker)
    before = tracker.at_time(newest_ns).status
    tracker.ingest.head(newest_ns + 100 * MS, place, ONE)
    pose = tracker.at_time(newest_ns + 100 * MS)
    assert reason in pose.reasons
    assert pose.status is (PoseStatus.INVALID if before is PoseStatus.INVALID else status)
