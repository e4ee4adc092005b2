"""``same-track --send`` and ``--write``."""

from pathlib import Path

import numpy as np
import pytest
from recordings import write_made_up

pytest.importorskip("pythonosc", reason="needs pip install .[xr]")
from osc_receiver import OscReceiver

from same_engines.errors import InvalidInputError, RecordingError
from same_model.synth.motion.capture.bvh import read_bvh
from same_runtime.camera import CameraRig
from same_runtime.cli.outputs import write_files
from same_runtime.cli.track import TrackCommand, track
from same_runtime.conventions import JOINT_NAMES
from same_runtime.pose import Pose


@pytest.fixture(scope="module")
def recording_path(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    return write_made_up(tmp_path_factory.mktemp("recording") / "made-up.mcap", small_rig, 1.0)


@pytest.mark.parametrize("live", [False, True])
def test_poses_are_sent_and_written(
    live: bool,
    tiny_bundle: Path,
    recording_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with OscReceiver() as vmc, OscReceiver() as vrchat:
        track(
            TrackCommand(
                recording_path,
                bundle=tiny_bundle,
                out=tmp_path,
                live=live,
                write="bvh,glb,mcap",
                send=(
                    f"vmc://127.0.0.1:{vmc.port}",
                    f"vrchat://127.0.0.1:{vrchat.port}?trackers=hip",
                ),
            )
        )
        vmc.wait_for(25)
        vrchat.wait_for(4)
    assert {address for address, _ in vrchat.messages} == {
        f"/tracking/trackers/{name}/{what}"
        for name in ("1", "head")
        for what in ("position", "rotation")
    }
    assert {a[0] for path, a in vmc.messages if path.endswith("Bone/Pos")} >= {"Hips", "LeftToes"}
    assert (tmp_path / "poses.glb").read_bytes()[:4] == b"glTF"
    assert (tmp_path / "body.mcap").stat().st_size > 10_000
    clip = read_bvh(tmp_path / "poses.bvh")
    with np.load(tmp_path / "poses.npz") as poses:
        bodies = poses["joints_world"].any(axis=(1, 2)).sum()
    # Live, the display's ticks are not evenly spaced on a busy machine; the file's frames are.
    assert clip.frames > 5 and (live or clip.frames == bodies)
    assert set(clip.names) == set(JOINT_NAMES)
    printed = capsys.readouterr().out
    assert f"vmc://127.0.0.1:{vmc.port}: " in printed and "poses sent" in printed


def test_files_that_no_pose_has_a_body_for_are_not_said_to_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "poses.glb").write_text("yesterday's")
    assert write_files(tmp_path, "bvh,glb,mcap", [Pose()]) == []
    said = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
    lacking = "not written: no pose has a body"
    assert ("WARNING", f"{tmp_path / 'poses.bvh'}: {lacking}") in said
    assert ("WARNING", f"{tmp_path / 'poses.glb'}: {lacking}; the one there is older") in said
    assert [path.name for path in tmp_path.iterdir()] == ["poses.glb"]


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("'osc' is not known; expected an address such as vmc://", {"send": ("osc://a:1",)}),
        ("--view need --live", {"view": ()}),
        ("--write: expected bvh, glb, mcap, rrd, got 'fbx'", {"write": "bvh,fbx"}),
    ],
)
def test_mistakes_are_named_before_anything_is_tracked(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path, message: str, options: dict
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        track(TrackCommand(recording_path, bundle=tiny_bundle, out=tmp_path / "out", **options))
    assert not list(tmp_path.glob("out/*"))


def test_a_result_that_cannot_be_written_is_one_line(
    tiny_bundle: Path, recording_path: Path, tmp_path: Path
) -> None:
    for name in ("poses.npz", "poses.bvh", "poses.glb", "body.mcap"):
        folder = tmp_path / name.replace(".", "-")
        (folder / name).mkdir(parents=True)  # in the way, for root too
        with pytest.raises(RecordingError, match=r"cannot be written.*; choose another"):
            track(
                TrackCommand(recording_path, bundle=tiny_bundle, out=folder, write="bvh,glb,mcap")
            )
