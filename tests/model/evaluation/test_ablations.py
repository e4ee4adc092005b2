"""The rows of the paper's tables: trained on shared caches, evaluated together, put in order."""

import json

import numpy as np
import pytest
import torch
from tiny_model import tiny_model
from tiny_sequence import write_sequence

from same_engines.errors import CheckpointError, DataError, InvalidInputError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.cli.evaluate import AblationsCommand, run_ablations
from same_model.data.sequence import open_sequence
from same_model.evaluation import predict
from same_model.evaluation.ablations import TABLES, disagreements, evaluate_rows, validations
from same_model.evaluation.evaluate import Group
from same_model.evaluation.metrics import MetricsConfig
from same_model.evaluation.predict import OfflinePredictor
from same_model.training import ablation_rows, prepare
from same_model.training.ablation_rows import RowsConfig, fusion_row, train_rows
from same_model.training.config import ABLATIONS, OptimConfig

pytestmark = pytest.mark.usefixtures("tiny_preset")


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_rig):
    root = tmp_path_factory.mktemp("sequences")
    write_sequence(root / "train" / "one", small_rig, 30, seed=1)
    write_sequence(root / "train" / "two", small_rig, 20, seed=2, performer="bob")
    write_sequence(root / "test" / "three", small_rig, 20, seed=3, split="protocol2")
    write_sequence(root / "test" / "four", small_rig, 20, seed=4, split="protocol1")
    return root


def rows_config(runs, data, **changes):
    backbones = runs.parent / "backbones.safetensors"
    model = tiny_model()
    model.trained_steps.update(visual=1, inertial=1)  # as if
    save_checkpoint(backbones, model)
    settings = dict(
        fusion_steps=3,
        temporal_steps=2,
        fusion_batch=4,
        temporal_batch=2,
        preset="tiny",
        validation=("bob",),
        device="cpu",
        optim=OptimConfig(ema_decay=0.0),
    )
    return RowsConfig(runs, data / "train", backbones, backbones, **{**settings, **changes})


def test_rows_are_trained_once_on_shared_caches(data, tmp_path, monkeypatch):
    rows = ("none", "no_ttn", "no_ground", "full", "meposer")
    config = rows_config(tmp_path / "runs", data, rows=rows)
    loads, runs = [], []
    load_frames, train = prepare.load_frames, ablation_rows.train
    monkeypatch.setattr(prepare, "load_frames", lambda *a: loads.append(a[3]) or load_frames(*a))
    monkeypatch.setattr(ablation_rows, "train", lambda c, s: runs.append(c) or train(c, s))
    train_rows(config)
    assert loads == ["training data", "validation data"]
    assert [run.ablation for run in runs if run.stage == "fusion"] == ["none", "full", "meposer"]
    assert [run.ablation for run in runs if run.stage == "temporal"] == ["no_ground", "full"]
    # Two caches of visual features, of training and validation data, serve every row.
    assert len([p for p in (tmp_path / "runs" / "cache").iterdir() if p.is_dir()]) == 2
    before = (tmp_path / "runs" / "full" / "model.safetensors").read_bytes()
    train_rows(config)
    assert len(runs) == 5 and len(loads) == 2
    assert (tmp_path / "runs" / "full" / "model.safetensors").read_bytes() == before

    for row in rows:
        model = load_checkpoint(tmp_path / "runs" / row / "model.safetensors")
        for name, value in ABLATIONS[row].items():
            assert getattr(model.config, name) == value
        assert not model.config.use_joint_filter  # as in the paper
        for name, tensor in tiny_model().visual.state_dict().items():
            assert torch.equal(tensor, model.visual.state_dict()[name])
    full, no_ttn = (
        load_checkpoint(tmp_path / "runs" / row / "model.safetensors").fusion.state_dict()
        for row in ("full", "no_ttn")
    )
    assert all(torch.equal(full[name], no_ttn[name]) for name in full)


