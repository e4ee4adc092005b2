"""The user's profile: saved, loaded, refused where it is none; straps that no longer sit so."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from posed_bodies import body
from recordings import write_made_up
from scipy.spatial.transform import Rotation

from same_runtime import (
    InvalidInputError,
    Pose,
    PoseStatus,
    Reason,
    SamePoseTracker,
    StereoFrame,
    TrackerOptions,
    UserProfile,
)
from same_runtime.calibration.profile import LegStraps
from same_runtime.calibration.state import CalibrationState
from same_runtime.camera import CameraRig
from same_runtime.cli.command import run_command
from same_runtime.cli.track import TrackCommand, track
from same_runtime.skeleton.bone_lengths import bone_lengths

RATE_HZ = 12
FRAME_NS = 10**9 // RATE_HZ
OUTWARD = {"left": np.deg2rad(30.0), "right": np.deg2rad(-30.0)}
STRAPS = {"left": Rotation.from_rotvec((0.2, 0.4, 0.1)), "right": Rotation.from_rotvec((0, -1, 0))}
LENGTHS_M = bone_lengths(body().joints_world)


class Wearer:
    """Somebody who stands in front of a tracker and looks about."""

    def __init__(self, tracker: SamePoseTracker) -> None:
        self.tracker, self.now_ns = tracker, 10**9
        self.straps = dict(STRAPS)
        shape = (tracker.rig.left.height, tracker.rig.left.width)
        self.image = np.random.default_rng(5).integers(0, 255, shape, np.uint8)

    def stand(
        self, seconds: float, head_y_m: float = 1.6, knee_deg: float = 0.0, look_deg: float = 0.0
    ) -> list[Pose]:
        return [self._frame(head_y_m, knee_deg, look_deg) for _ in range(round(seconds * RATE_HZ))]

    def _frame(self, head_y_m: float, knee_deg: float, look_deg: float) -> Pose:
        self.now_ns += FRAME_NS
        t = 1e-9 * self.now_ns
        look = Rotation.from_euler("y", look_deg, degrees=True)
        head = np.array((0.02 * np.sin(t), head_y_m, 0.02 * np.cos(1.3 * t)))
        ingest = self.tracker.ingest
        ingest.head(self.now_ns, head, look.as_quat())
        shank = Rotation.from_euler("x", -knee_deg, degrees=True)
        for side, strap in self.straps.items():
            sensor = shank * Rotation.from_euler("y", OUTWARD[side]) * strap
            ingest.leg(side, self.now_ns, sensor.as_quat(), np.zeros(3))
            ingest.controller(side, self.now_ns, head - (0, 0.6, 0.2), look.as_quat())
        return self.tracker.push_frame(StereoFrame(self.now_ns, self.image, self.image))


@pytest.fixture(scope="module")
def profile(tiny_bundle: Path) -> UserProfile:
    """Of a user whose straps were measured by a stand."""
    with SamePoseTracker(tiny_bundle) as tracker:
        wearer = Wearer(tracker)
        tracker.calibration.set_bone_lengths(LENGTHS_M)
        tracker.calibration.set_floor(0.01)
        tracker.calibration.start_legs()
        wearer.stand(11.0)
        assert tracker.calibration.legs_state is CalibrationState.DONE
        return tracker.calibration.profile("Ada")


@pytest.fixture
def wearer(tiny_bundle: Path, profile: UserProfile) -> Iterator[Wearer]:
    """The same user the next day."""
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(profile=profile)) as tracker:
        yield Wearer(tracker)


def test_a_profile_is_the_same_the_next_day(
    tmp_path: Path, tiny_bundle: Path, profile: UserProfile
) -> None:
    path = tmp_path / "ada.json"
    profile.save(path)
    loaded = UserProfile.load(path)
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(profile=loaded)) as tracker:
        calibration = tracker.calibration
        again = calibration.profile(loaded.user)
        assert (again.user, again.rig, again.height_m, again.floor_y_m) == (
            "Ada",
            profile.rig,
            profile.height_m,
            0.01,
        )
        assert profile.height_m == pytest.approx(1.59 / 0.936, abs=0.01)
        assert len(loaded.saved) == len("2026-01-01T00:00:00+00:00") and loaded.rig
        np.testing.assert_array_equal(calibration.bone_lengths_m, LENGTHS_M)
        assert again.leg_straps is not None and profile.leg_straps is not None
        assert again.leg_straps.head_height_m == profile.leg_straps.head_height_m
        for state in (calibration.legs_state, calibration.height_state, calibration.floor_state):
            assert state is CalibrationState.GIVEN
        wearer = Wearer(tracker)
        pose = wearer.stand(0.1)[-1]
        for index, side in ((3, "left"), (4, "right")):
            believed = Rotation.from_quat(pose.device_orientations_world[index])
            off = believed.inv() * Rotation.from_euler("y", OUTWARD[side])
            assert off.magnitude() < 1e-6
        tracker.reset()
        kept = tracker.calibration.profile().leg_straps
        assert kept is not None and kept.head_height_m == again.leg_straps.head_height_m
        for device, mounting in again.leg_straps.mountings_xyzw.items():
            np.testing.assert_array_equal(kept.mountings_xyzw[device], mounting)


def test_a_profile_of_nothing_measured_changes_nothing(tmp_path: Path, tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        tracker.calibration.profile().save(tmp_path / "empty.json")
        empty = UserProfile.load(tmp_path / "empty.json")
        tracker.calibration.use(empty)
        assert tracker.calibration.legs_state is CalibrationState.DEFAULT
        assert tracker.calibration.height_state is CalibrationState.COLLECTING
        assert tracker.calibration.bone_lengths_m is None
        with pytest.raises(InvalidInputError, match="profile: expected a UserProfile"):
            tracker.calibration.use("ada.json")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="profile: expected UserProfile or None, got str"):
        TrackerOptions(profile="ada.json")  # type: ignore[arg-type]


def test_another_headsets_floor_is_left_where_it_is(
    tiny_bundle: Path, profile: UserProfile, caplog: pytest.LogCaptureFixture
) -> None:
    other = UserProfile("Ada", rig="another", floor_y_m=0.7, bone_lengths_m=LENGTHS_M)
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(profile=other)) as tracker:
        assert tracker.calibration.floor_state is CalibrationState.DEFAULT
        assert tracker.calibration.bone_lengths_m is not None
    assert "another headset" in caplog.text


def changed(content: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    *above, last = where.split("/")
    inner = content
    for name in above:
        inner = inner[name]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value
    return content


@pytest.mark.parametrize(
    ("where", "value", "what"),
    [
        ("version", 2, "format: expected same-user-profile 1"),
        ("format", "bvh", "format: expected same-user-profile 1"),
        ("height_m", 175, "height_m: expected a number in 0.8..2.5 metres, got 175"),
        ("height_m", "1.75", "height_m: expected a number"),
        ("floor_y_m", float("nan"), "floor_y_m: expected a number"),
        ("user", 5, "user: expected text"),
        ("user", "x" * 300, "user: expected text"),
        ("nickname", "A", "'nickname' is not known"),
        ("rig", KeyError, "'rig' is missing"),
        ("bone_lengths_m/left_knee", 40.0, "bone_lengths_m: expected (22,) of 0.01..1 metres"),
        ("bone_lengths_m/left_knee", None, "bone_lengths_m: expected numbers"),
        ("bone_lengths_m/tail", 0.4, "'tail' is not known"),
        ("leg_straps/leg_left", [0, 0, 0, 0], "leg_straps.leg_left: expected a unit quaternion"),
        ("leg_straps/leg_left", [0, 0, 1], "leg_straps.leg_left: expected numbers of shape (4,)"),
        ("leg_straps/leg_right", KeyError, "'leg_right' is missing"),
        ("leg_straps/head_height_m", 160, "leg_straps.head_height_m: expected a number"),
        ("leg_straps", [1], "leg_straps: expected an object"),
    ],
)
def test_what_is_no_profile_is_named(
    tmp_path: Path, profile: UserProfile, where: str, value: Any, what: str
) -> None:
    path = tmp_path / "ada.json"
    profile.save(path)
    path.write_text(json.dumps(changed(json.loads(path.read_text()), where, value)))
    with pytest.raises(InvalidInputError) as caught:
        UserProfile.load(path)
    assert str(caught.value).startswith(f"{path}: no user profile: ") and what in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_or_written_are_named(
    tmp_path: Path, profile: UserProfile
) -> None:
    (tmp_path / "text").write_text("no JSON")
    (tmp_path / "long").write_text(" " * 100_000)
    for name, why in (("none", "No such file"), ("text", "no JSON"), ("long", "larger than")):
        with pytest.raises(InvalidInputError, match=why):
            UserProfile.load(tmp_path / name)
    with pytest.raises(InvalidInputError, match="choose another place"):
        profile.save(tmp_path / "text" / "ada.json")
    with pytest.raises(InvalidInputError, match="leg_straps: expected leg_left and leg_right"):
        LegStraps(1.6, {})


def test_a_strap_that_slipped_is_reported_and_forgiven(wearer: Wearer) -> None:
    assert Reason.MOUNT_CHANGED not in {r for pose in wearer.stand(12.0) for r in pose.reasons}
    wearer.straps["left"] = STRAPS["left"] * Rotation.from_rotvec((0.6, 0, 0))
    poses = wearer.stand(6.0)
    assert Reason.MOUNT_CHANGED in poses[-1].reasons
    assert poses[-1].status is PoseStatus.LIMITED
    assert wearer.tracker.calibration.legs_changed
    assert not wearer.tracker.calibration.core.leg_straps_hold
    assert Reason.MOUNT_CHANGED in wearer.tracker.stats().reasons
    wearer.straps["left"] = STRAPS["left"]
    assert Reason.MOUNT_CHANGED not in wearer.stand(6.0)[-1].reasons
    assert wearer.tracker.calibration.core.leg_straps_hold


def test_a_strap_turned_about_the_shin_is_reported_and_measured_anew(wearer: Wearer) -> None:
    wearer.straps["right"] = Rotation.from_euler("y", 150, degrees=True) * STRAPS["right"]
    assert Reason.MOUNT_CHANGED in wearer.stand(10.0)[-1].reasons
    wearer.tracker.calibration.start_legs()
    assert Reason.MOUNT_CHANGED not in wearer.stand(12.0)[-1].reasons


def test_people_who_sit_crouch_or_look_aside_have_not_changed_their_straps(wearer: Wearer) -> None:
    poses = wearer.stand(10.0, head_y_m=1.2, knee_deg=60.0)
    poses += wearer.stand(10.0, look_deg=75.0) + wearer.stand(10.0, knee_deg=12.0)
    poses += wearer.stand(2.0, knee_deg=70.0)  # on one leg
    assert Reason.MOUNT_CHANGED not in {r for pose in poses for r in pose.reasons}


def test_a_floor_that_comes_after_the_stand_makes_nobody_stand_who_sits(tiny_bundle: Path) -> None:
    """A world whose zero is at eye level, as a LOCAL space's, until the floor is told."""
    with SamePoseTracker(tiny_bundle) as tracker:
        wearer = Wearer(tracker)
        tracker.calibration.start_legs()
        wearer.stand(11.0, head_y_m=0.0)
        tracker.calibration.set_floor(-1.6)
        poses = wearer.stand(10.0, head_y_m=-0.4, knee_deg=35.0)
        assert Reason.MOUNT_CHANGED not in {r for pose in poses for r in pose.reasons}
        straps = tracker.calibration.profile().leg_straps
        assert straps is not None and straps.head_height_m == pytest.approx(1.6, abs=0.05)
        wearer.straps["left"] = STRAPS["left"] * Rotation.from_rotvec((0.6, 0, 0))
        assert Reason.MOUNT_CHANGED in wearer.stand(6.0, head_y_m=0.0)[-1].reasons


def test_the_command_line_saves_and_loads_it(
    tmp_path: Path, tiny_bundle: Path, small_rig: CameraRig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ada.json"
    recording = write_made_up(tmp_path / "made-up.mcap", small_rig, 0.5)
    common = [str(recording), "--bundle", str(tiny_bundle), "--out", str(tmp_path / "out")]
    given = [*common, "--save-profile", str(path), "--user", "Ada"]
    assert run_command("same-track", TrackCommand, track, given) == 0
    profile = UserProfile.load(path)
    assert profile.user == "Ada" and profile.rig
    UserProfile("Eve", bone_lengths_m=LENGTHS_M).save(path)
    again = tmp_path / "again.json"
    given = [*common, "--profile", str(path), "--save-profile", str(again)]
    assert run_command("same-track", TrackCommand, track, given) == 0
    np.testing.assert_array_equal(UserProfile.load(again).bone_lengths_m, LENGTHS_M)
    capsys.readouterr()
    for wrong in (["--profile", str(tmp_path / "none")], ["--save-profile", f"{path}/x.json"]):
        assert run_command("same-track", TrackCommand, track, [*common, *wrong]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("same-track: ") and "profile" in error
