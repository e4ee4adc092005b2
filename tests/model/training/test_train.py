import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import TINY
from tiny_sequence import write_sequence

from same_engines.errors import CheckpointError, DataError, InvalidInputError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.data.sequence import open_sequence
from same_model.loss_config import LossConfig
from same_model.same_network import SameModel
from same_model.training import loop, prepare
from same_model.training import run as run_module
from same_model.training.config import AugmentConfig, InitFrom, OptimConfig, TrainConfig
from same_model.training.data.dataset import load_frames
from same_model.training.data.performers import split_performers
from same_model.training.data.visual_cache import read_rows
from same_model.training.processes import Processes
from same_model.training.run import train
from same_model.training.run_state import LATER_AUGMENT_FIELDS, run_digest
from same_model.training.stages.inertial import InertialTraining
from same_runtime.conventions import JOINT_NAMES

pytestmark = pytest.mark.usefixtures("tiny_preset")

SCRIPT = Path(__file__).resolve().parents[2] / "support" / "train_tiny.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_rig):
    root = tmp_path_factory.mktemp("sequences")
    write_sequence(root / "one", small_rig, 30, seed=1)
    write_sequence(root / "two", small_rig, 20, seed=2)
    write_sequence(root / "three", small_rig, 20, seed=3, performer="bob")
    return root


def settings(stage, data, out, **changes):
    defaults = dict(
        preset="tiny",
        steps=6,
        batch=4,
        stretch=16,
        save_every=2,
        validate_every=3,
        validation=("bob",),
        device="cpu",
        optim=OptimConfig(warmup_steps=2, ema_decay=0.5),
        allow_untrained=True,
    )
    return TrainConfig(stage, data, out, **{**defaults, **changes})


def weights(folder):
    return load_checkpoint(folder / "model.safetensors").state_dict()


def history(folder):
    lines = (folder / "losses.csv").read_text().splitlines()
    return [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]


def test_every_stage_trains_from_the_one_before(data, tmp_path):
    for stage in ("visual", "inertial"):
        train(settings(stage, data, tmp_path / stage))
    backbones = InitFrom(
        visual=tmp_path / "visual" / "model.safetensors",
        inertial=tmp_path / "inertial" / "model.safetensors",
    )
    train(settings("fusion", data, tmp_path / "fusion", init=backbones))
    fused = InitFrom(all=tmp_path / "fusion" / "model.safetensors")
    train(settings("temporal", data, tmp_path / "temporal", init=fused))
    train(settings("joint", data, tmp_path / "joint", init=backbones, batch=2))
    untrained = weights(tmp_path / "visual")
    for stage in ("visual", "inertial", "fusion", "temporal", "joint"):
        folder = tmp_path / stage
        names = {path.name for path in folder.iterdir()}
        assert {"model.safetensors", "state.pt", "losses.csv", "losses.png"} <= names
        assert list((folder / "tensorboard").iterdir())
        assert json.loads((folder / "config.json").read_text())["stage"] == stage
        assert any(name.startswith("val_") for name in history(folder)[-1])
    final = weights(tmp_path / "temporal")
    fused_weights = weights(tmp_path / "fusion")
    for name, tensor in final.items():
        stage = name.split(".")[0]
        if stage in ("visual", "inertial", "fusion"):
            assert torch.equal(tensor, fused_weights[name]), f"{name} was not frozen"
    for name in ("visual.head.0.weight",):
        assert torch.equal(final[name], untrained[name])


@pytest.mark.parametrize("stage", ["visual", "inertial", "fusion", "temporal"])
def test_half_precision_is_for_the_visual_stage_alone(stage, data, tmp_path):
    """Everything else works with metres: in 8 bits a wrist is 4 mm off."""
    for precision in ("fp32", "bf16"):
        train(settings(stage, data, tmp_path / precision, steps=2, precision=precision))
    full, half = weights(tmp_path / "fp32"), weights(tmp_path / "bf16")
    is_same = all(torch.equal(full[name], half[name]) for name in full)
    assert is_same == (stage != "visual")


