import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from same_engines.errors import DataError
from same_model.synth.body.body import make_body
from same_model.synth.config import SynthConfig
from same_model.synth.motion import play, procedural
from same_model.synth.motion.splits import SPLITS, WITHHELD, load_split
from same_model.synth.plan import UnlistedClips, performer_shape, plan_jobs


@pytest.mark.parametrize("label", ["cmu-v1", "motion-v2", "motion-v3", "motion-v4"])
def test_protocols_mean_what_they_say(label: str) -> None:
    split = load_split(Path(label))
    by = {s: [c for c in split.clips if c.split == s] for s in SPLITS}
    performers = {s: {c.performer for c in by[s]} for s in SPLITS}
    actions = {s: {c.action for c in by[s]} for s in SPLITS}
    assert not (performers["train"] | performers["validation"]) & performers["protocol1"]
    assert actions["protocol1"] <= actions["train"]
    assert not actions["protocol2"] & (actions["train"] | actions["validation"])
    made = set(split.procedural["train"])
    assert not made & (set(split.procedural["protocol2"]) | actions["protocol2"])
    assert {a for names in split.procedural.values() for a in names} <= set(procedural.ACTIONS)
    assert len(split.confounds) >= 4
    assert split.label == label


def test_the_latest_split_keeps_the_protocols_of_the_first() -> None:
    first, latest = load_split(Path("cmu-v1")), load_split()
    assert latest.label == "motion-v4"
    for protocol in ("protocol1", "protocol2"):
        was, now = (
            {(c.clip, c.action, c.performer) for c in s.clips if c.split == protocol}
            for s in (first, latest)
        )
        assert was == now and first.procedural[protocol] == latest.procedural[protocol]


def test_the_latest_split_only_adds_clips_to_train_on() -> None:
    before, latest = load_split(Path("motion-v2")), load_split()
    assert latest.clips[: len(before.clips)] == before.clips
    assert latest.excluded[: len(before.excluded)] == before.excluded
    assert latest.procedural == before.procedural
    added = latest.clips[len(before.clips) :]
    assert {c.split for c in added} == {"train", WITHHELD}
    assert {c.source for c in added} == {"cmu-more", "accad-more"}
    tested = {c.performer for c in before.clips if c.split in ("protocol1", "validation")}
    assert not tested & {c.performer for c in added}
    assert {c.performer for c in added if c.amc_fps == 60} == {"cmu60", "cmu61"}


def test_amc_clips_have_the_rate_that_the_split_or_the_user_says(tmp_path: Path) -> None:
    for name in ("60_01", "02_01", "mine"):
        (tmp_path / f"{name}.amc").touch()
    config, wanted = SynthConfig(procedural=0), ("train", WITHHELD)
    jobs = plan_jobs(config, [tmp_path], wanted, ("*",), unlisted=UnlistedClips(amc_fps=30))
    assert {j.clip_name: j.amc_fps for j in jobs} == {"60_01": 60, "02_01": 120, "mine": 30}


def test_validation_holds_out_two_performers_and_three_actions() -> None:
    split = load_split()
    held = [c for c in split.clips if c.split == "validation"]
    train = [c for c in split.clips if c.split == "train"]
    performers = {c.performer for c in held} - {c.performer for c in train} - {"cmu135"}
    assert performers == {"cmu69", "accad-female1"}
    actions = {c.action for c in held if c.performer not in performers}
    assert actions == {"motorcycle", "duck", "basketball signals"}
    assert not actions & {c.action for c in train}
    assert not actions & set(split.procedural["train"])


def test_procedural_training_poses_are_of_no_withheld_kind() -> None:
    """A kind of training motion may be made of others, but only of training's."""
    split = load_split()
    kinds = {name: style.pose for name, style in play.STYLES.items()}
    kept_back = {kinds[name].__name__ for name in split.procedural["withheld"] if name in kinds}
    for name in set(split.procedural["train"]) & set(kinds):
        assert not kept_back & set(kinds[name].__code__.co_names), name


def test_every_clip_is_in_a_split_or_excluded_with_a_reason(shared_data: Path) -> None:
    split = load_split()
    # Those that were found later are not among the shared ones.
    clips = [c for c in (*split.clips, *split.excluded) if not c.source.endswith("-more")]
    listed = {c.clip: c.source for c in clips}
    assert len(listed) == len(clips)
    assert all(c.split for c in split.excluded)
    present: dict[str, str] = {}
    for folder in ("cmu-mocap", "motion"):
        for path in (shared_data / folder).rglob("*.xz"):
            if ".asf" not in path.name:
                present[path.name.split(".")[0]] = path.as_posix()
    assert set(listed) == set(present)
    assert all(f"/{source}/" in present[clip] for clip, source in listed.items())


def test_every_source_has_its_credit() -> None:
    credits = load_split().sources
    assert "NSF EIA-0196217" in credits["cmu-amc"] and "CC BY 3.0" in credits["accad"]
    assert credits["accad-more"] == credits["accad"]
    assert "CC0" in credits["mesh2motion"] and "MIT" in credits["animated-drawings"]
    notice = (Path(__file__).parents[4] / "NOTICE").read_text()
    for word in ("EIA-0196217", "ACCAD", "mesh2motion", "Animated Drawings"):
        assert word in notice


def test_bodies_of_train_and_protocol1_differ(shared_data: Path) -> None:
    jobs = plan_jobs(SynthConfig(variants=2), [shared_data / "cmu-mocap"])
    of = {s: {j.performer for j in jobs if j.split == s} for s in SPLITS}
    assert not of["train"] & of["protocol1"]
    assert (performer_shape(0, "cmu07-0") == performer_shape(0, "cmu07-0")).all()
    assert (performer_shape(0, "cmu07-0") != performer_shape(0, "cmu08-0")).any()
    assert len({j.name for j in jobs}) == len(jobs)


def test_training_bodies_are_of_any_stature_and_the_protocols_stay() -> None:
    wide = [make_body(performer_shape(0, f"p{i}", wide=True)).stature_m for i in range(60)]
    assert 1.44 < min(wide) < 1.5 and 1.95 < max(wide) < 2.01
    assert np.histogram(wide, bins=4, range=(1.44, 2.01))[0].min() > 5
    jobs = plan_jobs(SynthConfig())
    assert {j.split for j in jobs if j.varied} == {"train"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["clips"].append(d["clips"][0]), "twice"),
        (lambda d: d["excluded"].append({**d["clips"][0], "reason": "x"}), "twice"),
        (lambda d: d["clips"][0].update(split="holdout"), "holdout"),
        (lambda d: d["excluded"][0].update(reason="train"), "expected a reason"),
        (lambda d: d["clips"].append({"clip": "x", "action": "dance", "split": "train"}), "share"),
        (lambda d: d.pop("confounds"), "confounds"),
        (lambda d: d["clips"][0].update(source="elsewhere"), "credit"),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    data = json.loads(files("same_model.synth.motion").joinpath("splits/cmu-v1.json").read_text())
    change(data)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=message):
        load_split(path)


@pytest.mark.parametrize("rate", ["0", "-60", "1e9", "NaN"])
def test_a_split_of_clips_at_rates_that_none_has_is_refused(tmp_path: Path, rate: str) -> None:
    shipped = files("same_model.synth.motion").joinpath("splits/motion-v3.json").read_text()
    wrong = tmp_path / "split.json"
    wrong.write_text(shipped.replace('"amc_fps": 60', f'"amc_fps": {rate}'))
    with pytest.raises(DataError, match=r"split\.json"):
        load_split(wrong)
