"""Who is trained on: tests of the split never are, nor is anything of a held-out performer."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_sequence import write_sequence

from same_engines.errors import DataError
from same_model.synth import plan
from same_model.synth.config import SynthConfig
from same_model.synth.motion import procedural
from same_model.synth.motion.splits import SPLITS
from same_model.synth.plan import Job
from same_model.synth.synth import run_jobs
from same_model.training.data.performers import split_performers


@pytest.fixture
def write(tmp_path, small_rig):
    """Writes a recording of the data set."""

    def write_one(name: str, **meta: Any) -> None:
        write_sequence(tmp_path / name, small_rig, 4, **meta)

    return write_one


def split(root: Path, *patterns: str) -> tuple[list[str], list[str]]:
    """Names of the recordings of both sides."""
    return tuple([one.path.name for one in side] for side in split_performers((root,), patterns))


def test_the_splits_own_validation_is_held_out(write, tmp_path):
    write("one")
    write("two", split="validation")
    write("three", split="withheld")
    assert split(tmp_path) == (["one", "three"], ["two"])


def test_tests_of_the_split_are_on_neither_side(write, tmp_path, caplog):
    """As in the folder that same-data synth makes of all parts."""
    for part in SPLITS:
        write(f"{part}_a", split=part, performer=part)
    write("more", split="protocol2", performer="bob")
    assert split(tmp_path) == (["train_a"], ["validation_a"])
    assert "for tests: 1 of protocol1, 2 of protocol2" in caplog.text
    with pytest.raises(DataError, match="no performer matches bob"):
        split(tmp_path, "bob")


def test_what_says_no_part_is_trained_on_and_an_unknown_one_is_named(write, tmp_path):
    write("one")
    path = tmp_path / "one" / "meta.json"
    meta = json.loads(path.read_text())
    del meta["split"]
    path.write_text(json.dumps(meta))
    assert split(tmp_path) == (["one"], [])
    for unknown in ("val", "test", "", 3):
        path.write_text(json.dumps({**meta, "split": unknown}))
        with pytest.raises(DataError, match=r"one/meta\.json: split: expected one of train, val"):
            split(tmp_path)


def test_every_pattern_of_performers_must_match(write, tmp_path):
    write("one")
    write("two", performer="bob")
    assert split(tmp_path, "bo*") == (["one"], ["two"])
    with pytest.raises(DataError, match="no performer matches carol$"):
        split(tmp_path, "bo*", "carol")
    with pytest.raises(DataError, match="every sequence is held out"):
        split(tmp_path, "*")


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "before they were named"])
def test_half_a_held_out_performer_is_on_neither_side(write, tmp_path, caplog, is_named):
    def worn(clip: str, performer: str) -> dict[str, str | None]:
        named = {"upper_body_performer": performer} if is_named else {}
        return {"upper_body": clip, **named}

    write("a", performer="anna-0", source="10_01", upper_body=None)
    write("b", performer="bob-0", source="11_01")
    write("c", performer="carol-0", source="12_01")
    write("anna_as_bob", performer="anna-1", source="10_01", **worn("11_01", "bob-3"))
    write("bob_as_anna", performer="bob-1", source="11_01", **worn("10_01", "anna-3"))
    write("bob_as_carol", performer="bob-2", source="11_01", **worn("12_01", "carol-3"))
    assert split(tmp_path, "anna-*") == (["b", "bob_as_carol", "c"], ["a"])
    assert "left out: 2 recordings of which one half" in caplog.text
    assert split(tmp_path, "anna-*", "bob-*") == (
        ["c"],
        ["a", "anna_as_bob", "b", "bob_as_anna"],
    )
    assert len(split(tmp_path)[0]) == 6


def test_recordings_name_the_performer_of_their_upper_body(tmp_path, monkeypatch, rng):
    swinging = [procedural.make_motion(rng, "swing")]
    monkeypatch.setattr(plan, "_captured", lambda job: (swinging, None))
    config = SynthConfig(width=16, height=16, render=False, max_seconds=1.6)
    clip = tmp_path / "11_01.bvh"
    clip.touch()
    upper = Job("train", "here", "walk", "bob-0", 0, clip)
    job = Job("train", "here", "reach", "anna-0", 0, None, upper_body=upper)
    assert all(result.made for result in run_jobs(config, [job], tmp_path, 1))
    (path,) = tmp_path.rglob("meta.json")
    meta = json.loads(path.read_text())
    assert (meta["upper_body"], meta["upper_body_performer"]) == ("11_01", "bob-0")
