import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny_model import TINY, tiny_model
from tiny_sequence import write_sequence

from same_engines import Bundle
from same_engines.errors import DataError, InvalidInputError, SameError
from same_engines.json_values import parse_strict_json
from same_model.checkpoint import save_checkpoint
from same_model.cli.evaluate import EvalCommand, main, run
from same_model.data.recorded_inputs import Loss, read_inputs
from same_model.data.sequence import open_sequence
from same_model.evaluation.evaluate import evaluate
from same_model.evaluation.metrics import MetricsConfig
from same_model.evaluation.predict import (
    OfflinePredictor,
    PredictedPoses,
    SavedPoses,
    StreamingPredictor,
)
from same_model.evaluation.report import write_report
from same_runtime._core import MAX_FRAME_GAP_NS
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_bundle


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_rig):
    root = tmp_path_factory.mktemp("sequences")
    write_sequence(root / "one", small_rig, 24, seed=1, split="protocol1", action="walk")
    write_sequence(root / "two", small_rig, 110, seed=2, split="protocol2", action="kneel")
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny_model())
    return path


def test_streaming_gives_the_offline_poses(data, exported_bundle, small_rig):
    sequence = open_sequence(data / "one")
    start = int(sequence.timestamps_ns[8])
    losses = [Loss("left", start, start + 200_000_000), Loss("leg_left", start, start + 10**9)]
    for lost in ([], losses):
        offline = OfflinePredictor(tiny_model())(sequence, lost)
        streaming = StreamingPredictor(exported_bundle)(sequence, lost)
        assert np.array_equal(offline.frames, streaming.frames)
        assert np.abs(offline.joints_world - streaming.joints_world).max() < 1e-4
    clean = OfflinePredictor(tiny_model())(sequence)
    assert np.abs(offline.joints_world - clean.joints_world).max() > 1e-4


def test_streaming_gives_the_offline_poses_with_leg_straps_measured(
    data, exported_bundle, small_rig, tmp_path
):
    """By the tracker's own correction, which says so to a network that reads it and no other."""
    from same_export.write_bundle import write_bundle

    sequence = open_sequence(data / "one")
    deaf = tmp_path / "deaf.same"
    write_bundle(tiny_model(use_leg_straps=False), "0" * 64, small_rig, deaf)
    for bundle, model in (
        (exported_bundle, tiny_model()),
        (deaf, tiny_model(use_leg_straps=False)),
    ):
        offline = OfflinePredictor(model, straps_measured=True)(sequence)
        streaming = StreamingPredictor(bundle, straps_measured=True)(sequence)
        assert np.array_equal(offline.frames, streaming.frames)
        assert np.abs(offline.joints_world - streaming.joints_world).max() < 1e-4
        as_worn = OfflinePredictor(model)(sequence)
        assert np.abs(offline.joints_world - as_worn.joints_world).max() > 1e-3
    told = OfflinePredictor(tiny_model(), straps_measured=True)(sequence)
    assert np.abs(told.joints_world - offline.joints_world).max() > 1e-3


def test_streaming_gives_the_offline_poses_after_a_long_gap(data, exported_bundle):
    sequence = open_sequence(data / "two")
    start = int(sequence.timestamps_ns[20])
    losses = [Loss("head", start, start + 1_500_000_000)]
    offline = OfflinePredictor(tiny_model())(sequence, losses)
    streaming = StreamingPredictor(exported_bundle)(sequence, losses)
    assert np.diff(sequence.timestamps_ns[offline.frames]).max() > MAX_FRAME_GAP_NS
    assert np.array_equal(offline.frames, streaming.frames)
    assert np.abs(offline.joints_world - streaming.joints_world).max() < 1e-4


def test_streaming_through_a_bundle_gives_the_offline_metrics(
    data, checkpoint, exported_bundle, tmp_path
):
    """Every metric of same-eval, also under losses, to 0.1 mm."""
    for source, name in ((checkpoint, "offline"), (exported_bundle, "streaming")):
        run(EvalCommand(data, source, out=tmp_path / name, losses=True, videos=0, precision="fp32"))
    assert_same_metrics(tmp_path / "offline", tmp_path / "streaming")


