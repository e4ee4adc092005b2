"""What breaks such systems in the field, with the outcome each must have.

``test_fault_table`` says which test holds which row of the table of faults.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from recordings import real_session, write_made_up

from same_engines.errors import InvalidInputError
from same_runtime import Pose, PoseStatus, Reason, SamePoseTracker, StereoFrame, TrackerOptions
from same_runtime.camera import CameraRig
from same_runtime.ingestion.clock_sync import EstimatedClock
from same_runtime.recording import TRUTH_STREAM, Recording
from same_runtime.recording.faults import FAULTS, inject
from same_runtime.recording.live_player import send
from same_runtime.stats import Health, TrackerStats

SECONDS = 4.0
FRAMES = 120
FAULT_S, GAP_S = 1.5, 1.0
SAMPLES = {"head": 360, "ctrl_left": 360, "ctrl_right": 360, "leg_left": 800, "leg_right": 800}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Recording:
    path = tmp_path_factory.mktemp("recording") / "made-up.mcap"
    return Recording(write_made_up(path, small_rig, SECONDS))


@dataclass
class Run:
    poses: list[Pose]
    stats: TrackerStats
    refused: Counter[str]

    def reasons_between(self, begin_s: float, end_s: float) -> list[tuple[Reason, ...]]:
        start_ns = self.poses[0].timestamp_ns
        return [
            pose.reasons
            for pose in self.poses
            if begin_s <= 1e-9 * (pose.timestamp_ns - start_ns) < end_s
        ]


def run(
    bundle: Path, recording: Recording, fault: str | None, options: TrackerOptions | None = None
) -> Run:
    """Every sample in the order of its arrival, the network after every frame: no threads, so
    that a run can be repeated to the bit."""
    samples = recording.samples()
    poses, refused = [], Counter[str]()
    with SamePoseTracker(bundle, recording.rig, options=options) as tracker:
        for sample in inject(samples, fault) if fault else samples:
            if sample.stream == TRUTH_STREAM:
                continue
            try:
                send(tracker.ingest, sample)
            except InvalidInputError:
                refused[sample.stream] += 1
            pose = tracker.step()
            if pose is not None:
                poses.append(pose)
        return Run(poses, tracker.stats(), refused)


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Recording:
    path = tmp_path_factory.mktemp("recording") / "long.mcap"
    return Recording(write_made_up(path, small_rig, 10.0))


@pytest.fixture(scope="module")
def clean(tiny_bundle: Path, recording: Recording) -> Run:
    return run(tiny_bundle, recording, None)


def test_the_clean_run_is_clean_and_repeats_to_the_bit(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    assert len(clean.poses) == FRAMES and not clean.refused
    assert {name: clean.stats.streams[name].accepted for name in SAMPLES} == SAMPLES
    assert clean.poses[-1].status is PoseStatus.VALID
    again = run(tiny_bundle, recording, None)
    for a, b in zip(clean.poses, again.poses, strict=True):
        np.testing.assert_array_equal(a.joints_world, b.joints_world)


@pytest.mark.parametrize(
    ("fault", "counter"),
    [
        ("duplicate", "duplicate"),
        ("backwards", "backwards"),
        ("milliseconds", "backwards"),
        ("epoch", "jumped"),
        ("zero-quaternion", "invalid"),
    ],
)
def test_bad_samples_are_counted_and_change_nothing(
    tiny_bundle: Path, recording: Recording, clean: Run, fault: str, counter: str
) -> None:
    faulty = run(tiny_bundle, recording, fault)
    for name, samples in SAMPLES.items():
        stream = faulty.stats.streams[name]
        assert stream.accepted == samples
        assert getattr(stream, counter) == stream.refused == faulty.refused[name] == samples // 25
    assert len(faulty.poses) == FRAMES
    for a, b in zip(clean.poses, faulty.poses, strict=True):
        np.testing.assert_array_equal(a.joints_world, b.joints_world)


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [
        ("leg-gap", Reason.LEG_TRACKER_LOST, PoseStatus.LIMITED),
        ("controller-gap", Reason.CONTROLLER_LOST, PoseStatus.LIMITED),
        ("head-gap", Reason.HEAD_LOST, PoseStatus.INVALID),
        ("camera-covered", Reason.CAMERA_LOST, PoseStatus.LIMITED),
    ],
)
def test_a_gap_is_named_and_over_within_bounds(
    tiny_bundle: Path, recording: Recording, fault: str, reason: Reason, status: PoseStatus
) -> None:
    faulty = run(tiny_bundle, recording, fault)
    inside = faulty.reasons_between(FAULT_S + 0.1, FAULT_S + GAP_S - 0.1)
    assert inside and all(reason in reasons for reasons in inside)
    assert all(not reasons for reasons in faulty.reasons_between(0.8, FAULT_S - 0.1))
    assert all(not reasons for reasons in faulty.reasons_between(FAULT_S + GAP_S + 0.5, 99))
    assert status in {pose.status for pose in faulty.poses}
    assert all(np.isfinite(pose.joints_world).all() for pose in faulty.poses)


@pytest.mark.parametrize(
    ("fault", "reason", "found_s", "lasts_s", "over_s", "hint"),
    [
        ("black-images", Reason.CAMERAS_COVERED, 0.1, 1.0, 0.1, "flat at 0 of 255"),
        ("one-black-image", Reason.CAMERAS_COVERED, 0.1, 1.0, 0.1, "covered"),
        ("white-images", Reason.CAMERAS_SATURATED, 0.1, 1.0, 0.1, "white (255 of 255)"),
        ("head-millimetres", Reason.IMPLAUSIBLE_HEAD, 0.1, 4.0, 0.2, "are these millimetres?"),
        ("head-below-floor", Reason.IMPLAUSIBLE_HEAD, 0.1, 4.0, 0.2, "below the floor"),
        ("head-local-space", Reason.IMPLAUSIBLE_HEAD, 2.2, 4.0, 0.2, "LOCAL space?"),
        ("poses-wxyz", Reason.IMPLAUSIBLE_HEAD, 2.2, 4.0, 0.2, "look like wxyz"),
        ("legs-wxyz", Reason.IMPLAUSIBLE_LEG, 2.2, 4.0, 0.2, "look like wxyz"),
        ("leg-gravity", Reason.IMPLAUSIBLE_LEG, 2.5, 4.0, 1.5, "upwards: gravity was not removed"),
        ("controller-millimetres", Reason.IMPLAUSIBLE_CONTROLLER, 0.7, 4.0, 0.2, "m from the head"),
        ("on-table", Reason.NOT_WORN, 5.2, 7.0, 0.2, "not worn"),
    ],
)
def test_nonsense_is_named_within_bounds_and_over_again(
    tiny_bundle: Path,
    long_recording: Recording,
    fault: str,
    reason: Reason,
    found_s: float,
    lasts_s: float,
    over_s: float,
    hint: str,
) -> None:
    faulty = run(tiny_bundle, long_recording, fault)
    assert all(not reasons for reasons in faulty.reasons_between(0.8, FAULT_S - 0.1))
    inside = faulty.reasons_between(FAULT_S + found_s, FAULT_S + lasts_s - 0.1)
    assert inside and all(reason in reasons for reasons in inside)
    after = faulty.reasons_between(FAULT_S + lasts_s + over_s, 99)
    assert after and all(reason not in reasons for reasons in after)
    assert faulty.poses[-1].status is PoseStatus.VALID
    nobody = reason in (Reason.IMPLAUSIBLE_HEAD, Reason.NOT_WORN)
    status = PoseStatus.INVALID if nobody else PoseStatus.LIMITED
    named = [pose for pose in faulty.poses if reason in pose.reasons]
    assert {pose.status for pose in named} == {status}
    assert any(hint in text for text in faulty.stats.hints)


@pytest.mark.parametrize("gap_ms", [50, 300, 2000])
def test_gaps_of_any_length_leave_no_scar(
    tiny_bundle: Path, recording: Recording, clean: Run, gap_ms: int
) -> None:
    start_ns = recording.start_ns + round(1.2e9)
    poses: list[Pose] = []
    with SamePoseTracker(tiny_bundle, recording.rig) as tracker:
        for sample in recording.samples():
            lost = sample.stream.startswith("leg") and (
                start_ns <= sample.timestamp_ns < start_ns + gap_ms * 1_000_000
            )
            if sample.stream == TRUTH_STREAM or lost:
                continue
            send(tracker.ingest, sample)
            pose = tracker.step()
            if pose is not None:
                poses.append(pose)
    assert len(poses) == FRAMES and poses[-1].status is PoseStatus.VALID
    named = sum(Reason.LEG_TRACKER_LOST in pose.reasons for pose in poses)
    # Up to 50 ms are bridged; a longer gap is named in every frame that it spoils.
    assert named <= 1 if gap_ms == 50 else named >= gap_ms // 40
    assert np.abs(poses[-1].joints_world - clean.poses[-1].joints_world).max() < 0.05


def test_without_images_the_pose_stops_with_its_frames(
    tiny_bundle: Path, recording: Recording
) -> None:
    faulty = run(tiny_bundle, recording, "no-images")
    assert len(faulty.poses) == FRAMES - 30
    assert faulty.poses[-1].status is PoseStatus.VALID


def test_dropped_and_late_frames_only_thin_the_poses_out(
    tiny_bundle: Path, recording: Recording
) -> None:
    dropped = run(tiny_bundle, recording, "dropped-frames")
    assert 60 < len(dropped.poses) < 110
    assert dropped.poses[-1].status is PoseStatus.VALID
    late = run(tiny_bundle, recording, "late-frames")
    overtaken = late.refused["frame"] + late.stats.frames_too_late
    assert len(late.poses) + overtaken == FRAMES and overtaken > 10
    assert late.stats.streams["cameras"].backwards == late.refused["frame"]
    for faulty in (dropped, late):
        assert all(np.isfinite(pose.joints_world).all() for pose in faulty.poses)


def test_jitter_costs_accuracy_but_no_sample(tiny_bundle: Path, recording: Recording) -> None:
    faulty = run(tiny_bundle, recording, "jitter")
    refused = faulty.refused
    for name, samples in SAMPLES.items():
        assert faulty.stats.streams[name].accepted + refused[name] == samples
        assert faulty.stats.streams[name].backwards == refused[name]
    assert faulty.poses[-1].status is not PoseStatus.INVALID


def test_an_acceleration_at_its_stops_stays_bounded(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    faulty = run(tiny_bundle, recording, "acceleration-spike")
    worst = max(
        np.abs(a.joints_world - b.joints_world).max()
        for a, b in zip(clean.poses, faulty.poses, strict=True)
    )
    assert 0 < worst < 3.0  # metres, of random weights: what the clamp on features lets through
    assert np.abs(clean.poses[-1].joints_world - faulty.poses[-1].joints_world).max() < 0.05


def test_a_drifting_leg_sensor_stays_bounded(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    faulty = run(tiny_bundle, recording, "leg-drift")
    assert not faulty.refused and faulty.poses[-1].status is PoseStatus.VALID
    worst = max(
        np.abs(a.joints_world - b.joints_world).max()
        for a, b in zip(clean.poses, faulty.poses, strict=True)
    )
    assert 0 < worst < 0.5


def test_views_two_milliseconds_apart_are_still_stereo(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    faulty = run(tiny_bundle, recording, "view-skew")
    assert len(faulty.poses) == FRAMES
    assert faulty.stats.frames.view_skew_ns == 2_000_000
    assert all(Reason.CAMERA_LOST not in pose.reasons for pose in faulty.poses)
    # Later device samples have come when the second image is there: a little less extrapolation.
    assert np.abs(clean.poses[-1].joints_world - faulty.poses[-1].joints_world).max() < 0.02


def test_an_hour_of_clock_offset_is_estimated_or_refused(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    clocks = {name: EstimatedClock() for name in ("leg_left", "leg_right")}
    estimated = run(tiny_bundle, recording, "clock-offset", TrackerOptions(clocks=clocks))
    assert estimated.stats.streams["leg_left"].clock_offset_ns == pytest.approx(-3600e9, abs=1e6)
    assert np.abs(clean.poses[-1].joints_world - estimated.poses[-1].joints_world).max() < 0.02
    alone = run(tiny_bundle, recording, "clock-offset")
    assert all(Reason.LEG_TRACKER_LOST in pose.reasons for pose in alone.poses)


def test_relocalisation_moves_the_body_and_keeps_its_shape(
    tiny_bundle: Path, recording: Recording, clean: Run
) -> None:
    faulty = run(tiny_bundle, recording, "relocalisation")
    assert faulty.stats.relocalisations == 1
    marked = [pose for pose in faulty.poses if Reason.RELOCALISED in pose.reasons]
    assert len(marked) == 1
    for a, b in zip(clean.poses, faulty.poses, strict=True):
        # The legs' own heading does not turn along here: the tracker turns it.
        limbs = [np.linalg.norm(np.diff(p.joints_cam_left, axis=0), axis=1) for p in (a, b)]
        assert np.abs(limbs[0] - limbs[1]).max() < 0.05


def test_every_fault_has_a_test() -> None:
    text = Path(__file__).read_text()
    assert [name for name in FAULTS if f'"{name}"' not in text] == []


def test_an_unknown_fault_is_named(recording: Recording) -> None:
    with pytest.raises(InvalidInputError, match="expected one of duplicate"):
        list(inject(recording.samples(), "gremlins"))


@pytest.fixture(scope="module")
def session(shared_data: Path) -> Iterator[dict[str, np.ndarray]]:
    yield real_session(shared_data)


def test_a_real_headset_session_runs_through_as_recorded(
    tiny_bundle: Path, session: dict[str, np.ndarray]
) -> None:
    times = session["timestamp_ns"]
    with SamePoseTracker(tiny_bundle) as tracker:
        refused: Counter[str] = Counter()
        poses = []
        for row, timestamp_ns in enumerate(times):
            stamp = int(timestamp_ns)
            for device in ("head", "ctrl_left", "ctrl_right"):
                position = session[f"{device}_position"][row]
                turn = session[f"{device}_orientation_xyzw"][row]
                side = device.removeprefix("ctrl_")
                try:
                    if device == "head":
                        tracker.ingest.head(stamp, position, turn)
                    else:
                        tracker.ingest.controller(side, stamp, position, turn)
                except InvalidInputError:
                    refused[device] += 1
            if row % 90 == 45:
                poses.append(tracker.push_frame(StereoFrame(stamp, None, None)))
        stats = tracker.stats()
    zero = int((np.linalg.norm(session["head_orientation_xyzw"], axis=1) < 0.5).sum())
    good = times[zero:]
    newest, late = good[0], 0
    for stamp in good[1:]:
        late += stamp <= newest
        newest = max(newest, stamp)
    assert (np.diff(times) <= 0).sum() == 3
    assert (zero, late) == (1, 2)  # the first of the four equal times has the zero quaternion
    for device in ("head", "ctrl_left", "ctrl_right"):
        stream = stats.streams[device]
        assert stream.health is Health.OK
        assert stream.invalid == zero
        assert stream.duplicate + stream.backwards == late
        assert stream.refused == refused[device] == zero + late
        assert stream.accepted == len(times) - zero - late
        assert 80 < stream.rate_hz < 100
    assert all(pose.status is PoseStatus.LIMITED for pose in poses)
    assert all(np.isfinite(pose.joints_world).all() for pose in poses)
