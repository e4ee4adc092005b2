"""``same-track --live``: real time, faults, files and one-line errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recordings import write_made_up

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime import PoseStatus, SamePoseTracker, StereoFrame
from same_runtime.camera import CameraRig
from same_runtime.cli.track import TrackCommand, track
from same_runtime.cli.track_live import live_track
from same_runtime.recording import RawPose, Recording, RecordingWriter
from same_runtime.recording.live_player import LivePlayer, truth_at


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    path = tmp_path_factory.mktemp("recording") / "made-up.mcap"
    return write_made_up(path, small_rig, 2.0)


def test_every_sample_goes_through_at_the_speed_asked_for(
    tiny_bundle: Path, recording_path: Path
) -> None:
    recording = Recording(recording_path)
    with SamePoseTracker(tiny_bundle, recording.rig) as tracker:
        run = live_track(tracker, recording, speed=2.0)
    assert {name: s.accepted for name, s in run.stats.streams.items()} == {
        "head": 180,
        "ctrl_left": 180,
        "ctrl_right": 180,
        "leg_left": 400,
        "leg_right": 400,
        "cameras": 60,
    }
    assert not run.refused
    # The truth spans the frames; on a busy machine all poses may be later than that, or too late.
    usable = [pose for pose in run.poses if pose.status is not PoseStatus.INVALID]
    assert len(run.errors_mm) <= len(usable)
    assert run.stats.output.count > 10
    times = [pose.timestamp_ns for pose in run.poses]
    assert times[-1] >= recording.end_ns - 500_000_000


def test_the_command_writes_poses_and_reports_faults(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track(
        TrackCommand(
            recording_path, bundle=tiny_bundle, out=tmp_path, live=True, inject="zero-quaternion"
        )
    )
    with np.load(tmp_path / "poses.npz") as poses:
        assert len(poses["timestamp_ns"]) > 10
    assert {p.name for p in tmp_path.iterdir()} == {"poses.npz", "poses.csv", "poses.mcap"}
    printed = capsys.readouterr().out
    assert "7 of head" in printed and "deadlines missed" in printed


def test_the_live_preview_shows_the_frames_that_were_sent(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "from-before.txt").write_text("")
    track(
        TrackCommand(
            recording_path, bundle=tiny_bundle, out=tmp_path, live=True, preview=True, json=True
        )
    )
    summary = json.loads(capsys.readouterr().out)
    assert summary["files"][-2:] == ["preview.png", "preview.webp"]
    assert {p.name for p in tmp_path.iterdir()} == {*summary["files"], "from-before.txt"}
    assert summary["frames"] == sum(summary["statuses"].values()) > 10
    assert summary["latency_median_ms"] > 0.1  # from frame to pose, not of poses between frames
    with Image.open(tmp_path / "preview.webp") as preview:
        assert preview.n_frames > 10


def test_the_command_tells_the_likely_mistake(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = TrackCommand(
        recording_path, bundle=tiny_bundle, out=tmp_path, live=True, inject="black-images"
    )
    track(command)
    printed = " ".join(capsys.readouterr().out.split())
    assert "CAMERAS_COVERED in" in printed
    assert "likely mistake: a camera's images are flat at 0 of 255" in printed


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("fault: expected one of", {"live": True, "inject": "gremlins"}),
        ("speed: expected", {"live": True, "speed": 0.0}),
        ("need --live", {"inject": "jitter"}),
        ("need --view", {"live": True, "view_images": True}),
        ("--user needs --save-profile", {"user": "anna"}),
        (
            "user: expected text of at most 200",
            {"user": "a" * 300, "save_profile": Path("anna.json")},
        ),
        ("--save-profile .*folder does not exist", {"save_profile": Path("absent/anna.json")}),
    ],
)
def test_mistakes_are_named(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path, message: str, options: dict
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        track(TrackCommand(recording_path, bundle=tiny_bundle, out=tmp_path, **options))


def test_a_reader_that_fails_is_heard() -> None:
    def samples():
        yield from ()
        raise InvalidInputError("spoiled")

    with pytest.raises(InvalidInputError, match="spoiled"):
        list(LivePlayer(samples(), 0).play(None))  # type: ignore[arg-type]


def test_truth_is_interpolated_between_its_times() -> None:
    truth = [(10, np.zeros((22, 3))), (20, np.ones((22, 3)))]
    between = truth_at(truth, 15)
    assert between is not None and np.all(between == 0.5)
    assert truth_at(truth, 25) is None and truth_at(truth, 5) is None and truth_at([], 5) is None
    first = truth_at(truth, 10)
    assert first is not None and not first.any()


def test_where_no_frame_could_be_tracked_the_reason_is_named(
    tiny_bundle: Path, small_rig: CameraRig, tmp_path: Path
) -> None:
    path = tmp_path / "epoch.mcap"
    image = np.zeros((small_rig.left.height, small_rig.left.width), np.uint8)
    with RecordingWriter(path, small_rig) as writer:
        for t in range(10**9, 2 * 10**9, 10**8):
            upright = RawPose(np.array((0.0, 1.6, 0.0)), np.array((0.0, 0.0, 0.0, 1.0)))
            writer.write_pose("head", t, upright, t)
            writer.write_frame(StereoFrame(10**18 + t, image, image), t)
    with pytest.raises(RecordingError, match="no frame could be tracked.*one monotonic clock"):
        track(TrackCommand(path, bundle=tiny_bundle, out=tmp_path / "out"))