def test_end_to_end_training_moves_every_stage(data, tmp_path):
    optim = OptimConfig(lr=1e-3, warmup_steps=2, ema_decay=0.0)
    fresh = settings("joint", data, tmp_path / "run", end_to_end=True, batch=2, optim=optim)
    torch.manual_seed(fresh.seed)
    before = prepare.initial_model(fresh).state_dict()
    train(fresh)
    after = weights(tmp_path / "run")
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"visual", "inertial", "fusion", "temporal"}
    assert {"local", "anchor", "ground", "val_mpjpe_mm"} <= history(tmp_path / "run")[-1].keys()


def test_fusion_from_images_moves_the_visual_stage_too(data, tmp_path):
    optim = OptimConfig(lr=1e-3, warmup_steps=2, ema_decay=0.0)
    fresh = settings("fusion", data, tmp_path / "run", end_to_end=True, optim=optim)
    torch.manual_seed(fresh.seed)
    before = prepare.initial_model(fresh).state_dict()
    train(fresh)
    after = weights(tmp_path / "run")
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"visual", "fusion"}
    assert load_checkpoint(tmp_path / "run/model.safetensors").trained_steps["visual"] == 6
    row = history(tmp_path / "run")[-1]
    assert {"heatmap", "mpjpe_mm", "val_local_mpjpe_mm", "val_2d_lower_px"} <= row.keys()


def test_the_pose_shapes_the_visual_stage(data, tmp_path):
    """Its features and its joints both, without anything of the visual stage's own loss."""
    config = settings("fusion", data, tmp_path, end_to_end=True)
    torch.manual_seed(0)
    model = prepare.initial_model(config)
    with torch.no_grad():
        for layer in model.fusion.iterations:  # starts at zero: the first steps teach it to move
            torch.nn.init.normal_(layer.head[-1].weight, std=0.01)
    stage = prepare.make_stage(config, model)
    batch = stage.make_batch(np.random.default_rng(1))
    batch["view_valid"][:] = 1.0
    out = stage.visual(batch["images"])
    seen = torch.autograd.grad(
        stage._fuse(out, batch)[:, -1].square().sum(), [out.features, out.joints_2d]
    )
    assert all(gradient.abs().sum() > 0 for gradient in seen)


def test_fusion_from_images_is_validated_as_fusion_on_caches(data, tmp_path):
    common = dict(steps=1, optim=OptimConfig(lr=1e-9, warmup_steps=1, ema_decay=0.0))
    train(settings("fusion", data, tmp_path / "cached", **common))
    train(settings("fusion", data, tmp_path / "images", end_to_end=True, **common))
    cached, images = (
        float(history(tmp_path / name)[-1]["val_local_mpjpe_mm"]) for name in ("cached", "images")
    )
    assert images == pytest.approx(cached, rel=2e-2)


@pytest.mark.parametrize("stage", ["visual", "inertial", "temporal"])
def test_other_stages_have_no_images_to_start_from(stage, data, tmp_path):
    with pytest.raises(InvalidInputError, match=r"joint or fusion.* got stage " + stage):
        settings(stage, data, tmp_path / "run", end_to_end=True)


def test_end_to_end_validation_is_the_offline_pass(data, tmp_path):
    """The figure that training shows is what same-eval finds for the same weights."""
    from same_model.evaluation.evaluate import evaluate
    from same_model.evaluation.metrics import MetricsConfig
    from same_model.evaluation.predict import OfflinePredictor

    train(settings("joint", data, tmp_path, end_to_end=True, batch=1, steps=1))
    model = load_checkpoint(tmp_path / "model.safetensors")
    found = evaluate(
        OfflinePredictor(model), [open_sequence(data / "three")], MetricsConfig(), losses=False
    )
    shown = float(history(tmp_path)[-1]["val_mpjpe_mm"])
    assert found.protocols["train"].metrics["mpjpe"] == pytest.approx(shown, abs=0.05)


def test_the_concatenating_baseline_trains_and_is_evaluated(data, tmp_path):
    optim = OptimConfig(lr=3e-3, warmup_steps=5, ema_decay=0.0)
    train(settings("fusion", data, tmp_path, ablation="meposer", steps=40, optim=optim))
    losses = [float(row["loss"]) for row in history(tmp_path)]
    assert losses[-1] < 0.02
    assert float(history(tmp_path)[-1]["val_local_mpjpe_mm"]) < 200
    model = load_checkpoint(tmp_path / "model.safetensors")
    assert model.config.fusion_kind == "concat_lstm"
    for stage in ("temporal", "joint"):
        with pytest.raises(InvalidInputError, match="no temporal network"):
            train(settings(stage, data, tmp_path / stage, ablation="meposer"))
    with pytest.raises(InvalidInputError, match="without --end-to-end"):
        from_images = settings("fusion", data, tmp_path / "x", ablation="meposer", end_to_end=True)
        train(from_images)