def assert_same_metrics(offline: Path, streaming: Path) -> None:
    a, b = (json.loads((folder / "metrics.json").read_text()) for folder in (offline, streaming))
    assert a["protocols"].keys() == b["protocols"].keys() and a["protocols"]
    for protocol, group in a["protocols"].items():
        assert group["frames"] == b["protocols"][protocol]["frames"]
        for metric, value in group["metrics"].items():
            came = b["protocols"][protocol]["metrics"][metric]
            assert came == pytest.approx(value, abs=0.1), (protocol, metric)
    assert a["losses"].keys() == b["losses"].keys()
    for kind, figures in a["losses"].items():
        for name, value in figures.items():
            assert b["losses"][kind][name] == pytest.approx(value, abs=0.1), (kind, name)


def test_streaming_through_the_shipped_bundle_gives_its_checkpoints_metrics(
    tmp_path, shipped_checkpoint
):
    """The bundle in the package against the checkpoint that its manifest names."""
    bundle = Bundle.open(demo_bundle())
    rig = CameraRig.from_dict(bundle.manifest.rig)
    write_sequence(tmp_path / "data" / "clip", rig, 70, seed=4, split="protocol1")
    for source, name in ((shipped_checkpoint, "offline"), (demo_bundle(), "streaming")):
        run(EvalCommand(tmp_path / "data", source, out=tmp_path / name, videos=0, precision="fp32"))
    assert_same_metrics(tmp_path / "offline", tmp_path / "streaming")


@pytest.fixture
def shipped_checkpoint(tmp_path: Path) -> Path:
    """The checkpoint behind the shipped bundle, which both must be of."""
    from same_export.checkpoint_delta import rebuild_checkpoint

    path, bundle = tmp_path / "lite.safetensors", Bundle.open(demo_bundle())
    delta = Path(__file__).resolve().parents[3] / "model" / "lite.delta"
    rebuild_checkpoint(bundle, delta, path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == bundle.manifest.checkpoint_sha256
    return path


def test_a_lost_device_is_a_zero_token_in_time(data):
    sequence = open_sequence(data / "two")
    start = int(sequence.timestamps_ns[40])
    inputs = read_inputs(sequence, TINY, [Loss("ctrl_right", start, start + 10**9)])
    valid = inputs.imu_features[:, 2, 15]
    # A pose is carried on for a moment, so the token goes a little after the device.
    assert valid[:40].all() and not valid[44:69].any() and valid[72:].all()
    assert not inputs.imu_features[50, 2].any()
    assert inputs.imu_features[:, 1, 15].all()


def test_a_checkpoint_is_evaluated_and_reported(data, checkpoint, tmp_path):
    run(EvalCommand(data, checkpoint, out=tmp_path, losses=True))
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert set(content["protocols"]) == {"protocol1", "protocol2"}
    assert set(content["trained_steps"].values()) == {0}
    assert "The network: visual not trained, " in (tmp_path / "metrics.md").read_text()
    for protocol, group in content["protocols"].items():
        low, high = group["confidence_95"]["mpjpe"]
        mean = group["metrics"]["mpjpe"]
        # A group of one sequence has no spread, and its means differ by rounding.
        assert low <= mean * (1 + 1e-9) and mean * (1 - 1e-9) <= high
        errors = [content["joints"][protocol][joint][0] for joint in JOINT_NAMES]
        assert np.mean(errors) == pytest.approx(group["metrics"]["mpjpe"])
    assert set(content["actions"]["protocol2"]) == {"kneel"}
    assert set(content["losses"]) == {
        "one camera",
        "both cameras",
        "one controller",
        "both leg IMUs",
    }
    text = (tmp_path / "metrics.md").read_text()
    head = next(line for line in text.splitlines() if line.startswith("| protocol |"))
    columns = [cell.strip() for cell in head.strip("|").split("|")]
    assert columns[2:9] == ["PA-MPJPE", "MPJPE", "Upper", "Lower", "Foot", "Hand", "Ground"]
    assert (tmp_path / "joints.png").stat().st_size > 5000
    videos = sorted(tmp_path.glob("*.webp"))
    assert [video.name.split("-")[:2] for video in videos] == [
        ["protocol1", "one"],
        ["protocol2", "two"],
    ]
    # 110 frames at 30 Hz are 3.7 s, of which the video shows ten a second, both eyes and a third
    # view side by side.
    with Image.open(videos[1]) as video:
        assert (video.n_frames, video.size) == (37, (960, 260))


def test_saved_poses_are_matched_by_time(data, tmp_path):
    sequence = open_sequence(data / "one")
    path = tmp_path / "poses.npz"

    def save(joint_names=JOINT_NAMES, shift_ns=0):
        np.savez(
            path,
            timestamp_ns=sequence.timestamps_ns[5:] + shift_ns,
            joints_world=sequence.joints_world[5:],
            status=np.array(["INVALID"] + ["VALID"] * (sequence.frames - 6)),
            joint_names=np.array(joint_names),
        )

    save()
    poses = SavedPoses(path)(sequence)
    assert poses.frames.tolist() == list(range(6, 24))
    assert np.array_equal(poses.joints_world, sequence.joints_world[6:].astype(float))
    save(joint_names=JOINT_NAMES[:17])
    with pytest.raises(DataError, match="22 SMPL joints, got 17"):
        SavedPoses(path)(sequence)
    save(shift_ns=1)
    with pytest.raises(DataError, match="no time stamp"):
        SavedPoses(path)(sequence)
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match="not a pose file"):
        SavedPoses(path)(sequence)


