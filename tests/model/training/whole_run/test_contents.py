"""A whole run goes on only with what it began with, and holds out what was made."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_whole_run import small_run, write_small_split
from tiny_model import tiny_model
from tiny_sequence import write_sequence

from same_engines.errors import InvalidInputError
from same_model.checkpoint import save_checkpoint
from same_model.training.whole_run import run as run_module
from same_model.training.whole_run.run import WholeRun, train_all

pytestmark = pytest.mark.usefixtures("tiny_preset")


@pytest.fixture
def trained(monkeypatch, small_rig):
    """Nothing is rendered, trained or started: recordings of the parts ``made`` appear, and what
    would be done is noted."""
    noted = SimpleNamespace(made={"train", "validation", "protocol1"}, stages={}, commands={})

    def run_jobs(_config, jobs, out, *_):
        for job in jobs:
            made = job.split in noted.made
            if made:
                write_sequence(out / job.split / job.name, small_rig, 4, split=job.split)
            fault = "" if made else f"{job.name}: unreadable"
            yield SimpleNamespace(report=SimpleNamespace(fault=fault), made=made, found=0)

    def train(config, watch):
        noted.stages[config.out.name] = config
        config.out.mkdir()
        save_checkpoint(config.out / "model.safetensors", tiny_model())

    monkeypatch.setattr(run_module, "run_jobs", run_jobs)
    monkeypatch.setattr(run_module, "write_summary", lambda *_: None)
    monkeypatch.setattr(run_module, "train", train)
    monkeypatch.setattr(
        WholeRun, "_command", lambda _, step, *given: noted.commands.update({step: given})
    )
    return noted


def test_what_was_made_is_held_out_and_evaluated_on(tmp_path, trained):
    config = small_run(tmp_path / "run", write_small_split(tmp_path))
    train_all(config)
    data = config.out / "data"
    for stage in ("fusion", "end_to_end", "temporal"):
        assert trained.stages[stage].folders[-1] == data / "images" / "validation"
    assert list(trained.commands) == ["export", "evaluate", "budget"]
    assert data / "test" in trained.commands["evaluate"]
    assert data / "images" / "validation" in trained.commands["budget"]


@pytest.mark.parametrize("tests", [set(), {"protocol1"}], ids=["no tests", "tests"])
def test_a_run_goes_on_where_no_validation_could_be_made(tmp_path, trained, caplog, tests):
    config = small_run(tmp_path / "run", write_small_split(tmp_path))
    trained.made = {"train"} | tests
    train_all(config)
    for stage in ("fusion", "end_to_end", "temporal"):
        assert all(folder.name != "validation" for folder in trained.stages[stage].folders)
    assert "images/validation: no recording in it, so nothing is validated on" in caplog.text
    assert list(trained.commands) == (["export", "evaluate", "budget"] if tests else ["export"])
    said = "test: no clip could be used, so no protocol is evaluated" in caplog.text
    assert said == (not tests)


@pytest.fixture
def began(tmp_path, trained):
    """A run that has begun, on a clip and from a checkpoint."""
    (tmp_path / "clips" / "cmu-mocap").mkdir(parents=True)
    (tmp_path / "clips" / "cmu-mocap" / "07_01.bvh").touch()
    split = write_small_split(tmp_path)
    content = json.loads(split.read_text())
    content["clips"] = [
        {"clip": name, "action": "walk", "split": "train"} for name in ("07_01", "07_02")
    ]
    split.write_text(json.dumps(content))
    save_checkpoint(tmp_path / "init.safetensors", tiny_model())
    config = small_run(
        tmp_path / "run",
        split,
        motion=(tmp_path / "clips",),
        init=tmp_path / "init.safetensors",
        column_zoom=1.0,
        row_zoom=1.0,
        until="motion",
    )
    train_all(config)
    return config


def refused(config, *options: str) -> None:
    listed = ", ".join(options)
    with pytest.raises(InvalidInputError, match=f"began with another content of {listed}; give"):
        train_all(config)


def test_the_same_goes_on_wherever_it_lies(began, tmp_path):
    train_all(replace(began, until="inertial"))
    shutil.move(tmp_path / "clips", tmp_path / "moved")
    shutil.copy(began.init, tmp_path / "copy.safetensors")
    train_all(
        replace(began, motion=(tmp_path / "moved",), init=tmp_path / "copy.safetensors"),
    )


def test_other_clips_another_split_and_another_checkpoint_are_refused(began, tmp_path):
    refused(replace(began, motion=()), "--motion")
    refused(replace(began, init=None), "--init")
    other = tmp_path / "clips" / "cmu-mocap" / "07_02.bvh"
    other.touch()
    refused(began, "--motion")
    other.unlink()
    content = json.loads(began.split_file.read_text())
    content["procedural"]["train"] = ["sit"]
    began.split_file.write_text(json.dumps(content))
    refused(began, "--split-file", "--motion")
    model = tiny_model()
    torch.nn.init.ones_(next(model.parameters()))
    save_checkpoint(began.init, model)
    refused(began, "--split-file", "--motion", "--init")


def test_another_joint_map_of_the_same_name_is_refused(tmp_path, trained):
    path = tmp_path / "joints.json"
    path.write_text(json.dumps({"left_hip": "ThighL"}))
    split = write_small_split(tmp_path)
    config = small_run(tmp_path / "run", split, joint_map=path, until="motion")
    train_all(config)
    train_all(config)
    path.write_text(json.dumps({"left_hip": "HipL"}))
    refused(config, "--joint-map")


def test_a_run_from_before_they_were_recorded_goes_on(began):
    path: Path = began.out / "whole_run.json"
    content = json.loads(path.read_text())
    del content["contents"]
    path.write_text(json.dumps(content))
    without = replace(began, init=None)
    train_all(without)
    refused(began, "--init")  # from now on it is known