def test_runs_from_before_a_setting_existed_go_on(data, tmp_path):
    """A later field at its default leaves the digest, by which a run is known, as it was."""
    config = settings("joint", data, tmp_path)
    old = asdict(config)
    for name in (
        "end_to_end",
        "pose_frame",
        "column_zoom",
        "row_zoom",
        "joint_filter",
        "imu_filter",
        "leg_straps",
        "more_data",
        "out",
        "cache",
        "save_every",
        "validate_every",
        "threads",
        "device",
        "allow_untrained",
    ):
        del old[name]
    for name in ("steady", "late", "standing", "lowest", "legs"):
        del old["loss"][name]
    for name in LATER_AUGMENT_FIELDS:
        del old["augment"][name]
    text = json.dumps(old, sort_keys=True, default=str)
    assert run_digest(config) == hashlib.sha256(text.encode()).hexdigest()
    assert run_digest(config) != run_digest(replace(config, end_to_end=True))
    assert run_digest(config) != run_digest(replace(config, pose_frame="camera"))
    assert run_digest(config) != run_digest(replace(config, joint_filter=False))
    assert run_digest(config) != run_digest(replace(config, imu_filter=False))
    assert run_digest(config) != run_digest(replace(config, leg_straps=False))
    assert run_digest(config) != run_digest(replace(config, column_zoom=1.8))
    assert run_digest(config) != run_digest(replace(config, row_zoom=1.5))
    assert run_digest(config) != run_digest(replace(config, more_data=(data,)))
    assert run_digest(config) != run_digest(replace(config, loss=LossConfig(steady=1.0)))


def test_an_inertial_run_without_other_wearers_is_one_from_before_there_were_any(data, tmp_path):
    still = AugmentConfig(**LATER_AUGMENT_FIELDS)
    config = settings("inertial", data, tmp_path, augment=still)
    assert run_digest(config) != run_digest(replace(config, augment=AugmentConfig()))
    visual = replace(config, stage="visual")
    assert run_digest(visual) == run_digest(replace(visual, augment=AugmentConfig()))


def test_a_refusal_names_other_wearers_to_the_inertial_stage_alone(data, tmp_path):
    for stage in ("visual", "inertial"):
        config = settings(stage, data, tmp_path / stage, steps=1)
        train(config)
        still = AugmentConfig(**LATER_AUGMENT_FIELDS)
        with pytest.raises(CheckpointError, match="seed was 0, is 5") as refused:
            train(replace(config, seed=5, augment=still))
        assert ("body_size was 0.06, is 0.0" in str(refused.value)) == (stage == "inertial")