def saved_poses(sequence, path, rows, **changes):
    """The true poses of ``rows`` as same-track saves poses."""
    arrays = {
        "timestamp_ns": np.asarray(sequence.timestamps_ns)[rows],
        "joints_world": np.asarray(sequence.joints_world)[rows],
        "status": np.array(["VALID"] * len(rows)),
        "joint_names": np.array(JOINT_NAMES),
    }
    np.savez(path, **{**arrays, **changes})
    return path


def test_frames_that_a_pose_file_leaves_out_are_counted_apart(data, tmp_path, capsys):
    shutil.copytree(data / "one", tmp_path / "data" / "one")
    status = np.array(["VALID", "INVALID", "VALID"])
    rows = np.arange(3)
    path = saved_poses(open_sequence(data / "one"), tmp_path / "few.npz", rows, status=status)
    run(EvalCommand(tmp_path / "data", path, out=tmp_path / "out", videos=0))
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (content["frames_without_pose"], content["frames_not_given"]) == (1, 21)
    for text in ((tmp_path / "out" / "metrics.md").read_text(), capsys.readouterr().out):
        assert "1 frames had no head pose and count nowhere." in text
        assert "21 frames are not in the pose file and count nowhere." in text


def test_poses_that_come_twice_or_out_of_order_are_named(data, tmp_path):
    sequence = open_sequence(data / "one")
    for rows in (np.repeat(np.arange(24), 2), np.array([0, 2, 1])):
        path = saved_poses(sequence, tmp_path / "poses.npz", rows)
        with pytest.raises(DataError, match=r"poses\.npz: timestamp_ns: row [12] is not after"):
            SavedPoses(path)(sequence)
    path = saved_poses(sequence, tmp_path / "poses.npz", np.arange(24), status=np.array(["VALID"]))
    with pytest.raises(DataError, match="not a pose file .* different lengths"):
        SavedPoses(path)(sequence)


def test_sequences_of_one_name_have_videos_of_their_own(data, checkpoint, tmp_path, capsys):
    for folder in ("a", "b"):
        shutil.copytree(data / "one", tmp_path / "data" / folder / "one")
    run(EvalCommand(tmp_path / "data", checkpoint, out=tmp_path / "out", videos=2))
    names = sorted(path.name for path in (tmp_path / "out").glob("*.webp"))
    assert len(names) == 2 and names[0].replace("mm-2.webp", "mm.webp") == names[1]
    said = "".join(capsys.readouterr().out.split())
    assert all(name in said for name in names)