def test_finished_rows_are_not_taken_for_rows_on_other_backbones(data, tmp_path):
    config = rows_config(tmp_path / "runs", data, rows=("full",))
    train_rows(config)
    train_rows(config)
    other = tiny_model()
    torch.nn.init.ones_(next(other.visual.parameters()))
    save_checkpoint(config.visual, other)
    with pytest.raises(CheckpointError, match=r"--init\.visual .* has changed since this run beg"):
        train_rows(config)


def test_every_row_is_in_the_papers_order(data, tmp_path):
    for row, changes in ABLATIONS.items():
        (tmp_path / row).mkdir()
        save_checkpoint(tmp_path / row / "model.safetensors", tiny_model(**changes))
    run_ablations(AblationsCommand((tmp_path,), data / "test", tmp_path / "out"))
    content = json.loads((tmp_path / "out" / "ablations.json").read_text())
    assert set(content["runs"][tmp_path.name]) == set(ABLATIONS)
    text = (tmp_path / "out" / "ablations.md").read_text()
    for title, rows in TABLES.items():
        for protocol in ("protocol1", "protocol2"):
            part = text.split(f"## {title} ({protocol})")[1].split("\n## ")[0]
            lines = [line.split("|")[1].split()[0] for line in part.splitlines() if "|" in line]
            assert lines[2:] == list(rows)
    assert "full / meposer: MPJPE " in text and "Not trained" not in text


def test_rows_share_the_visual_stage_and_score_what_they_score_alone(data, tmp_path, monkeypatch):
    for row in ("full", "imu_only", "meposer"):
        (tmp_path / row).mkdir()
        model = tiny_model(**ABLATIONS[row])
        model.visual.load_state_dict(tiny_model().visual.state_dict())
        save_checkpoint(tmp_path / row / "model.safetensors", model)
    sequences = [open_sequence(data / "test" / name) for name in ("three", "four")]
    alone = {
        row: OfflinePredictor(load_checkpoint(tmp_path / row / "model.safetensors"))(sequences[0])
        for row in ("full", "meposer")
    }
    passes = []
    find_joints = predict.SameModel.find_joints
    monkeypatch.setattr(
        predict.SameModel, "find_joints", lambda m, x: passes.append(1) or find_joints(m, x)
    )
    found = evaluate_rows(tmp_path, sequences, MetricsConfig())
    assert len(passes) == len(sequences)
    assert list(found) == ["imu_only", "meposer", "full"]
    for row, poses in alone.items():
        truth = sequences[0].joints_world[poses.frames]
        error = 1e3 * np.linalg.norm(poses.joints_world - truth, axis=-1).mean()
        assert found[row].protocols["protocol2"].metrics["mpjpe"] == pytest.approx(error, abs=1e-3)


def test_rows_that_are_missing_or_mixed_up_are_named(data, tmp_path, capsys):
    with pytest.raises(DataError, match="same-train ablations"):
        run_ablations(AblationsCommand((tmp_path,), data / "test", tmp_path / "out"))
    for row in ("full", "no_ttn"):
        (tmp_path / row).mkdir()
        save_checkpoint(tmp_path / row / "model.safetensors", tiny_model(**ABLATIONS[row]))
    run_ablations(AblationsCommand((tmp_path,), data / "test", tmp_path / "out"))
    text = (tmp_path / "out" / "ablations.md").read_text()
    assert "Not trained: none, no_sa_mvf, no_ma_mmf." in text
    assert "Not trained: imu_only, stereo_only, meposer." in text
    save_checkpoint(tmp_path / "full" / "model.safetensors", tiny_model(use_ttn=False))
    with pytest.raises(CheckpointError, match="not row full: expected use_ttn True, got False"):
        run_ablations(AblationsCommand((tmp_path,), data / "test", tmp_path / "out"))
    with pytest.raises(InvalidInputError, match="rows: expected full"):
        rows_config(tmp_path / "runs", data, rows=("best",))


