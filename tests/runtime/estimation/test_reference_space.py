"""A runtime's reference space that changes, and an application that says so: nothing is lost."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from live_stream import SECOND, START_NS, live_events
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_runtime import (
    DevicePose,
    EstimatedClock,
    ImuFrame,
    InvalidInputError,
    LegReading,
    Pose,
    PoseStatus,
    Reason,
    SameError,
    SamePoseTracker,
    SkeletonSolver,
    StereoFrame,
    TimestampError,
    TrackerOptions,
)
from same_runtime.conventions import JOINT_NAMES
from same_runtime.ingestion.inputs import Ingest

MS = 1_000_000
CHANGE_NS = START_NS + SECOND
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


@dataclass
class ChangingSpace:
    """A tracker's input methods, for poses whose space has ``origin`` as its own from a time on."""

    ingest: Ingest
    origin: NDArray[np.float64]
    turn: Rotation
    since_ns: int = CHANGE_NS
    legs_too: bool = False

    def frame(self, frame: StereoFrame) -> None:
        self.ingest.frame(frame)

    def head(self, t: int, position: NDArray[np.float64], q: NDArray[np.float64]) -> None:
        self.ingest.head(t, *self.told(t, position, q))

    def controller(
        self, side: str, t: int, position: NDArray[np.float64], q: NDArray[np.float64]
    ) -> None:
        self.ingest.controller(side, t, *self.told(t, position, q))

    def leg(self, side: str, t: int, q: NDArray[np.float64], push: NDArray[np.float64]) -> None:
        if self.legs_too and t >= self.since_ns:
            q = (self.turn.inv() * Rotation.from_quat(q)).as_quat()
            push = self.turn.inv().apply(push)
        self.ingest.leg(side, t, q, push)

    def told(
        self, t: int, position: NDArray[np.float64], q: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if t < self.since_ns:
            return position, q
        back = self.turn.inv()
        return back.apply(position - self.origin), (back * Rotation.from_quat(q)).as_quat()


def same_body(still: Pose, changed: Pose, origin: NDArray[np.float64], turn: Rotation) -> None:
    """Both are of one body in one place, told in the space before and in the one after."""
    assert (changed.status, changed.reasons) == (still.status, still.reasons)
    np.testing.assert_allclose(changed.joints_cam_left, still.joints_cam_left, atol=1e-6)
    joints = turn.inv().apply(still.joints_world - origin)
    np.testing.assert_allclose(changed.joints_world, joints, atol=1e-6)
    place = turn.inv().apply(still.T_world_cam_left[:3, 3] - origin)
    np.testing.assert_allclose(changed.T_world_cam_left[:3, 3], place, atol=1e-6)
    for a, b in zip(
        still.device_orientations_world, changed.device_orientations_world, strict=True
    ):
        assert a.any() == b.any()
        if a.any():
            apart = Rotation.from_quat(b).inv() * turn.inv() * Rotation.from_quat(a)
            assert apart.magnitude() < 1e-6
    if still.rotations_world is not None:
        assert changed.rotations_world is not None
        apart = Rotation.from_quat(changed.rotations_world).inv() * turn.inv()
        assert (apart * Rotation.from_quat(still.rotations_world)).magnitude().max() < 1e-5


@pytest.mark.parametrize("yaw_deg", [0.0, 7.0, -100.0, 180.0])
@pytest.mark.parametrize("ahead_ns", [0, 200 * MS], ids=["at once", "pending"])
@pytest.mark.parametrize("legs_too", [False, True], ids=["legs on their own", "legs too"])
def test_nothing_is_lost(tiny_bundle: Path, yaw_deg: float, ahead_ns: int, legs_too: bool) -> None:
    origin, turn = np.array((0.7, -0.2, -1.4)), Rotation.from_euler("y", yaw_deg, degrees=True)
    options = TrackerOptions(solve_rotations=True)
    with (
        SamePoseTracker(tiny_bundle, options=options) as still,
        SamePoseTracker(tiny_bundle, options=options) as changing,
    ):
        said = False
        through = ChangingSpace(changing.ingest, origin, turn, legs_too=legs_too)
        for event in live_events(still.rig, 2.0):
            if not said and event.timestamp_ns >= CHANGE_NS - ahead_ns:
                changing.reference_space_changed(CHANGE_NS, origin, turn.as_quat(), legs_too)
                said = True
            event.send(still.ingest)
            event.send(through)  # type: ignore[arg-type]
            if event.stream == "frame":
                pair = still.step(), changing.step()
            elif event.stream == "head" and event.timestamp_ns > START_NS + SECOND // 2:
                pair = still.at_time(event.timestamp_ns), changing.at_time(event.timestamp_ns)
            else:
                continue
            assert pair[0] is not None and pair[1] is not None
            if event.timestamp_ns < CHANGE_NS:
                np.testing.assert_allclose(pair[1].joints_world, pair[0].joints_world, atol=1e-6)
            else:
                same_body(*pair, origin, turn)
        stats = changing.stats()
    assert said and stats.relocalisations == 0
    assert not any(stream.refused for stream in stats.streams.values())


def test_frames_with_their_readings_too(tiny_bundle: Path) -> None:
    origin, turn = np.array((0.2, 0.0, 0.3)), Rotation.from_euler("y", 0.15)
    with SamePoseTracker(tiny_bundle) as still, SamePoseTracker(tiny_bundle) as changing:
        image = np.full((still.rig.left.height, still.rig.left.width), 90, np.uint8)
        for frame in range(40):
            at = START_NS + frame * 33 * MS
            head = np.array((0.01 * frame, 1.6, 0.0))
            leg = LegReading(UPRIGHT, np.zeros(3))  # type: ignore[arg-type]
            if frame == 25:
                changing.reference_space_changed(at, origin, turn.as_quat())
            told = ChangingSpace(changing.ingest, origin, turn, START_NS + 25 * 33 * MS)
            stereo = StereoFrame(at, image, image)
            a = still.push(stereo, ImuFrame(at, DevicePose(head, np.array(UPRIGHT)), leg_left=leg))
            moved = DevicePose(*told.told(at, head, np.array(UPRIGHT)))
            b = changing.push(stereo, ImuFrame(at, moved, leg_left=leg))
            if frame >= 25:
                same_body(a, b, origin, turn)


def test_where_a_user_was_recentred_goes_along(tiny_bundle: Path) -> None:
    """``T_user_world`` is of the space that poses are given in, whichever that is."""
    origin, turn = np.array((0.5, 0.1, 0.0)), Rotation.from_euler("y", 0.8)
    with SamePoseTracker(tiny_bundle) as still, SamePoseTracker(tiny_bundle) as changing:
        through = ChangingSpace(changing.ingest, origin, turn)
        recentred, T = False, None
        for event in live_events(still.rig, 2.0):
            if T is None and event.timestamp_ns >= CHANGE_NS:
                changing.recentre()
                T = changing.calibration.T_user_world
                changing.reference_space_changed(CHANGE_NS, origin, turn.as_quat())
                np.testing.assert_array_equal(changing.calibration.T_user_world, T)
            event.send(still.ingest)
            event.send(through)  # type: ignore[arg-type]
            if event.stream != "frame":
                continue
            a, b = still.step(), changing.step()
            assert a is not None and b is not None
            if T is not None and event.timestamp_ns < CHANGE_NS + SECOND // 2:
                in_space = turn.inv().apply(a.joints_world - origin)
                in_user = in_space @ T[:3, :3].T + T[:3, 3]
                np.testing.assert_allclose(b.joints_world, in_user, atol=1e-6)
            if event.timestamp_ns > CHANGE_NS + SECOND // 2:
                # Both users' frames are about the head, so they are the same; the floor is not.
                still.recentre()
                changing.recentre()
                if recentred:
                    shift = np.array((0.0, origin[1], 0.0))
                    np.testing.assert_allclose(
                        still.at_time(a.timestamp_ns).joints_world - shift,
                        changing.at_time(a.timestamp_ns).joints_world,
                        atol=1e-6,
                    )
                recentred = True
    assert recentred


def test_the_floor_stays_where_it_is(tiny_bundle: Path) -> None:
    origin = np.array((0.0, 0.3, 0.0))
    options = TrackerOptions(plant_feet=True)
    with (
        SamePoseTracker(tiny_bundle, options=options) as still,
        SamePoseTracker(tiny_bundle, options=options) as changing,
    ):
        for tracker in (still, changing):
            tracker.calibration.set_floor(0.05)
        through = ChangingSpace(changing.ingest, origin, Rotation.identity())
        steps = iter((CHANGE_NS, CHANGE_NS + SECOND // 2, 1 << 62))
        step_ns = next(steps)
        for event in live_events(still.rig, 2.0):
            if event.timestamp_ns >= step_ns:
                if step_ns == CHANGE_NS:
                    changing.reference_space_changed(CHANGE_NS, origin, UPRIGHT)
                    assert changing.calibration.profile().floor_y_m == pytest.approx(-0.25)
                else:
                    still.calibration.set_floor(0.1)
                    changing.calibration.set_floor(-0.2)
                step_ns = next(steps)
            event.send(still.ingest)
            event.send(through)  # type: ignore[arg-type]
            if event.stream == "frame":
                a, b = still.step(), changing.step()
                assert a is not None and b is not None
                if event.timestamp_ns > CHANGE_NS:
                    same_body(a, b, origin, Rotation.identity())
        assert changing.calibration.profile().floor_y_m == pytest.approx(-0.2)


def test_the_floor_is_touched_in_the_space_of_now(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.ingest.head(START_NS, (0, 1.6, 0), UPRIGHT)
        tracker.reference_space_changed(START_NS + 1, (0, 0.5, 0), UPRIGHT)
        tracker.ingest.head(START_NS + 20 * MS, (0, 1.1, 0), UPRIGHT)
        tracker.ingest.controller("left", START_NS + 20 * MS, (0, -0.45, 0), UPRIGHT)
        assert tracker.floor_from_controller() == pytest.approx(-0.45)
        assert tracker.calibration.profile().floor_y_m == pytest.approx(-0.45)


def test_many_changes_add_up(tiny_bundle: Path) -> None:
    """More than are kept, one after the other, with poses asked for from before the last."""
    random = np.random.default_rng(4)
    T = np.eye(4)
    with SamePoseTracker(tiny_bundle) as still, SamePoseTracker(tiny_bundle) as changing:
        through = ChangingSpace(changing.ingest, np.zeros(3), Rotation.identity(), START_NS)
        last_ns = START_NS
        for event in live_events(still.rig, 3.0):
            if event.timestamp_ns >= last_ns + 150 * MS:
                origin, turn = random.normal(size=3), Rotation.from_euler("y", random.normal())
                changing.reference_space_changed(event.timestamp_ns, origin, turn.as_quat())
                last_ns = event.timestamp_ns
                before = T
                T = T @ np.block([[turn.as_matrix(), origin[:, None]], [np.eye(4)[3:]]])
                through.origin, through.turn = T[:3, 3], Rotation.from_matrix(T[:3, :3])
            event.send(still.ingest)
            event.send(through)  # type: ignore[arg-type]
            if event.stream == "frame":
                a, b = still.step(), changing.step()
                assert a is not None and b is not None
                same_body(a, b, T[:3, 3], Rotation.from_matrix(T[:3, :3]))
        earlier = still.at_time(last_ns - MS), changing.at_time(last_ns - MS)
        same_body(*earlier, before[:3, 3], Rotation.from_matrix(before[:3, :3]))


def test_a_head_that_jumps_besides_is_still_noticed(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        through = ChangingSpace(tracker.ingest, np.array((3.0, 0, 0)), Rotation.identity())
        tracker.reference_space_changed(CHANGE_NS, (1.0, 0, 0), UPRIGHT)
        for event in live_events(tracker.rig, 1.5):
            event.send(through)  # type: ignore[arg-type]
            if event.stream == "frame":
                tracker.step()
        assert tracker.stats().relocalisations == 1


def test_a_clock_that_begins_anew_is_in_the_newest_space(tiny_bundle: Path) -> None:
    origin = np.array((1.0, 0.0, 0.0))
    with SamePoseTracker(tiny_bundle) as tracker:
        for event in live_events(tracker.rig, 0.5):
            event.send(tracker.ingest)
        tracker.reference_space_changed(START_NS + SECOND, origin, UPRIGHT)
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        for frame in range(30):  # a reboot: stamps start over, far before the change
            at = (1 + frame) * 33 * MS
            for send in (
                lambda at=at: tracker.ingest.head(at, (0.0, 1.6, 0.0), UPRIGHT),
                lambda at=at: tracker.push_frame(StereoFrame(at, image, image)),
            ):
                try:
                    pose = send()
                except TimestampError:
                    continue
        assert pose is not None and pose.timestamp_ns == 30 * 33 * MS
        assert pose.status is not PoseStatus.INVALID
        head = pose.T_world_cam_left @ np.linalg.inv(tracker.rig.left.T_head_cam)
        np.testing.assert_allclose(head[:3, 3], (0.0, 1.6, 0.0), atol=1e-9)
        assert Reason.RELOCALISED not in pose.reasons
        # It may change on the new time line, too.
        tracker.reference_space_changed(at + MS, origin, UPRIGHT)


def test_what_cannot_be_is_refused_and_changes_nothing(tiny_bundle: Path) -> None:
    leaning = Rotation.from_euler("x", 3, degrees=True).as_quat()
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.ingest.head(START_NS, (0, 1.6, 0), UPRIGHT)
        change = tracker.reference_space_changed
        with pytest.raises(InvalidInputError, match=r"a turn about y.*leans 3\.0"):
            change(START_NS, (0, 0, 0), leaning)
        with pytest.raises(InvalidInputError, match="unit"):
            change(START_NS, (0, 0, 0), (0, 0, 0, 0))
        with pytest.raises(InvalidInputError, match="position"):
            change(START_NS, (0, np.nan, 0), UPRIGHT)
        with pytest.raises(InvalidInputError, match="position"):
            change(START_NS, (0, 0), UPRIGHT)
        with pytest.raises(InvalidInputError, match="legs_too"):
            change(START_NS, (0, 0, 0), UPRIGHT, 1)  # type: ignore[arg-type]
        for bad in (-1, 1.5, "now", None):
            with pytest.raises(TimestampError, match="timestamp_ns"):
                change(bad, (0, 0, 0), UPRIGHT)  # type: ignore[arg-type]
        with pytest.raises(TimestampError, match="one monotonic clock"):
            change(START_NS // 1000 + 2 * 3600 * SECOND, (0, 0, 0), UPRIGHT)
        change(START_NS + 5, (1, 0, 0), UPRIGHT)
        with pytest.raises(TimestampError, match="before the last change"):
            change(START_NS + 4, (1, 0, 0), UPRIGHT)
        tracker.ingest.head(START_NS + 20 * MS, (-1, 1.6, 0), UPRIGHT)
        pose = tracker.push_frame(StereoFrame(START_NS + 20 * MS, None, None))
        head = pose.T_world_cam_left @ np.linalg.inv(tracker.rig.left.T_head_cam)
        np.testing.assert_allclose(head[:3, 3], (-1, 1.6, 0), atol=1e-9)
        tracker.reset()  # forgets samples, not where they are told
        tracker.ingest.head(START_NS + 20 * MS, (-1, 1.6, 0), UPRIGHT)
        again = tracker.push_frame(StereoFrame(START_NS + 20 * MS, None, None))
        np.testing.assert_array_equal(again.joints_world, pose.joints_world)
        assert np.linalg.norm(pose.joints_world[JOINT_NAMES.index("head")] - head[:3, 3]) < 1.0
    with pytest.raises(SameError, match="the tracker is closed"):
        change(START_NS + 6, (1, 0, 0), UPRIGHT)


@pytest.mark.parametrize("by", ["recentre", "reference_space_changed"])
def test_skeletons_solved_outside_begin_anew(tiny_bundle: Path, by: str) -> None:
    """As an output does for a tracker that gives no rotations."""
    origin, turn = np.array((0.7, 0.0, -1.4)), Rotation.from_euler("y", -100, degrees=True)
    outside, fresh, skeletons = SkeletonSolver(), None, []
    with SamePoseTracker(tiny_bundle) as tracker:
        through = ChangingSpace(tracker.ingest, origin, turn)
        for event in live_events(tracker.rig, 1.5):
            if fresh is None and event.timestamp_ns >= CHANGE_NS:
                fresh = SkeletonSolver()
                if by == "recentre":
                    tracker.recentre()
                else:
                    tracker.reference_space_changed(CHANGE_NS, origin, turn.as_quat())
            event.send(through if by == "reference_space_changed" else tracker.ingest)  # type: ignore[arg-type]
            if event.stream == "frame" and (pose := tracker.step()) is not None:
                assert pose.frame_changes == (fresh is not None)
                told = outside.solve(pose)
                if fresh is not None and told is not None:
                    skeletons.append((told, fresh.solve(pose)))
    told, anew = skeletons[0]
    assert anew is not None
    np.testing.assert_allclose(told.rotations_world, anew.rotations_world, atol=1e-9)
    for told, _ in skeletons[:5]:
        assert np.abs(told.velocities_world).max() < 10


def test_poses_without_a_body_get_none(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.reference_space_changed(START_NS, (1, 0, 0), UPRIGHT)
        pose = tracker.push_frame(StereoFrame(START_NS + 20 * MS, None, None))
        assert pose.status is PoseStatus.INVALID and not pose.joints_world.any()


def test_a_reset_begins_in_the_newest_space(tiny_bundle: Path) -> None:
    """Whatever times the changes had: stamps may begin anew, a wrong one blocks nothing."""
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.reference_space_changed(1 << 60, (1, 0, 0), UPRIGHT)
        tracker.ingest.head(START_NS, (0, 1.6, 0), UPRIGHT)
        with pytest.raises(TimestampError, match="before the last change"):
            tracker.reference_space_changed(START_NS, (1, 0, 0), UPRIGHT)
        tracker.reset()
        tracker.reference_space_changed(START_NS, (1, 0, 0), UPRIGHT)
        for at in (START_NS - 20 * MS, START_NS + 20 * MS):
            shift = 0 if at < START_NS else -1
            tracker.ingest.head(at, (shift, 1.6, 0), UPRIGHT)
            pose = tracker.push_frame(StereoFrame(at, None, None))
            head = pose.T_world_cam_left @ np.linalg.inv(tracker.rig.left.T_head_cam)
            np.testing.assert_allclose(head[:3, 3], (shift, 1.6, 0), atol=1e-9)
            assert Reason.RELOCALISED not in pose.reasons


def test_a_camera_that_is_plugged_in_again_leaves_a_change_pending(tiny_bundle: Path) -> None:
    """Its own clock begins anew; the tracker's goes on."""
    change_ns = START_NS + SECOND + 500 * MS
    options = TrackerOptions(clocks={"cameras": EstimatedClock()})
    with SamePoseTracker(tiny_bundle, options=options) as tracker:
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        tracker.reference_space_changed(change_ns, (1, 0, 0), UPRIGHT)
        for frame in range(60):
            at = START_NS + frame * 33 * MS
            camera = at if frame < 20 else (frame - 19) * 33 * MS
            x = 0 if at < change_ns else -1
            tracker.ingest.head(at, (x, 1.6, 0), UPRIGHT, at)
            try:
                pose = tracker.push_frame(StereoFrame(camera, image, image), at)
            except TimestampError:
                continue
            head = pose.T_world_cam_left @ np.linalg.inv(tracker.rig.left.T_head_cam)
            np.testing.assert_allclose(head[:3, 3], (x, 1.6, 0), atol=1e-6)
        assert pose.timestamp_ns > change_ns
        assert tracker.stats().streams["cameras"].restarts == 1
        assert tracker.stats().relocalisations == 0


@pytest.mark.parametrize("order", ["space, frame, recentre", "space, recentre, frame"])
def test_recentring_right_after_the_space_changed_is_of_the_new_space(
    tiny_bundle: Path, order: str
) -> None:
    old, new = ((2.0, 1.6, 3.0), (0.0, 0.5**0.5, 0.0, 0.5**0.5)), ((0.0, 1.6, 0.0), UPRIGHT)
    with SamePoseTracker(tiny_bundle) as tracker:

        def frame(number: int, head: tuple[tuple[float, ...], tuple[float, ...]]) -> Pose:
            at_ns = START_NS + number * 33 * MS
            tracker.ingest.head(at_ns, *head)
            return tracker.push_frame(StereoFrame(at_ns, None, None))

        for number in range(10):
            frame(number, old)
        for what in order.split(", "):
            if what == "space":
                since_ns = START_NS + 10 * 33 * MS - 10 * MS
                tracker.reference_space_changed(since_ns, (2.0, 0.0, 3.0), old[1])
            elif what == "frame":
                frame(10, new)
            else:
                tracker.recentre()
        pose = frame(11, new)
    head = pose.device_orientations_world[0]
    assert head is not None
    np.testing.assert_allclose(np.abs(head), UPRIGHT, atol=1e-9)
    place = pose.T_world_cam_left @ np.linalg.inv(tracker.rig.left.T_head_cam)
    np.testing.assert_allclose(place[:3, 3], (0.0, 1.6, 0.0), atol=1e-9)
