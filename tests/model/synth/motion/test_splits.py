import json
from importlib.resources import files
from pathlib import Path

import pytest

from same_engines.errors import DataError
from same_model.synth.config import SynthConfig
from same_model.synth.motion import procedural
from same_model.synth.motion.splits import SPLITS, load_split
from same_model.synth.synth import performer_shape, plan_jobs


def test_protocols_mean_what_they_say() -> None:
    split = load_split()
    by = {s: [c for c in split.clips if c.split == s] for s in SPLITS}
    subjects = {s: {c.subject for c in by[s]} for s in SPLITS}
    actions = {s: {c.action for c in by[s]} for s in SPLITS}
    assert not subjects["train"] & subjects["protocol1"]
    assert actions["protocol1"] <= actions["train"]
    assert not actions["protocol2"] & actions["train"]
    assert not set(split.procedural["train"]) & set(split.procedural["protocol2"])
    assert {a for names in split.procedural.values() for a in names} <= set(procedural.ACTIONS)
    assert len(split.confounds) >= 4
    assert split.label == "cmu-v1"


def test_every_clip_is_in_a_split_or_excluded_with_a_reason(shared_data: Path) -> None:
    split = load_split()
    listed = {c.clip for c in split.clips}
    assert not listed & set(split.excluded)
    present = {p.name.split(".")[0] for p in (shared_data / "cmu-mocap").glob("*.bvh.xz")}
    assert listed | set(split.excluded) == present


def test_bodies_of_train_and_protocol1_differ(shared_data: Path) -> None:
    jobs = plan_jobs(SynthConfig(variants=2), shared_data / "cmu-mocap")
    of = {s: {j.performer for j in jobs if j.split == s} for s in SPLITS}
    assert not of["train"] & of["protocol1"]
    assert (performer_shape(0, "cmu07-0") == performer_shape(0, "cmu07-0")).all()
    assert (performer_shape(0, "cmu07-0") != performer_shape(0, "cmu08-0")).any()
    assert len({j.name for j in jobs}) == len(jobs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["clips"].append(d["clips"][0]), "twice"),
        (lambda d: d["clips"][0].update(split="holdout"), "holdout"),
        (lambda d: d["clips"].append({"clip": "x", "action": "dance", "split": "train"}), "share"),
        (lambda d: d.pop("confounds"), "confounds"),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    data = json.loads(files("same_model.synth.motion").joinpath("splits/cmu-v1.json").read_text())
    change(data)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=message):
        load_split(path)
