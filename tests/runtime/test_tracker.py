"""The tracker: a replay is repeatable, status says what is missing, bad input changes nothing."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import FRAME_NS, START_NS, made_up_stream
from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.errors import (
    BundleError,
    EngineError,
    InvalidInputError,
    SameError,
    TimestampError,
)
from same_runtime import (
    DevicePose,
    LegReading,
    Pose,
    PoseStatus,
    Reason,
    SamePoseTracker,
    StereoFrame,
    TrackerOptions,
)
from same_runtime.camera import CameraRig
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.ingestion.clock_sync import EstimatedClock
from same_runtime.recording import Recording

WINDOW = 8  # of the tiny bundle
IDENTITY = (0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def tracker(tiny_bundle: Path) -> Iterator[SamePoseTracker]:
    # An engine of its own runs through Python, so that tests may change what it does.
    with SamePoseTracker(tiny_bundle, backend=open_engine(Bundle.open(tiny_bundle))) as opened:
        yield opened


def test_a_replay_is_equal_bit_for_bit_and_reset_forgets_everything(
    tracker: SamePoseTracker,
) -> None:
    first = [tracker.push(*inputs).joints_world for inputs in made_up_stream(tracker.rig, 20)]
    tracker.reset()
    again = [tracker.push(*inputs).joints_world for inputs in made_up_stream(tracker.rig, 20)]
    np.testing.assert_array_equal(first, again)


def test_the_rate_is_that_since_time_began_anew(tracker: SamePoseTracker) -> None:
    for frame, imu in made_up_stream(tracker.rig, 20):
        hours_ns = 3 * 3600 * 10**9
        later = replace(frame, timestamp_ns=frame.timestamp_ns + hours_ns)
        tracker.push(later, replace(imu, timestamp_ns=imu.timestamp_ns + hours_ns))
    tracker.reset()
    for inputs in made_up_stream(tracker.rig, 20):
        tracker.push(*inputs)
    assert tracker.stats().estimates.rate_hz == pytest.approx(1e9 / FRAME_NS, rel=0.02)


def test_both_doors_lead_to_the_same_pose(tracker: SamePoseTracker, tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as other:
        for frame, imu in made_up_stream(tracker.rig, 12):
            pushed = tracker.push(frame, imu)
            for device in ("head", "ctrl_left", "ctrl_right", "leg_left", "leg_right"):
                other.ingest.sample(device, imu.timestamp_ns, getattr(imu, device))
            np.testing.assert_array_equal(other.push_frame(frame).joints_world, pushed.joints_world)


def test_status_goes_from_warming_up_to_valid(tracker: SamePoseTracker) -> None:
    poses = [tracker.push(*inputs) for inputs in made_up_stream(tracker.rig, WINDOW + 2)]
    assert poses[0].status is PoseStatus.LIMITED
    assert poses[0].reasons == (Reason.WARMING_UP,)
    assert poses[-1].status is PoseStatus.VALID and poses[-1].reason is None
    assert all(np.isfinite(pose.joints_world).all() for pose in poses)
    local = poses[-1].joints_cam_left
    T = poses[-1].T_world_cam_left
    np.testing.assert_allclose(local @ T[:3, :3].T + T[:3, 3], poses[-1].joints_world, atol=1e-9)


def test_the_gravest_reason_comes_first(tracker: SamePoseTracker) -> None:
    for frame, imu in made_up_stream(tracker.rig, 30):
        assert imu.head is not None
        high = replace(imu.head, position=np.asarray(imu.head.position) + (0.0, 3.0, 0.0))
        pose = tracker.push(
            StereoFrame(frame.timestamp_ns, None, None),
            replace(imu, head=high, ctrl_left=None, ctrl_right=None),
        )
    assert pose.status is PoseStatus.INVALID
    assert pose.reasons[0] is Reason.IMPLAUSIBLE_HEAD
    assert {Reason.NO_IMAGES, Reason.CONTROLLER_LOST} < set(pose.reasons)


def test_missing_modalities_are_named_and_the_pose_goes_on(tracker: SamePoseTracker) -> None:
    stream = list(made_up_stream(tracker.rig, 14))
    for inputs in stream[:10]:
        tracker.push(*inputs)
    gap_ns = 1_000_000_000  # longer than any sample may be bridged
    frame, imu = stream[10]
    frame = replace(frame, timestamp_ns=frame.timestamp_ns + gap_ns)
    imu = replace(imu, timestamp_ns=imu.timestamp_ns + gap_ns)
    pose = tracker.push(
        StereoFrame(frame.timestamp_ns, None, None), replace(imu, ctrl_right=None, leg_left=None)
    )
    assert pose.status is PoseStatus.LIMITED
    assert pose.reasons == (
        Reason.WARMING_UP,
        Reason.NO_IMAGES,
        Reason.CONTROLLER_LOST,
        Reason.LEG_TRACKER_LOST,
    )
    assert np.isfinite(pose.joints_world).all()
    assert (pose.joint_confidence == 0).all()
    frame, imu = stream[11]
    pose = tracker.push(
        StereoFrame(frame.timestamp_ns + gap_ns, frame.left, None),
        replace(imu, timestamp_ns=imu.timestamp_ns + gap_ns),
    )
    assert pose.reasons == (Reason.WARMING_UP, Reason.CAMERA_LOST)


def test_a_lost_head_is_invalid_and_recovers(tracker: SamePoseTracker) -> None:
    frame, imu = next(made_up_stream(tracker.rig, 1))
    lost = tracker.push(frame, replace(imu, head=None))
    assert (lost.status, lost.reasons) == (PoseStatus.INVALID, (Reason.HEAD_LOST,))
    stream = list(made_up_stream(tracker.rig, 3))
    assert tracker.push(*stream[1]).status is PoseStatus.LIMITED


POSE_ARRAYS = ("joints_world", "joints_cam_left", "joint_confidence", "T_world_cam_left")


def test_results_belong_to_the_caller(tracker: SamePoseTracker) -> None:
    stream = list(made_up_stream(tracker.rig, 3))
    kept = tracker.push(*stream[0])
    before = {name: getattr(kept, name).copy() for name in POSE_ARRAYS}
    tracker.push(*stream[1])
    tracker.at_time(stream[1][0].timestamp_ns + FRAME_NS)
    for name in POSE_ARRAYS:
        np.testing.assert_array_equal(getattr(kept, name), before[name])


def test_a_pose_cannot_be_used_to_change_the_tracker(tracker: SamePoseTracker) -> None:
    for inputs in made_up_stream(tracker.rig, 3):
        pushed = tracker.push(*inputs)
    ahead_ns = pushed.timestamp_ns + FRAME_NS
    recentred_ns = pushed.timestamp_ns + 1
    before = tracker.at_time(ahead_ns).joints_world.copy()
    tracker.recentre()
    for pose in (
        pushed,
        tracker.latest(),
        tracker.at_time(ahead_ns),
        tracker.at_time(recentred_ns),
        Pose(),
    ):
        for name in POSE_ARRAYS:
            with pytest.raises(ValueError, match="read-only"):
                getattr(pose, name)[0] = 1000.0
    for array in (tracker.stats().joint_confidence, tracker.calibration.T_user_world):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1000.0
    T = tracker.calibration.T_user_world
    np.testing.assert_allclose(
        tracker.at_time(ahead_ns).joints_world, before @ T[:3, :3].T + T[:3, 3], atol=1e-9
    )


def test_a_pose_does_not_follow_the_array_it_was_made_of() -> None:
    joints = np.zeros((22, 3))
    pose = Pose(joints_world=joints)
    joints[:] = 7.0
    assert not pose.joints_world.any() and joints.flags.writeable


def shifted(inputs: tuple, frame_ns: int, imu_ns: int) -> tuple:
    frame, imu = inputs
    return replace(frame, timestamp_ns=frame_ns), replace(imu, timestamp_ns=imu_ns)


NEWEST_NS = START_NS + 4 * FRAME_NS
NEXT_NS = NEWEST_NS + FRAME_NS


@pytest.mark.parametrize(
    ("error", "message", "spoil"),
    [
        (TimestampError, "duplicate", lambda i: shifted(i, NEWEST_NS, NEXT_NS)),
        (TimestampError, "before the newest", lambda i: shifted(i, NEWEST_NS - 1, NEXT_NS)),
        (TimestampError, "head: duplicate", lambda i: shifted(i, NEXT_NS, NEWEST_NS)),
        (TimestampError, "milliseconds or seconds", lambda i: shifted(i, NEWEST_NS + 33, NEXT_NS)),
        (TimestampError, "one monotonic clock", lambda i: shifted(i, NEXT_NS, 10**18)),
        (
            InvalidInputError,
            r"frame.left: expected the rig's",
            lambda i: (replace(i[0], left=np.zeros((10, 10), np.uint8)), i[1]),
        ),
        (InvalidInputError, "expected a StereoFrame, got dict", lambda i: ({}, i[1])),
        (InvalidInputError, "expected an ImuFrame, got NoneType", lambda i: (i[0], None)),
    ],
)
def test_bad_calls_change_nothing(
    tracker: SamePoseTracker, tiny_bundle: Path, error, message, spoil
):
    stream = list(made_up_stream(tracker.rig, 6))
    with SamePoseTracker(tiny_bundle) as undisturbed:
        for inputs in stream[:5]:
            tracker.push(*inputs)
            undisturbed.push(*inputs)
        with pytest.raises(error, match=message):
            tracker.push(*spoil(stream[5]))
        np.testing.assert_array_equal(
            tracker.push(*stream[5]).joints_world, undisturbed.push(*stream[5]).joints_world
        )


def test_ingest_refuses_what_it_cannot_use(tracker: SamePoseTracker) -> None:
    pose = DevicePose((0, 1, 0), IDENTITY)
    tracker.ingest.sample("head", START_NS, pose)
    for error, message, call in (
        (InvalidInputError, "device: expected one of", ("waist", START_NS, pose)),
        (InvalidInputError, "leg_left: expected a LegReading", ("leg_left", START_NS, pose)),
        (TimestampError, "duplicate", ("head", START_NS, pose)),
        (TimestampError, "before the newest", ("head", START_NS - 1, pose)),
        (TimestampError, "integer nanoseconds", ("head", 5.02, pose)),
    ):
        with pytest.raises(error, match=message):
            tracker.ingest.sample(*call)
    tracker.ingest.sample("head", START_NS + 10_000_000, pose)
    tracker.ingest.sample("leg_left", START_NS, LegReading(IDENTITY, (0, 0, 0)))


def test_a_frame_on_another_clock_is_named(tracker: SamePoseTracker) -> None:
    tracker.ingest.sample("head", START_NS, DevicePose((0, 1.6, 0), IDENTITY))
    frame, _ = next(made_up_stream(tracker.rig, 1))
    with pytest.raises(TimestampError, match="one monotonic clock"):
        tracker.push_frame(replace(frame, timestamp_ns=1_700_000_000_000_000_000))


def test_an_engine_failure_resets_the_stream(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = list(made_up_stream(tracker.rig, 4))
    fresh = [tracker.push(*inputs).joints_world for inputs in stream[:2]]
    run = tracker._engine.run

    def failing(stage: str) -> None:
        if stage == "fusion":
            raise EngineError("out of luck")
        run(stage)

    monkeypatch.setattr(tracker._engine, "run", failing)
    with pytest.raises(EngineError, match="out of luck"):
        tracker.push(*stream[2])
    monkeypatch.undo()
    again = [tracker.push(*inputs).joints_world for inputs in stream[:2]]
    np.testing.assert_array_equal(fresh, again)


def test_opening_mistakes_are_named(tiny_bundle: Path, small_rig: CameraRig) -> None:
    with pytest.raises(EngineError, match="backend"):
        SamePoseTracker(tiny_bundle, backend="quantum")
    with pytest.raises(InvalidInputError, match="rig: expected a CameraRig"):
        SamePoseTracker(tiny_bundle, rig={})
    tiny = CameraRig(*(replace(c, width=32, height=24) for c in small_rig.cameras))
    with pytest.raises(InvalidInputError, match="smaller preset"):
        SamePoseTracker(tiny_bundle, rig=tiny)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("precision", ["int3", None, 16]),
        ("threads", [0, "2", 1.5, True]),
        ("ground_y_m", ["0", None, np.nan, 1e6, True]),
        ("ring_capacity", [0, 1, 2.5, "256", None, 2**40]),
        ("max_gap_ns", [-1, 0.1, "1", None]),
        ("stale_after_ns", [2**63, True]),
        ("clocks", [None, {"waist": EstimatedClock()}, {"head": 3}, [("head", 1)]]),
        ("hold_bone_lengths", [1, "yes", None]),
    ],
)
def test_options_of_a_wrong_type_or_value_are_named(field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(InvalidInputError, match=field):
            TrackerOptions(**{field: value})  # type: ignore[arg-type]


def test_options_are_taken_as_their_own_types() -> None:
    options = TrackerOptions(ground_y_m=1, ring_capacity=np.int64(64))  # type: ignore[arg-type]
    assert type(options.ground_y_m) is float and type(options.ring_capacity) is int


def test_a_bundle_of_other_joints_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(tiny_bundle, tmp_path / "b.same"))
    manifest = Bundle.open(bundle).manifest
    joint_names = (*manifest.joint_names, "left_hand", "right_hand")
    (bundle / MANIFEST_NAME).write_bytes(replace(manifest, joint_names=joint_names).to_json())
    with pytest.raises(BundleError, match="expected the 22 SMPL joints, got 24"):
        SamePoseTracker(bundle)


def test_an_example_headsets_cameras_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """Its poses would be VALID, and wrong, with any other headset's images."""
    with SamePoseTracker(demo_bundle()) as tracker:
        assert any("none was given" in hint for hint in tracker.stats().hints)
    assert "export with --rig" in caplog.text
    with SamePoseTracker(demo_bundle(), Recording(demo_recording()).rig) as tracker:
        assert tracker.stats().hints == ()