@pytest.mark.parametrize("stage", ["visual", "inertial"])
def test_an_interrupted_run_goes_on_exactly(stage, data, tmp_path, monkeypatch):
    train(settings(stage, data, tmp_path / "whole"))
    advance = loop.TrainingRun._advance

    def interrupted(run, wrapped):
        if run.step == 5:
            raise KeyboardInterrupt
        return advance(run, wrapped)

    monkeypatch.setattr(loop.TrainingRun, "_advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(settings(stage, data, tmp_path / "halves"))
    monkeypatch.undo()
    monkeypatch.setattr(prepare, "PRESETS", {"tiny": TINY})
    train(settings(stage, data, tmp_path / "halves"))
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    for name in whole:
        assert torch.equal(whole[name], halves[name]), name
    assert history(tmp_path / "whole")[-1]["loss"] == history(tmp_path / "halves")[-1]["loss"]


def test_the_loss_falls_on_what_can_be_learnt(data, tmp_path):
    optim = OptimConfig(lr=3e-3, warmup_steps=5, ema_decay=0.0)
    train(settings("inertial", data, tmp_path, steps=60, batch=8, optim=optim))
    assert float(history(tmp_path)[-1]["loss"]) < 0.2 * 0.05


def test_a_run_of_other_settings_is_not_continued(data, tmp_path):
    train(settings("inertial", data, tmp_path, steps=2))
    with pytest.raises(CheckpointError, match="other settings"):
        train(settings("inertial", data, tmp_path, steps=2, seed=1))


def test_a_refusal_names_the_settings_old_and_new_before_any_data_are_read(
    data, tmp_path, monkeypatch
):
    train(settings("inertial", data, tmp_path, steps=2))
    monkeypatch.setattr(run_module, "make_stage", None)
    optim = OptimConfig(lr=0.5, warmup_steps=2, ema_decay=0.5)
    with pytest.raises(CheckpointError) as refused:
        train(settings("inertial", data, tmp_path, steps=2, batch=2, optim=optim))
    assert "batch was 4, is 2; optim.lr was 0.001, is 0.5" in str(refused.value)
    old = json.loads((tmp_path / "config.json").read_text())
    del old["more_data"]  # as before there was such a setting
    (tmp_path / "config.json").write_text(json.dumps(old))
    with pytest.raises(CheckpointError, match=r"more_data was \[\], is \['there'\]"):
        train(settings("inertial", data, tmp_path, steps=2, more_data=(Path("there"),)))
    with pytest.raises(CheckpointError, match="steps was 2, is 1"):
        train(settings("inertial", data, tmp_path, steps=1))


def test_a_finished_run_goes_on_to_more_steps(data, tmp_path):
    train(settings("inertial", data, tmp_path, steps=2))
    first = weights(tmp_path)
    train(settings("inertial", data, tmp_path, steps=5))
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["step"], state["steps"]) == (5, 5)
    assert any(not torch.equal(tensor, first[name]) for name, tensor in weights(tmp_path).items())
    train(settings("inertial", data, tmp_path, steps=5))  # as an ordinary run of five


def test_a_checkpoint_says_how_long_each_stage_was_trained(data, tmp_path):
    def trained(folder):
        return load_checkpoint(folder / "model.safetensors").trained_steps

    strict = {"allow_untrained": False}
    train(settings("visual", data, tmp_path / "visual", steps=2, **strict))
    assert trained(tmp_path / "visual") == {"visual": 2, "inertial": 0, "fusion": 0, "temporal": 0}
    visual = tmp_path / "visual" / "model.safetensors"
    with pytest.raises(InvalidInputError, match="init.inertial: stage fusion builds on stage iner"):
        train(settings("fusion", data, tmp_path / "x", init=InitFrom(visual=visual), **strict))
    train(settings("inertial", data, tmp_path / "inertial", steps=3, **strict))
    both = InitFrom(visual=visual, inertial=tmp_path / "inertial" / "model.safetensors")
    for stage in ("temporal", "fusion"):
        config = settings(stage, data, tmp_path / stage, init=both, steps=2, **strict)
        if stage == "temporal":
            with pytest.raises(InvalidInputError, match="init.fusion: stage temporal"):
                train(config)
        else:
            train(config)
    fusion = tmp_path / "fusion" / "model.safetensors"
    train(settings("joint", data, tmp_path / "joint", init=InitFrom(all=fusion), steps=4, **strict))
    assert trained(tmp_path / "joint") == {"visual": 2, "inertial": 3, "fusion": 6, "temporal": 4}


def test_runs_side_by_side_share_the_visual_features(data, tmp_path, caplog):
    caplog.set_level("INFO", "same")
    for stage in ("fusion", "temporal"):
        train(settings(stage, data, tmp_path / stage, steps=1))
    said = [m for m in caplog.messages if m.startswith("visual features of training data: ")]
    assert len(said) == 1 and f"GB in {tmp_path}/cache/" in said[0]


def test_further_folders_are_trained_on_and_cached_by_themselves(data, tmp_path, caplog):
    caplog.set_level("INFO", "same")
    here, more = tmp_path / "here", tmp_path / "more"
    shutil.copytree(data / "three", more / "bob")
    for name in ("one", "two"):
        shutil.copytree(data / name, (here if name == "one" else more) / name)
    config = settings("fusion", here, tmp_path / "runs" / "run", more_data=(more,), steps=2)
    model = prepare.initial_model(config)
    both = prepare.backbone_caches(config, model)
    caplog.clear()
    alone = prepare.backbone_caches(replace(config, data=more, more_data=()), model).train
    assert not caplog.messages, "the cache of a folder depends on the other"
    assert len(both.train.frames) == 50 and len(both.held_out.frames) == 20
    assert both.train.frames.starts.tolist() == [0, 30, 50]
    everything = read_rows(both.train.visual.features, np.arange(50))
    assert np.array_equal(everything[30:], alone.visual.features)
    assert np.array_equal(both.train.visual.joints_2d[30:], alone.visual.joints_2d)
    rows = np.array([49, 2, 30, 29, 2])
    assert np.array_equal(read_rows(both.train.visual.features, rows), everything[rows])
    for stage in ("fusion", "temporal", "visual"):
        train(replace(config, stage=stage, out=tmp_path / "runs" / stage))
    train(replace(config, ablation="meposer", out=tmp_path / "runs" / "meposer"))
    with pytest.raises(DataError, match="a folder lies in another"):
        train(replace(config, data=more, out=tmp_path / "x", more_data=(more / "two",)))


