"""Calibrations: each measures what it says, tells its state, and refuses what it cannot use."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_stream import START_NS, live_events
from posed_bodies import body as posed
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_runtime import Pose, PoseStatus, Reason, SamePoseTracker, TrackerOptions, _core
from same_runtime._core import DeviceStates, Ingestion, Synchroniser
from same_runtime.calibration.calibration import Calibration
from same_runtime.calibration.profile import UserProfile
from same_runtime.calibration.state import CalibrationState
from same_runtime.conventions import FEATURE_DIM, JOINT_NAMES
from same_runtime.core_pose import to_core
from same_runtime.skeleton.bone_lengths import bone_lengths, with_bone_lengths

FRAME_NS = 33_333_333
HEAD = JOINT_NAMES.index("head")
LEFT_LEG, RIGHT_LEG = 3, 4
VALID = Pose(status=PoseStatus.VALID)
OUTWARD = {LEFT_LEG: np.deg2rad(30), RIGHT_LEG: np.deg2rad(-30)}


class Body:
    """Devices on a body, through the real input methods."""

    def __init__(self) -> None:
        self.synchroniser = Synchroniser()
        self.ingestion = Ingestion(self.synchroniser)
        self.calibration = Calibration(_core.Calibration(self.ingestion, 0.0, print))
        self.now_ns = START_NS

    def update(self, pose: Pose, states: DeviceStates) -> None:
        self.calibration.core.update(to_core(pose), states, self.calibration.core.ground_y)

    def frame(
        self,
        head: tuple[float, float, float] = (0.0, 1.6, 0.0),
        turn: Rotation | None = None,
        legs: dict[int, Rotation] | None = None,
        hand: tuple[float, float, float] | None = None,
    ) -> DeviceStates:
        self.now_ns += FRAME_NS
        turn = turn or Rotation.identity()
        self.ingestion.push_pose(0, self.now_ns, head, turn.as_quat())
        if hand is not None:
            self.ingestion.push_pose(1, self.now_ns, hand, turn.as_quat())
        for device, sensor in (legs or {}).items():
            self.ingestion.push_leg(device, self.now_ns, sensor.as_quat(), (0.0, 0.0, 0.0))
        return self.synchroniser.lookup(self.now_ns)


@pytest.fixture
def body() -> Body:
    return Body()


def yaw(degrees: float) -> Rotation:
    return Rotation.from_euler("y", degrees, degrees=True)


def stand(body: Body, head_y_m: float, frames: int, pose: Pose = VALID) -> None:
    for _ in range(frames):
        body.update(pose, body.frame((0.0, head_y_m, 0.0)))


def test_height_comes_from_the_upright_head(body: Body) -> None:
    stooped = Rotation.from_euler("x", -60, degrees=True)
    for _ in range(200):
        body.update(VALID, body.frame((0.0, 0.9, 0.0), stooped))
    assert body.calibration.height_state is CalibrationState.COLLECTING
    stand(body, 1.4, 60)
    stand(body, 1.638, 120)
    assert body.calibration.height_state is CalibrationState.DONE
    assert body.calibration.user_height_m == pytest.approx(1.75, abs=0.005)
    with pytest.warns(DeprecationWarning, match="changes no pose"):
        body.calibration.set_user_height(1.8)
    assert (body.calibration.height_state, body.calibration.user_height_m) == (
        CalibrationState.GIVEN,
        1.8,
    )


def test_who_sat_at_first_is_taller_once_he_stands(body: Body) -> None:
    for head_y_m, height_m in ((1.17, 1.25), (1.638, 1.75), (1.17, 1.75)):
        stand(body, head_y_m, 130)
        assert body.calibration.user_height_m == pytest.approx(height_m, abs=0.005)


def test_what_does_not_last_makes_nobody_taller(body: Body) -> None:
    for _ in range(10):
        stand(body, 1.638, 30)
        stand(body, 1.938, 15)  # a jump
    stand(body, 1.838, 60)  # on a step
    stand(body, 2.1, 300, Pose())  # the headset on a shelf
    for _ in range(20):  # glimpses
        stand(body, 1.738, 4)
        body.update(VALID, body.frame((0.0, 1.5, 0.0), Rotation.from_euler("x", -60, degrees=True)))
        body.now_ns += 2 * FRAME_NS
    assert body.calibration.user_height_m == pytest.approx(1.75, abs=0.005)


def test_a_floor_told_anew_measures_height_anew(body: Body) -> None:
    stand(body, 1.638, 130)
    for floor_m in (0.9, 2.0, -0.9, -0.0936):
        body.calibration.set_floor(floor_m)
        stand(body, 1.638, 1)
        assert body.calibration.height_state is CalibrationState.COLLECTING
        assert body.calibration.profile().height_m is None
    stand(body, 1.638, 130)
    assert body.calibration.user_height_m == pytest.approx(1.85, abs=0.005)
    body.calibration.use(UserProfile(height_m=1.8))
    body.calibration.set_floor(0.0)
    assert body.calibration.profile().height_m == 1.8


def test_height_takes_seconds_at_any_rate(body: Body) -> None:
    body.now_ns -= FRAME_NS
    for fps in (10, 120):
        frames = 0
        body.calibration.set_floor(0.001 * fps)
        while body.calibration.height_state is not CalibrationState.DONE or not frames:
            body.now_ns += 10**9 // fps - FRAME_NS
            stand(body, 1.6, 1)
            frames += 1
        assert frames == pytest.approx(3 * fps, abs=8)


@pytest.mark.parametrize("head_y_m", [-0.2, 0.3, 0.7, 2.4, 30.0])
def test_no_height_comes_of_a_head_where_nobody_has_it(body: Body, head_y_m: float) -> None:
    stand(body, head_y_m, 130)
    assert body.calibration.user_height_m is None
    assert body.calibration.height_state is CalibrationState.COLLECTING
    stand(body, 1.638, 120)  # the headset is put on at last
    assert body.calibration.user_height_m == pytest.approx(1.75, abs=0.005)


def test_no_bones_come_of_a_torn_body(body: Body) -> None:
    torn = Pose(status=PoseStatus.VALID, joints_world=5.0 * np.eye(22, 3))
    for _ in range(130):
        body.update(torn, body.frame())
    assert body.calibration.bone_lengths_m is None


def test_a_controller_in_the_hand_is_no_floor(body: Body) -> None:
    for head_y_m, hand_y_m in ((1.6, 1.4), (1.6, -1.2), (1600.0, 900.0)):
        states = body.frame((0.0, head_y_m, 0.0), hand=(0.3, hand_y_m, 0.0))
        with pytest.raises(ValueError, match="put one on the floor"):
            body.calibration.core.floor_from_controller(states)
    headless = Body()
    headless.ingestion.push_pose(1, START_NS, (0.0, 5000.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="head is not tracked"):
        headless.calibration.core.floor_from_controller(headless.synchroniser.lookup(START_NS))
    assert body.calibration.core.ground_y == 0.0
    assert body.calibration.floor_state is CalibrationState.DEFAULT


def test_a_stand_begun_anew_is_a_whole_one(body: Body) -> None:
    legs = {LEFT_LEG: yaw(0.0), RIGHT_LEG: yaw(0.0)}
    body.calibration.start_legs()
    for _ in range(40):
        body.update(VALID, body.frame(legs=legs))
    body.calibration.start_legs()
    legs = {LEFT_LEG: yaw(30.0), RIGHT_LEG: yaw(30.0)}  # far from those of the first
    for _ in range(46):
        assert body.calibration.legs_state is CalibrationState.COLLECTING
        assert not body.calibration.core.leg_straps_hold
        body.update(VALID, body.frame(legs=legs))
    body.update(VALID, body.frame(legs=legs))
    assert body.calibration.legs_state is CalibrationState.DONE
    assert body.calibration.core.leg_straps_hold


@pytest.mark.parametrize("later_ns", [-60_000_000_000, 3_600_000_000_000])
def test_a_stand_across_a_gap_begins_anew(body: Body, later_ns: int) -> None:
    legs = {LEFT_LEG: yaw(0.0), RIGHT_LEG: yaw(0.0)}
    body.now_ns += 100_000_000_000
    body.calibration.start_legs()
    for _ in range(10):
        body.update(VALID, body.frame(legs=legs))
    body.now_ns += later_ns
    body.synchroniser.clear()
    body.ingestion = Ingestion(body.synchroniser)
    for _ in range(45):
        body.update(VALID, body.frame(legs=legs))
        assert body.calibration.legs_state is CalibrationState.COLLECTING
    for _ in range(3):
        body.update(VALID, body.frame(legs=legs))
    assert body.calibration.legs_state is CalibrationState.DONE


def test_a_headset_that_nobody_wears_fails_the_stand(
    body: Body, capsys: pytest.CaptureFixture[str]
) -> None:
    body.calibration.start_legs()
    body.update(Pose(), body.frame(legs={LEFT_LEG: yaw(0.0), RIGHT_LEG: yaw(0.0)}))
    assert body.calibration.legs_state is CalibrationState.FAILED
    assert "not worn" in capsys.readouterr().out
    assert body.calibration.legs_failure == "the headset is not worn, or not tracked well"
    body.calibration.start_legs()
    assert body.calibration.legs_failure is None


def test_bone_lengths_are_the_median_of_valid_poses_that_stand(body: Body) -> None:
    standing = posed().joints_world
    seated = 0.9 * posed({"left_knee": Rotation.from_euler("x", -90, degrees=True)}).joints_world
    for i in range(216):
        status = PoseStatus.VALID if i % 2 else PoseStatus.LIMITED
        scale = 2.0 if i % 2 == 0 else 1.5 if i % 40 == 1 else 1.0
        joints = seated if i % 4 == 1 and i % 40 != 1 else scale * standing
        assert body.calibration.bone_lengths_m is None
        body.update(Pose(status=status, joints_world=joints), body.frame())
    lengths = body.calibration.bone_lengths_m
    assert lengths is not None
    np.testing.assert_allclose(lengths, bone_lengths(standing))


def test_who_never_stands_is_measured_all_the_same(body: Body) -> None:
    seated = posed({"left_knee": Rotation.from_euler("x", -90, degrees=True)})
    for _ in range(591):
        assert body.calibration.bone_lengths_m is None
        body.update(seated, body.frame())
    lengths = body.calibration.bone_lengths_m
    assert lengths is not None
    np.testing.assert_allclose(lengths, bone_lengths(seated.joints_world))
    standing = posed().joints_world
    for _ in range(60):
        body.update(Pose(status=PoseStatus.VALID, joints_world=standing), body.frame())
    stood = body.calibration.bone_lengths_m
    assert stood is not None
    np.testing.assert_allclose(stood, bone_lengths(standing))


@pytest.mark.parametrize("heading", [0.0, 130.0])
def test_a_short_stand_puts_crooked_straps_right(body: Body, heading: float) -> None:
    random = np.random.default_rng(3)
    straps = {d: Rotation.from_rotvec(random.normal(0, 0.4, 3)) for d in (LEFT_LEG, RIGHT_LEG)}

    def sensors(bend: float = 0.0) -> dict[int, Rotation]:
        shank = Rotation.from_euler("x", bend)
        return {
            d: yaw(heading) * shank * Rotation.from_euler("y", OUTWARD[d]) * straps[d]
            for d in straps
        }

    body.calibration.start_legs()
    for _ in range(60):
        body.update(VALID, body.frame(turn=yaw(heading), legs=sensors()))
    assert body.calibration.legs_state is CalibrationState.DONE
    states = body.frame(turn=yaw(heading), legs=sensors(0.7))
    for device in straps:
        shank = Rotation.from_euler("x", 0.7) * Rotation.from_euler("y", OUTWARD[device])
        found = Rotation.from_quat(states.orientation_xyzw(device))
        assert (found.inv() * yaw(heading) * shank).magnitude() < 1e-6


def test_a_mounting_told_in_the_middle_of_a_stand_does_not_move_the_legs(body: Body) -> None:
    worn = {d: Rotation.from_rotvec((0.0, 1.2, 0.1)) for d in (LEFT_LEG, RIGHT_LEG)}
    body.calibration.start_legs()
    askew = Rotation.from_rotvec((0.3, 0.4, 0.0)).as_quat()
    for frame in range(80):
        body.update(VALID, body.frame(legs=worn))
        if frame == 20:
            body.calibration.core.give_leg_straps(1.6, askew, askew)
            body.calibration.start_legs()
    assert body.calibration.legs_state is CalibrationState.DONE
    for device in worn:
        found = Rotation.from_quat(body.frame(legs=worn).orientation_xyzw(device))
        expected = Rotation.from_euler("y", OUTWARD[device])
        assert (found.inv() * expected).magnitude() < 1e-6


def test_samples_from_before_a_calibration_are_looked_up_as_calibrated(body: Body) -> None:
    worn = {d: Rotation.from_rotvec((0.0, 1.2, 0.1)) for d in (LEFT_LEG, RIGHT_LEG)}
    body.calibration.start_legs()
    for _ in range(60):
        body.update(VALID, body.frame(legs=worn))
    before = body.synchroniser.lookup(body.now_ns - 100_000_000)
    for device in worn:
        found = Rotation.from_quat(before.orientation_xyzw(device))
        assert (found.inv() * Rotation.from_euler("y", OUTWARD[device])).magnitude() < 1e-6


def test_legs_do_not_turn_in_the_network_when_their_mounting_changes(body: Body) -> None:
    still = {d: Rotation.from_rotvec((0.0, 1.2, 0.1)) for d in (LEFT_LEG, RIGHT_LEG)}
    assembler = _core.FrameAssembler(np.eye(4), 0.0, 4)
    outputs = (
        np.zeros((5, FEATURE_DIM), np.float32),
        np.zeros((4, 4, 4), np.float32),
        np.zeros(4, np.float32),
        np.zeros(4, np.float32),
    )
    askew = Rotation.from_rotvec((0.3, 0.4, 0.0)).as_quat()
    for frame in range(8):
        if frame == 5:
            body.calibration.core.give_leg_straps(1.6, askew, askew)
        states = body.frame(legs=still)
        assert assembler.assemble(body.now_ns, states, *outputs)
        turn_rates = outputs[0][[LEFT_LEG, RIGHT_LEG], 6:9]
        np.testing.assert_allclose(turn_rates, 0.0, atol=1e-5)


def stood_askew(body: Body) -> None:
    worn = {d: Rotation.from_rotvec((0.0, 1.2, 0.1)) for d in (LEFT_LEG, RIGHT_LEG)}
    body.calibration.start_legs()
    for _ in range(130):
        pose = Pose(status=PoseStatus.VALID, joints_world=posed().joints_world)
        body.update(pose, body.frame(legs=worn))
    assert body.calibration.legs_state is CalibrationState.DONE


def test_another_users_profile_leaves_nothing_of_the_one_before_but_the_floor(body: Body) -> None:
    stood_askew(body)
    body.calibration.set_floor(0.1)
    ada = body.calibration.profile("Ada")
    assert ada.leg_straps and ada.bone_lengths_m is not None
    body.calibration.use(UserProfile("Bob"))
    bob = body.calibration.profile("Bob")
    assert (bob.height_m, bob.bone_lengths_m, bob.leg_straps) == (None, None, None)
    assert bob.floor_y_m == 0.1 and body.calibration.legs_state is CalibrationState.DEFAULT
    np.testing.assert_array_equal(body.ingestion.leg_mounting(LEFT_LEG), (0, 0, 0, 1))
    stand(body, 1.738, 130)
    assert body.calibration.height_state is CalibrationState.DONE


def test_straps_that_do_not_hold_are_not_saved(body: Body) -> None:
    stood_askew(body)
    body.calibration.start_legs()
    assert body.calibration.profile().leg_straps is None, "being measured anew"
    body.now_ns += 10**9  # the sensors are off
    body.update(VALID, body.frame())
    assert body.calibration.legs_state is CalibrationState.FAILED
    assert body.calibration.profile().leg_straps is None


def test_straps_are_measured_in_the_dark(body: Body) -> None:
    worn = {d: Rotation.from_rotvec((0.0, 1.2, 0.1)) for d in (LEFT_LEG, RIGHT_LEG)}
    dark = Pose(status=PoseStatus.LIMITED, reasons=(Reason.CAMERAS_COVERED,))
    body.calibration.start_legs()
    for _ in range(130):
        body.update(dark, body.frame(legs=worn))
    assert body.calibration.legs_state is CalibrationState.DONE
    assert body.calibration.height_state is CalibrationState.COLLECTING


def test_legs_that_move_or_are_missing_fail_the_stand(body: Body) -> None:
    body.calibration.start_legs()
    body.update(VALID, body.frame())
    assert body.calibration.legs_state is CalibrationState.FAILED
    assert body.calibration.legs_failure == "a leg tracker is not there"
    body.calibration.start_legs()
    for i in range(10):
        legs = {d: Rotation.from_euler("x", 0.05 * i) for d in (LEFT_LEG, RIGHT_LEG)}
        body.update(VALID, body.frame(legs=legs))
    assert body.calibration.legs_state is CalibrationState.FAILED
    assert body.calibration.legs_failure == "the legs moved"
    np.testing.assert_array_equal(body.ingestion.leg_mounting(LEFT_LEG), (0, 0, 0, 1))


def test_the_floor_is_given_or_touched(body: Body) -> None:
    with pytest.raises(ValueError, match="put one on the floor"):
        body.calibration.core.floor_from_controller(body.frame())
    assert body.calibration.core.floor_from_controller(body.frame(hand=(0.1, -0.4, 0.2))) == -0.4
    assert body.calibration.core.ground_y == -0.4
    assert body.calibration.floor_state is CalibrationState.DONE
    body.calibration.set_floor(0.25)
    assert body.calibration.core.ground_y == 0.25
    for bad in (np.nan, 1e9, "0", None):
        with pytest.raises(InvalidInputError, match="ground_y_m"):
            body.calibration.set_floor(bad)
    for bad in (175.0, "1.75", None, True):
        with (
            pytest.warns(DeprecationWarning),
            pytest.raises(InvalidInputError, match="height_m"),
        ):
            body.calibration.set_user_height(bad)


def test_recentring_moves_poses_and_nothing_else(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as plain, SamePoseTracker(tiny_bundle) as centred:
        with pytest.raises(InvalidInputError, match="head is not tracked"):
            centred.recentre()
        for event in live_events(plain.rig, 1.0):
            event.send(plain.ingest)
            event.send(centred.ingest)
            if event.stream != "frame":
                continue
            a, b = plain.step(), centred.step()
            assert a is not None and b is not None
            T = centred.calibration.T_user_world
            np.testing.assert_allclose(
                b.joints_world, a.joints_world @ T[:3, :3].T + T[:3, 3], atol=1e-9
            )
            np.testing.assert_allclose(b.joints_cam_left, a.joints_cam_left, atol=1e-9)
            for world, user in zip(
                a.device_orientations_world, b.device_orientations_world, strict=True
            ):
                assert world.any() == user.any()
                if world.any():
                    turned = T[:3, :3] @ Rotation.from_quat(world).as_matrix()
                    np.testing.assert_allclose(
                        Rotation.from_quat(user).as_matrix(), turned, atol=1e-9
                    )
            if event.timestamp_ns > START_NS + 500_000_000:
                centred.recentre()
        head = centred.at_time(b.timestamp_ns)
        assert centred.calibration.forward_state is CalibrationState.DONE
        forward = head.T_world_cam_left @ np.linalg.inv(centred.rig.left.T_head_cam)
        np.testing.assert_allclose(forward[[0, 2], 3], 0, atol=0.02)
        assert -forward[2, 2] < 0 and abs(forward[0, 2]) < 0.02
        place = centred.at_time(b.timestamp_ns).joints_world
        centred.recentre(keep_place=True)
        assert np.abs(centred.at_time(b.timestamp_ns).joints_world - place).max() > 0.1


@given(st.integers(0, 2**32 - 1))
def test_held_bones_keep_their_direction_and_the_head_its_place(seed: int) -> None:
    random = np.random.default_rng(seed)
    joints, lengths = random.normal(size=(22, 3)), random.uniform(0.05, 0.5, 22)
    held = with_bone_lengths(joints, lengths)
    np.testing.assert_allclose(bone_lengths(held)[1:], lengths[1:])
    np.testing.assert_allclose(held[HEAD], joints[HEAD])
    np.testing.assert_allclose(with_bone_lengths(held, bone_lengths(joints)), joints, atol=1e-9)


def test_poses_come_out_with_the_users_bones_where_asked(tiny_bundle: Path) -> None:
    lengths = np.full(22, 0.2)
    poses = []
    for options in (TrackerOptions(), TrackerOptions(hold_bone_lengths=True)):
        with SamePoseTracker(tiny_bundle, options=options) as tracker:
            tracker.calibration.set_bone_lengths(lengths)
            for event in live_events(tracker.rig, 0.2):
                event.send(tracker.ingest)
                if event.stream == "frame":
                    tracker.step()
            poses += [tracker.latest(), tracker.at_time(tracker.latest().timestamp_ns + 20_000_000)]
    for free, held in zip(poses[:2], poses[2:], strict=True):
        assert np.ptp(bone_lengths(free.joints_world)[1:]) > 0.01
        np.testing.assert_allclose(bone_lengths(held.joints_world)[1:], 0.2)
        T = held.T_world_cam_left
        in_world = held.joints_cam_left @ T[:3, :3].T + T[:3, 3]
        np.testing.assert_allclose(in_world, held.joints_world, atol=1e-9)
        np.testing.assert_allclose(held.joints_world[HEAD], free.joints_world[HEAD], atol=1e-9)


def test_the_bones_are_the_trackers_own(body: Body) -> None:
    given_m = np.full(22, 0.2)
    body.calibration.set_bone_lengths(given_m)
    given_m[:] = 0.5
    held = body.calibration.bone_lengths_m
    assert held is not None and held[1] == 0.2
    with pytest.raises(ValueError, match="read-only"):
        held[1] = 0.5


@pytest.mark.parametrize(
    "bad",
    [
        np.ones(21),
        np.zeros(22),
        np.full(22, np.nan),
        np.full(22, 3.0),
        None,
        ["long"] * 22,
    ],
)
def test_bad_bone_lengths_are_named(body: Body, bad: np.ndarray) -> None:
    with pytest.raises(InvalidInputError, match="lengths_m"):
        body.calibration.set_bone_lengths(bad)
    assert body.calibration.bone_lengths_m is None
