"""Mistakes are named in one line before any work."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from own_split import write_own_split
from small_whole_run import SMALL, small_run, write_small_split
from tiny_model import tiny_model

from same_engines.errors import SameError
from same_model.checkpoint import save_checkpoint
from same_model.synth.config import SynthConfig
from same_model.training.config import AugmentConfig
from same_model.training.prepare import learning_stages
from same_model.training.run_state import LATER_AUGMENT_FIELDS
from same_model.training.whole_run import plan as plan_module
from same_model.training.whole_run import run as run_module
from same_model.training.whole_run.config import StageBudget, WholeRunConfig
from same_model.training.whole_run.plan import make_plan
from same_model.training.whole_run.run import _check_settings, _write_settings, train_all

pytestmark = pytest.mark.usefixtures("tiny_preset")


@pytest.fixture
def config(tmp_path: Path) -> WholeRunConfig:
    return small_run(tmp_path / "run", write_small_split(tmp_path))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no call for it")
def test_as_many_workers_start_as_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 64})
    assert WholeRunConfig(Path("out")).workers == 3


def test_the_plan_counts_recordings_and_steps(config):
    plan = make_plan(config)
    assert plan.units(config.steps) == {
        "motion": 3,
        "inertial": 6,
        "images": 3,
        "visual": 6,
        "fresh_images": 2,
        "fusion": 6,
        "varied_images": 2,
        "end_to_end": 6,
        "headset_rate": 2,
        "temporal": 6,
        "test": 1,
        "export": 1,
        "evaluate": 1,
        "budget": 1,
    }
    assert plan.tests == config.out / "data" / "test"
    assert plan.held_out == config.out / "data" / "images" / "validation"
    assert plan.stages["inertial"].data == config.out / "data" / "motion"
    data = config.out / "data"
    assert plan.stages["visual"].folders == (data / "images",)
    assert (plan.stages["visual"].column_zoom, plan.stages["visual"].row_zoom) == (1.5, 1.25)
    assert plan.stages["inertial"].leg_straps is True  # also from a checkpoint without
    assert plan.stages["fusion"].leg_straps is None
    assert plan.stages["fusion"].folders == (data / "fresh_images", data / "images/validation")
    assert plan.stages["temporal"].folders == (
        data / "fresh_images",
        data / "headset_rate",
        data / "images/validation",
    )
    together = plan.stages["end_to_end"]
    assert together.folders == (data / "varied_images", data / "images/validation")
    assert together.end_to_end and learning_stages(together) == ("visual", "fusion")
    assert together.init.all == config.out / "fusion" / "model.safetensors"
    assert plan.stages["temporal"].init.all == together.out / "model.safetensors"
    assert not config.out.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"motion": (Path("absent"),)}, "absent: no such folder"),
        ({"clips": ("06_*",)}, r"clips: 06_\* named, but no folder"),
        ({"preset": "huge"}, "preset: expected one of"),
        ({"column_zoom": 0.5}, "column_zoom: expected 1 to 4, got 0.5"),
        ({"row_zoom": 5.0}, "row_zoom: expected 1 to 4, got 5"),
        ({"amc_fps": 0.0}, "amc_fps: expected 1 to 1000, got 0"),
        ({"init": Path("absent.safetensors")}, "absent.safetensors: no such file"),
        ({"split_file": Path("absent.json")}, "absent.json: cannot be read"),
        (
            {"images": SynthConfig(**{**SMALL, "width": 64})},
            "images: 64x72 is smaller than the 96x60 .* column_zoom of 1.5 and a row_zoom of 1.25; "
            "give --images.width 96",
        ),
        (
            {"headset_rate": SynthConfig(**{**SMALL, "height": 32})},
            "headset_rate: 96x32 is smaller than the 96x60 .* --headset-rate.height 72",
        ),
        ({"test": SynthConfig(**SMALL, render=False)}, "test.render: the cameras must see"),
    ],
)
def test_what_would_stop_the_run_later_is_refused_first(config, changes, message):
    with pytest.raises(SameError, match=message) as caught:
        train_all(replace(config, **changes))
    assert len(str(caught.value).splitlines()) == 1
    assert not config.out.exists()


def test_each_folder_of_clips_must_be_there(config, tmp_path):
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.mkdir(), empty.mkdir()
    (good / "06_01.bvh").write_text("")
    for folders, message in (
        ((good, tmp_path / "absent"), "absent: no such folder"),
        ((empty,), r"empty: no \.bvh or \.amc files in it"),
    ):
        with pytest.raises(SameError, match=message):
            train_all(replace(config, motion=folders))


def test_clips_that_need_a_word_are_said(config, tmp_path):
    clips = [
        {"clip": "07_01", "action": "walk", "split": "train"},
        {"clip": "08_01", "action": "walk", "split": "protocol1"},
    ]
    assert config.split_file is not None
    content = json.loads(config.split_file.read_text())
    config.split_file.write_text(json.dumps({**content, "clips": clips}))
    for name in ("07_01", "08_01", "mine"):
        (tmp_path / "clips" / f"{name}.bvh").parent.mkdir(exist_ok=True)
        (tmp_path / "clips" / f"{name}.bvh").write_text("")
    config = replace(config, motion=(tmp_path / "clips",))
    assert make_plan(config).warnings == []
    assert make_plan(replace(config, clips=("*",))).warnings == [
        "licence not stated (say it by --credit): mine_v0",
        "not made, as the split says: 08_01 (protocol1)",
    ]


@pytest.mark.parametrize("clips", [(), ("*",)])
def test_what_a_split_of_ones_own_holds_out_is_never_trained_on(config, tmp_path, clips):
    parts = {"a": "train", "b": "validation", "c": "protocol1"}
    own = write_own_split(tmp_path, parts, left_out=("d",))
    (tmp_path / "takes").mkdir()
    for name in "abcd":
        (tmp_path / "takes" / f"{name}.bvh").write_text("")
    plan = make_plan(replace(config, motion=(tmp_path / "takes",), split_file=own, clips=clips))
    planned = {step: {j.clip_name: j.split for j in jobs} for step, (_, jobs) in plan.data.items()}
    assert planned.pop("test") == ({} if clips else {"c": "protocol1"})
    assert planned.pop("motion") == planned.pop("images") == {"a": "train", "b": "validation"}
    assert all(trained_on == {"a": "train"} for trained_on in planned.values())


def test_a_checkpoint_of_another_network_is_refused_first(config, tmp_path):
    save_checkpoint(tmp_path / "other.safetensors", tiny_model(preset="other"))
    with pytest.raises(SameError, match="expected preset 'tiny', got 'other'"):
        train_all(replace(config, init=tmp_path / "other.safetensors"))
    save_checkpoint(tmp_path / "other.safetensors", tiny_model(ttn_layers=1))
    with pytest.raises(SameError, match="do not fit preset tiny"):
        train_all(replace(config, init=tmp_path / "other.safetensors"))
    assert not config.out.exists()


def test_a_command_that_is_not_installed_is_missed_first(config, monkeypatch):
    monkeypatch.setattr(plan_module, "entry_points", lambda group: [])
    with pytest.raises(SameError, match="until: export needs same-export"):
        train_all(config)
    make_plan(replace(config, until="temporal"))


def test_bad_values_are_named():
    for change, message in (
        ({"until": "never"}, "until: expected one of motion, inertial"),
        ({"minutes": 0.0}, "minutes: expected more than 0"),
        ({"workers": 0}, "workers: expected at least 1"),
    ):
        with pytest.raises(SameError, match=message):
            WholeRunConfig(Path("run"), **change)
    with pytest.raises(SameError, match="steps: expected at least 1, got 0"):
        StageBudget(0, 4)


def test_a_folder_of_a_run_with_other_settings_is_refused(config):
    _check_settings(config)
    _write_settings(config, {})
    _check_settings(replace(config, workers=4, minutes=3.0, until="visual"))
    with pytest.raises(SameError, match="holds a run with another visual.steps;"):
        _check_settings(replace(config, visual=StageBudget(7, 4)))
    still = AugmentConfig(**LATER_AUGMENT_FIELDS)
    even = replace(config, column_zoom=1.0, row_zoom=1.0)
    evenly = replace(even, loss=replace(config.loss, legs=1.0), augment=still)
    settings = {name: x for name, x in evenly.shaping().items() if not name.startswith("augment.")}
    for name in ("column_zoom", "row_zoom", "amc_fps", "loss.legs"):
        del settings[name]
    (config.out / "whole_run.json").write_text(json.dumps(settings))
    _check_settings(evenly)  # a run from before there was a choice goes on
    with pytest.raises(SameError, match=r"with another augment\.body_size, augment\.hea"):
        _check_settings(config)
    settings = config.shaping()
    del settings["headset_rate.fps"]
    (config.out / "whole_run.json").write_text(json.dumps(settings))
    with pytest.raises(SameError, match=r"from before headset_rate\.fps was a setting; give an"):
        _check_settings(config)
    (config.out / "progress.json").write_text(json.dumps({"finished": ["temporal"]}))
    _check_settings(config)
    with pytest.raises(SameError, match=r"with another headset_rate\.fps, visual\.steps;"):
        _check_settings(replace(config, visual=StageBudget(7, 4)))
    (config.out / "whole_run.json").write_text("{")
    with pytest.raises(SameError, match=r"whole_run\.json: damaged"):
        _check_settings(config)


@pytest.mark.parametrize("together", [["end_to_end"], []], ids=["", "before there was the step"])
def test_recordings_that_nothing_reads_any_more_are_not_made_again(config, monkeypatch, together):
    """As of a run that comes back from another machine, where its recordings stay."""
    config = replace(config, until="temporal")
    _write_settings(config, {})
    stages = ["inertial", "visual", "fusion", *together, "temporal"]
    (config.out / "progress.json").write_text(json.dumps({"finished": stages}))
    (config.out / "temporal").mkdir()
    save_checkpoint(config.out / "temporal" / "model.safetensors", tiny_model())
    train_all(config)
    assert (config.out / "model.safetensors").exists() and not (config.out / "data").exists()
    made = []

    def run_jobs(_config, _jobs, out, *_):
        made.append(out)
        yield from ()

    monkeypatch.setattr(run_module, "run_jobs", run_jobs)
    monkeypatch.setattr(run_module, "write_summary", lambda *_: None)
    train_all(replace(config, until="images"))
    assert made == [config.out / "data" / "images"]