def test_swapped_cameras_are_named() -> None:
    """Poses would be VALID, and 10 cm off. What has such a rig can be read, to be put right."""
    rig = Recording(demo_recording()).rig
    swapped = CameraRig(rig.right, rig.left)
    with pytest.raises(InvalidInputError, match=r"0\.\d+ m to its right.*swapped"):
        SamePoseTracker(demo_bundle(), swapped)


def test_a_closed_tracker_says_so(tiny_bundle: Path) -> None:
    tracker = SamePoseTracker(tiny_bundle)
    tracker.close()
    tracker.close()
    with pytest.raises(SameError, match="closed"):
        tracker.push(*next(made_up_stream(tracker.rig, 1)))


def test_a_closed_tracker_measures_nothing(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        calibration, profile = tracker.calibration, tracker.calibration.profile()
    for asks in (
        calibration.start_legs,
        lambda: calibration.set_floor(0.0),
        lambda: calibration.set_bone_lengths(np.full(22, 0.2)),
        lambda: calibration.use(profile),
    ):
        with pytest.raises(SameError, match="the tracker is closed"):
            asks()


def test_a_push_that_meets_a_close_says_closed(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = list(made_up_stream(tracker.rig, 2))
    tracker.push(*stream[0])
    check = tracker._inbox.check

    def closing(frame: StereoFrame) -> None:
        check(frame)
        tracker.close()  # as another thread may, after the arguments were looked at

    monkeypatch.setattr(tracker._inbox, "check", closing)
    with pytest.raises(SameError, match="the tracker is closed"):
        tracker.push(*stream[1])
    with pytest.raises(SameError, match="the tracker is closed"):
        tracker.push_frame(stream[1][0])
    for call in (tracker.step, tracker.reset, tracker.start):
        with pytest.raises(SameError, match="the tracker is closed"):
            call()


def test_an_engine_that_cannot_be_reset_does_not_hide_its_failure(
    tracker: SamePoseTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = list(made_up_stream(tracker.rig, 3))
    fresh = tracker.push(*stream[0]).joints_world

    def failing(stage: str = "") -> None:
        raise EngineError("out of luck" if stage else "no reset either")

    monkeypatch.setattr(tracker._engine, "run", failing)
    monkeypatch.setattr(tracker._engine, "reset_state", failing)
    with pytest.raises(EngineError, match="out of luck"):
        tracker.push(*stream[1])
    with pytest.raises(EngineError, match="no reset either"):
        tracker.push(*stream[2])  # on torn state nothing runs
    monkeypatch.undo()
    np.testing.assert_array_equal(tracker.push(*stream[0]).joints_world, fresh)
    assert tracker.stats().engine_failures == 2


def test_a_given_engine_is_closed_when_the_tracker_does_not_open(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    for bundle, rig, options in (
        (tmp_path / "none.same", None, None),
        (tiny_bundle, {}, None),
        (tiny_bundle, None, "fast"),
    ):
        engine = open_engine(Bundle.open(tiny_bundle), "onnxruntime")
        close = engine.close
        monkeypatch.setattr(engine, "close", lambda close=close: (closed.append(1), close()))
        with pytest.raises(SameError):
            SamePoseTracker(bundle, rig, engine, options)  # type: ignore[arg-type]
    assert len(closed) == 3


def test_a_pose_says_how_the_devices_were_turned(tracker: SamePoseTracker) -> None:
    *_, (frame, imu) = made_up_stream(tracker.rig, 3)
    pose = tracker.push(frame, replace(imu, ctrl_left=None))
    turned = pose.device_orientations_world
    for device, name in enumerate(("head", "ctrl_left", "ctrl_right", "leg_left", "leg_right")):
        if name == "ctrl_left":
            assert not turned[device].any()
        else:
            np.testing.assert_allclose(turned[device], getattr(imu, name).orientation_xyzw)
    later = tracker.at_time(pose.timestamp_ns)
    np.testing.assert_array_equal(later.device_orientations_world, turned)