def test_sequences_too_short_for_losses_are_told(data, checkpoint, tmp_path, capsys):
    shutil.copytree(data / "one", tmp_path / "data" / "one")
    command = EvalCommand(tmp_path / "data", checkpoint, out=tmp_path / "out", videos=0)
    run(command)
    assert "Losses of a stream" not in capsys.readouterr().out
    run(replace(command, losses=True))
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["losses"] == {} and content["too_short_for_losses"] == 1
    said = (
        "Losses of a stream: left out in 1 sequences of less than the 3.5 s that they take, or "
        "without a pose in the lost second or the one after it."
    )
    assert said in capsys.readouterr().out
    assert said in (tmp_path / "out" / "metrics.md").read_text()


@pytest.mark.parametrize("gap", ["no frames", "no pose"])
def test_a_sequence_without_poses_in_the_lost_second_is_left_out_of_losses(data, tmp_path, gap):
    whole = open_sequence(data / "two")
    kept = np.ones(whole.frames, bool)
    kept[45:75] = False  # the loss is 1.5 to 2.5 s after the first frame

    def predict(sequence, losses=()):
        frames = np.arange(sequence.frames)
        if sequence.path.name == "gap" and gap == "no pose":
            frames = frames[kept]
        return PredictedPoses(frames, sequence.joints_world[frames] + 0.03)

    rows = kept if gap == "no frames" else slice(None)
    with_gap = SimpleNamespace(
        path=Path("gap"),
        timestamps_ns=whole.timestamps_ns[rows],
        joints_world=whole.joints_world[rows],
        sensed_orientation=whole.sensed_orientation[rows],
        frames=len(whole.timestamps_ns[rows]),
        meta=whole.meta,
    )
    found = evaluate(predict, [whole, with_gap], MetricsConfig(), losses=True)
    assert found.too_short_for_losses == 1
    for figures in found.losses.values():
        assert figures["sequences"] == 1.0 and np.isfinite(list(figures.values())).all()
    write_report(found, "gap", "same-eval", tmp_path)
    assert parse_strict_json((tmp_path / "metrics.json").read_bytes())["losses"] == found.losses


def test_bad_sources_are_named(data, checkpoint, tmp_path):
    with pytest.raises(DataError, match="no such checkpoint"):
        run(EvalCommand(data, tmp_path / "absent.safetensors", out=tmp_path / "out"))
    with pytest.raises(DataError, match="no such folder"):
        run(EvalCommand(tmp_path / "absent", checkpoint, out=tmp_path / "out"))
    (tmp_path / "poses.npz").write_text("whatever")
    with pytest.raises(InvalidInputError, match="holds poses, nothing to measure"):
        run(EvalCommand(data, tmp_path / "poses.npz", straps="measured", out=tmp_path / "out"))
    assert main(["--data", str(data), str(checkpoint), "--straps", "sideways"]) == 2
    for name in ("text.safetensors", "text.pt", "text.same"):
        (tmp_path / name).write_text("not a model")
        with pytest.raises(SameError, match=name):
            run(EvalCommand(data, tmp_path / name, out=tmp_path / "out"))
    shutil.copytree(data / "one", tmp_path / "data" / "one")
    path = tmp_path / "data" / "one" / "joints_world.npy"
    joints = np.load(path)
    np.save(path, joints[:, :17])
    with pytest.raises(DataError, match=r"joints_world\.npy: expected .* \(22, 3\)"):
        run(EvalCommand(tmp_path / "data", checkpoint, out=tmp_path / "out"))
    np.save(path, joints)
    path = tmp_path / "data" / "one" / "stream_head_position.npy"
    positions = np.load(path)
    positions[3] = np.inf
    np.save(path, positions)
    with pytest.raises(DataError, match=r"stream_head_position\.npy: row 3"):
        run(EvalCommand(tmp_path / "data", checkpoint, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