def test_the_frames_of_some_sequences_are_those_they_had_alone(data):
    sequences = [open_sequence(data / name) for name in ("one", "two", "three")]
    part = load_frames(sequences, TINY, True, "").of_sequences(1, 3)
    alone = load_frames(sequences[1:], TINY, True, "")
    for field in fields(alone):
        np.testing.assert_array_equal(getattr(part, field.name), getattr(alone, field.name))


def test_a_damaged_state_is_named_and_kept(data, tmp_path):
    train(settings("inertial", data, tmp_path, steps=2))
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        train(settings("inertial", data, tmp_path, steps=2))


def test_data_with_nans_is_named(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "two" / "joints_world.npy"
    joints = np.load(path)
    joints[7, 3, 1] = np.nan
    np.save(path, joints)
    with pytest.raises(DataError, match=r"two/joints_world\.npy: row 7"):
        train(settings("inertial", tmp_path / "data", tmp_path / "run"))


def test_another_joint_set_is_named(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "one" / "joints_world.npy"
    np.save(path, np.load(path)[:, :17])
    with pytest.raises(DataError, match="joints_world"):
        train(settings("inertial", tmp_path / "data", tmp_path / "run"))


def test_weights_of_another_network_are_named(data, tmp_path):
    train(settings("inertial", data, tmp_path / "tiny", steps=1))
    init = InitFrom(inertial=tmp_path / "tiny" / "model.safetensors")
    with pytest.raises(CheckpointError, match="inertial weights do not fit preset lite"):
        train(settings("inertial", data, tmp_path / "lite", preset="lite", init=init))
    assert not (tmp_path / "lite").exists()


def test_bad_settings_are_named(data, tmp_path):
    with pytest.raises(InvalidInputError, match="preset"):
        train(settings("inertial", data, tmp_path, preset="huge"))
    with pytest.raises(InvalidInputError, match="ablation"):
        settings("inertial", data, tmp_path, ablation="no_such_row")
    with pytest.raises(InvalidInputError, match="steps"):
        settings("inertial", data, tmp_path, steps=0)
    for epochs in (0.0, float("inf"), float("nan")):
        with pytest.raises(InvalidInputError, match="epochs: expected more than 0, at most"):
            settings("inertial", data, tmp_path, epochs=epochs)
    with pytest.raises(DataError, match="no performer matches"):
        train(settings("inertial", data, tmp_path, validation=("carol",)))
    with pytest.raises(DataError, match="every sequence"):
        train(settings("inertial", data, tmp_path / "runs" / "run", validation=("*",)))
    assert not (tmp_path / "runs").exists()
    (tmp_path / "run").mkdir()
    with pytest.raises(DataError, match="no sequences"):
        train(settings("inertial", tmp_path / "run", tmp_path / "run"))
    assert (tmp_path / "run").exists(), "it is the user's"


def test_turning_the_world_changes_no_input(data, tmp_path):
    from scipy.spatial.transform import Rotation

    shutil.copytree(data / "one", tmp_path / "one")
    turn = Rotation.from_euler("y", 1.234)
    for path in (tmp_path / "one").glob("*.npy"):
        array = np.load(path)
        if path.name.endswith("orientation_xyzw.npy"):
            array = (turn * Rotation.from_quat(array)).as_quat()
        elif path.name.endswith(("_position.npy", "_acceleration.npy", "joints_world.npy")):
            array = turn.apply(array.reshape(-1, 3)).reshape(array.shape).astype(array.dtype)
        elif path.name == "T_world_cam_left.npy":
            array = array.copy()
            array[:, :3] = turn.as_matrix() @ array[:, :3]
        else:
            continue
        np.save(path, array)
    before = load_frames([open_sequence(data / "one")], TINY, False, "")
    after = load_frames([open_sequence(tmp_path / "one")], TINY, False, "")
    for name in ("imu_features", "joints_local", "T_anchor_cam", "time_offset_s"):
        assert np.allclose(getattr(before, name), getattr(after, name), atol=1e-5), name
    everyone = np.arange(len(before))
    rows = before.window_rows(everyone, TINY.window)
    assert np.allclose(
        before.anchor_targets(everyone, rows), after.anchor_targets(everyone, rows), atol=1e-5
    )


def test_targets_and_inputs_agree(data):
    """The camera's truth moved to the anchor by the core is the anchor's truth."""
    train_set, held_out = split_performers((data,), ("bob",))
    assert (len(train_set), len(held_out)) == (2, 1)
    frames = load_frames(train_set, TINY, True, "")
    last = np.array([29, 5, 45])
    rows = frames.window_rows(last, TINY.window)
    assert rows[0].tolist() == list(range(22, 30))
    assert rows[1].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
    T, valid = frames.T_anchor_cam[last], frames.window_valid[last] > 0
    local = frames.joints_local[rows]
    moved = local @ T[..., :3, :3].swapaxes(-1, -2) + T[..., None, :3, 3]
    assert valid.sum() == 8 + 6 + 8
    assert np.abs(moved - frames.anchor_targets(last, rows))[valid].max() < 2e-4
    assert frames.images.shape == (50, 2, 48, 64)


def test_hidden_joints_inside_the_image_count_half(data, tmp_path):
    """Only joints outside the image teach nothing about their place."""
    shutil.copytree(data / "one", tmp_path / "one")
    path = tmp_path / "one" / "visible.npy"
    seen = np.load(path)
    hidden = JOINT_NAMES.index("left_ankle")
    seen[:, :, hidden] = 0
    np.save(path, seen)
    frames = load_frames([open_sequence(tmp_path / "one")], TINY, False, "")
    limit = (TINY.feature_width, TINY.feature_height)
    inside = ((frames.joints_2d > -0.5) & (frames.joints_2d < np.array(limit) - 0.5)).all(axis=-1)
    assert inside[:, :, hidden].any() and not inside.all()
    assert (frames.visible[~inside] == 0).all()
    assert (frames.visible[:, :, hidden][inside[:, :, hidden]] == 0.5).all()
    assert (frames.visible[inside & (seen > 0)] == 1).all()


def test_two_processes_train_one_model(data, tmp_path):
    """Under torchrun the processes see different batches and end with the same weights."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(SCRIPT),
        str(data),
        str(tmp_path / "run"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, timeout=120)
    first, second = (
        torch.load(tmp_path / "run" / f"rank{rank}.pt", weights_only=True) for rank in (0, 1)
    )
    assert first["batch"].shape == second["batch"].shape
    assert not torch.equal(first["batch"], second["batch"])
    for name, tensor in first["weights"].items():
        assert torch.equal(tensor, second["weights"][name]), name
    torch.manual_seed(0)
    fresh = SameModel(TINY).inertial.state_dict()
    assert any(not torch.equal(tensor, fresh[name]) for name, tensor in first["weights"].items())
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_the_documented_torchrun_line_works_as_written(data, tmp_path):
    page = (SCRIPT.parents[2] / "docs" / "training.md").read_text()
    (line,) = re.findall(r"^    torchrun (--standalone .*) \$\(which same-train\) all ", page, re.M)
    command = [sys.executable, "-m", "torch.distributed.run", *line.split()]  # what torchrun is
    command.append(str(Path(sys.executable).with_name("same-train")))
    options = f"inertial --data {data} --out {tmp_path} --steps 2 --batch 2 --stretch 8"
    subprocess.run(
        [*command, *options.split(), "--device", "cpu", "--threads", "1"],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (state["step"], state["processes"]) == (2, 2)


def test_validation_keeps_its_interval(data, tmp_path):
    """Also where it is no multiple of the steps between two rows of the log."""
    train(settings("inertial", data, tmp_path, steps=23, validate_every=7))
    validated = [int(float(r["step"])) for r in history(tmp_path) if r.get("val_mpjpe_mm")]
    assert validated == [7, 14, 21, 23]


class ManyProcesses(Processes):
    """Stands for ``count`` processes, of which this one runs."""

    def wrap(self, module):
        return module

    def wait(self):
        pass


def test_a_run_of_another_number_of_processes_is_not_continued(data, tmp_path, monkeypatch):
    """The number of steps comes from it, and so do the batches of each."""
    config = settings("inertial", data, tmp_path, steps=None, epochs=6.0)
    train(config)
    done = history(tmp_path)
    monkeypatch.setattr(
        run_module, "join_processes", lambda *_: ManyProcesses(0, 4, torch.device("cpu"))
    )
    with pytest.raises(CheckpointError, match="a run of 1 processes, got 4"):
        train(config)
    assert history(tmp_path) == done


def test_a_run_on_fewer_data_is_not_continued(data, tmp_path):
    shutil.copytree(data, tmp_path / "data")
    config = settings("inertial", tmp_path / "data", tmp_path / "run", steps=None, epochs=6.0)
    train(config)
    shutil.rmtree(tmp_path / "data" / "one")
    with pytest.raises(CheckpointError, match="has changed"):
        train(config)


def without_contents(folder):
    """As a state from before it said what the run's paths hold."""
    state = torch.load(folder / "state.pt", weights_only=True)
    del state["contents"]
    torch.save(state, folder / "state.pt")


def test_a_run_is_continued_only_on_what_it_began_with(data, tmp_path):
    """Paths say nothing of what lies there now."""
    shutil.copytree(data, tmp_path / "data")
    visual = tmp_path / "visual" / "model.safetensors"
    train(settings("visual", data, visual.parent))
    config = settings("fusion", tmp_path / "data", tmp_path / "run", init=InitFrom(visual=visual))
    train(config)
    saved = (tmp_path / "run" / "model.safetensors").read_bytes()
    shutil.copytree(tmp_path / "run", tmp_path / "before")
    without_contents(tmp_path / "before")
    again = load_checkpoint(visual)
    save_checkpoint(visual, again)  # its bytes need not be the same, its weights are
    train(config)
    train(settings("visual", data, visual.parent, steps=8))
    refused = rf"run/state\.pt: what is in --init\.visual {visual} has changed .* another --out"
    for steps in (6, 9):
        with pytest.raises(CheckpointError, match=refused):
            train(replace(config, steps=steps))
    train(replace(config, out=tmp_path / "before"))  # nobody knows what it began with
    for folder in ("run", "before"):  # finished: what it builds on stays in it
        assert (tmp_path / folder / "model.safetensors").read_bytes() == saved
    save_checkpoint(visual, again)
    shutil.copytree(tmp_path / "data" / "one", tmp_path / "data" / "four")
    with pytest.raises(CheckpointError, match=rf"what is in --data {tmp_path}/data has changed"):
        train(replace(config, steps=9))


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone(data, tmp_path, monkeypatch):
    """Clipping by an infinite norm makes NaN of every gradient, and the loss is still finite."""
    config = settings("inertial", data, tmp_path, save_every=1)
    forward = InertialTraining.forward

    def steep(stage, batch):
        loss, parts = forward(stage, batch)
        if parts_seen.append(1) or len(parts_seen) == 4:
            weight = next(stage.parameters())
            loss = loss + (weight - weight.detach()).abs().sum().sqrt()  # slope without bound at 0
        return loss, parts

    parts_seen = []
    monkeypatch.setattr(InertialTraining, "forward", steep)
    with pytest.raises(DataError, match="step 3: the norm of the gradient is nan"):
        train(config)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 3
    assert all(torch.isfinite(t).all() for t in state["stage"].values())
    assert all(torch.isfinite(t).all() for t in weights(tmp_path).values())


def test_a_run_goes_on_by_another_spelling_of_the_same_paths(data, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(data)
    monkeypatch.chdir(data.parent)
    init = InitFrom(inertial=tmp_path / "first" / "model.safetensors")
    train(settings("inertial", data, tmp_path / "first", steps=2))
    train(settings("inertial", data, tmp_path / "run", init=init))
    for spelled in (Path(data.name), data / ".." / data.name, tmp_path / "link"):
        train(settings("inertial", spelled, tmp_path / "run", init=init))
    with pytest.raises(CheckpointError, match="other settings"):
        train(settings("inertial", data / "one", tmp_path / "run", init=init, validation=()))


def test_runs_whose_state_knows_paths_as_spelled_go_on(data, tmp_path, monkeypatch):
    monkeypatch.chdir(data.parent)
    config = settings("inertial", Path(data.name), tmp_path)
    train(config)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["digest"] = run_digest(config, "spelled")
    del state["digest_beside"]
    assert state["digest"] != run_digest(config)
    torch.save(state, tmp_path / "state.pt")
    train(config)


def test_a_finished_run_still_tells_its_errors(data, tmp_path, caplog):
    config = settings("inertial", data, tmp_path)
    train(config)
    caplog.clear()
    with caplog.at_level("INFO", logger="same"):
        train(config)
    assert "inertial done: val_mpjpe_mm" in caplog.text


@pytest.mark.filterwarnings("error")
def test_figures_of_joints_that_are_nowhere_are_left_out(data, tmp_path):
    """A mean over no joints is no number, and NumPy warns of it."""
    shutil.copytree(data, tmp_path / "data")
    path = tmp_path / "data" / "three" / "visible.npy"
    np.save(path, np.ones_like(np.load(path)))
    train(settings("visual", tmp_path / "data", tmp_path / "run", steps=1))
    last = history(tmp_path / "run")[-1]
    assert float(last["val_2d_seen_px"]) > 0 and "val_2d_hidden_px" not in last
    assert float(last["val_2d_lower_px"]) > 0
    assert all(np.isfinite(float(value)) for value in last.values())


def test_a_state_of_other_layers_is_named(data, tmp_path):
    """As one from a version whose network lacked a layer, which the settings do not tell."""
    config = settings("inertial", data, tmp_path, steps=1)
    train(config)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["stage"].popitem()
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match="a network of other layers.*give another --out"):
        train(replace(config, steps=2))


@pytest.mark.parametrize("stage", ["visual", "inertial"])
def test_a_stage_that_looks_at_no_window_keeps_none_in_memory(data, tmp_path, stage):
    config = settings(stage, data, tmp_path, validation=("bob",))
    made = prepare.make_stage(config, prepare.initial_model(config))
    assert not len(made._data.T_anchor_cam) and not len(made._held_out.T_anchor_cam)
    assert not len(made._data.joints_world)
    assert len(made._data) and made._data.step_s.shape == (len(made._data),)


def test_true_poses_are_among_what_the_temporal_network_must_leave_alone(data, tmp_path):
    config = settings("temporal", data, tmp_path, augment=AugmentConfig(true_windows=1.0))
    stage = prepare.make_stage(config, prepare.initial_model(config))
    batch = stage.make_batch(np.random.default_rng(0))
    joints_local, joints_imu = batch["points_local"].split(22, dim=-2)
    assert torch.equal(joints_local, batch["truth_local"])
    assert not torch.equal(joints_imu, batch["truth_local"]), "that stage stays as it is"
    errors = stage.validate()
    assert errors["val_true_pose_mpjpe_mm"] < errors["val_mpjpe_mm"], "a fresh one moves nothing"


@pytest.mark.parametrize("stage", ["visual", "inertial"])
def test_a_run_that_a_watch_stops_goes_on_exactly(stage, data, tmp_path):
    whole = settings(stage, data, tmp_path / "whole", steps=12)
    train(whole)
    told = []

    def watch(done: int, steps: int) -> bool:
        told.append((done, steps))
        return done == 5

    pieces = settings(stage, data, tmp_path / "pieces", steps=12)
    train(pieces, watch=watch)
    assert told == [(5, 12)]
    assert torch.load(pieces.out / "state.pt", weights_only=True)["step"] == 5
    train(pieces, watch=watch)
    assert told == [(5, 12), (10, 12), (12, 12)]
    for name, tensor in weights(whole.out).items():
        assert torch.equal(tensor, weights(pieces.out)[name]), name


def test_a_run_that_moved_with_its_data_goes_on(data, tmp_path):
    for place in ("here", "there"):
        shutil.copytree(data, tmp_path / place / "data")
    here, there = tmp_path / "here", tmp_path / "there"
    train(settings("inertial", here / "data", here / "run", steps=4))
    shutil.copytree(here / "run", there / "run")
    train(settings("inertial", there / "data", there / "run", steps=4))
    with pytest.raises(CheckpointError, match="other settings"):
        train(settings("inertial", there / "data" / "one", there / "run", steps=4, validation=()))