def test_fusion_is_shared_by_rows_that_differ_after_it():
    assert {row: fusion_row(row) for row in ABLATIONS if fusion_row(row) != row} == {
        "no_ttn": "full",
        "no_ground": "full",
    }


def test_rows_in_another_order_than_the_papers_are_told():
    def group(mpjpe):
        metrics = {"pa_mpjpe": 1.0, "mpjpe": mpjpe, "ground": 2.0}
        return Group(1, 1, metrics, {name: (value, value) for name, value in metrics.items()})

    paper = {"worse": (3.0, 40.0, 5.0), "better": (2.0, 30.0, 4.0)}
    assert disagreements({"worse": group(50.0), "better": group(40.0)}, paper) == []
    (said,) = disagreements({"worse": group(40.0), "better": group(50.0)}, paper)
    assert said.startswith("mpjpe: worse is better than better here (40.0 against 50.0)")
    assert disagreements({"worse": group(1.0)}, paper) == []


def test_seeds_give_means_and_their_spread(data, tmp_path, capsys):
    folders = tuple(tmp_path / name for name in ("one", "two"))
    for seed, folder in enumerate(folders):
        for row in ("none", "full"):
            (folder / row).mkdir(parents=True)
            torch.manual_seed(seed)
            save_checkpoint(folder / row / "model.safetensors", tiny_model(**ABLATIONS[row]))
    run_ablations(AblationsCommand(folders, data / "test", tmp_path / "out"))
    content = json.loads((tmp_path / "out" / "ablations.json").read_text())
    errors = [
        content["runs"][name]["full"]["protocol2"]["metrics"]["mpjpe"] for name in ("one", "two")
    ]
    text = (tmp_path / "out" / "ablations.md").read_text()
    assert f"{np.mean(errors):.1f} ({min(errors):.1f}-{max(errors):.1f})" in text
    assert "Means of 2 seeds" in text and "way round" in text
    with pytest.raises(InvalidInputError, match="each with its own name"):
        run_ablations(AblationsCommand((folders[0], folders[0]), data / "test", tmp_path / "out"))


def test_rows_whose_seeds_overlap_are_not_put_in_order():
    def group(low, high):
        metrics = {"pa_mpjpe": 1.0, "mpjpe": (low + high) / 2, "ground": 2.0}
        ranges = {name: (value, value) for name, value in metrics.items()}
        return Group(1, 1, metrics, {**ranges, "mpjpe": (low, high)})

    paper = {"worse": (3.0, 40.0, 5.0), "better": (2.0, 30.0, 4.0)}
    assert disagreements({"worse": group(40.0, 46.0), "better": group(45.0, 50.0)}, paper) == []
    assert len(disagreements({"worse": group(40.0, 44.0), "better": group(45.0, 50.0)}, paper)) == 1


def test_the_course_of_validation_says_whether_rows_are_done(data, tmp_path):
    config = rows_config(tmp_path / "runs", data, rows=("full", "no_ttn"), fusion_steps=10)
    train_rows(config)
    found = validations(tmp_path / "runs")
    assert [step for step, _ in found["full"]["fusion"]] == [2, 4, 6, 8, 10]
    assert [step for step, _ in found["full"]["temporal network"]] == [1, 2]
    run_ablations(AblationsCommand((tmp_path / "runs",), data / "test", tmp_path / "out"))
    text = (tmp_path / "out" / "ablations.md").read_text()
    assert "## Validation while `runs` trained" in text
    assert text.count("| full | fusion |") == 1 and "| no_ttn | fusion |" not in text
    (tmp_path / "runs" / "full" / "losses.csv").write_text("step,val_mpjpe_mm\n1,many\n")
    with pytest.raises(DataError, match=r"losses.csv: cannot be read"):
        validations(tmp_path / "runs")
