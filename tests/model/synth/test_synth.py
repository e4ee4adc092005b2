import errno
import json
import lzma
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_split import write_own_split
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_engines.processes import process_space
from same_model.cli import data as cli
from same_model.data import sequence
from same_model.data.sequence import find_sequences, open_sequence
from same_model.synth import plan
from same_model.synth.config import SynthConfig
from same_model.synth.motion.splits import load_split
from same_model.synth.plan import Job, find_clips, left_to_others, plan_jobs
from same_model.synth.synth import run_job, run_jobs
from same_runtime.conventions import DEVICES, JOINT_NAMES
from same_runtime.recording import Recording

TINY = SynthConfig(width=32, height=24, procedural=1, max_seconds=1.5, seed=1)
BLIND = replace(TINY, render=False)


def _one_job(action: str = "squat") -> Job:
    return next(j for j in plan_jobs(TINY) if j.action == action)


@pytest.fixture
def short_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Procedural takes of 1.5 s."""
    make = plan.procedural.make_motion
    monkeypatch.setattr(plan.procedural, "make_motion", lambda rng, action: make(rng, action, 1.5))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no call for it")
def test_as_many_workers_start_as_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 64})
    assert cli.Synth(Path("out")).workers == 3


def test_without_rendering_motion_and_sensors_are_the_same(
    short_motion: None, tmp_path: Path
) -> None:
    for name, render in (("seen", True), ("blind", False)):
        run_job(replace(TINY, render=render), _one_job(), tmp_path / name)
    seen, blind = (open_sequence(find_sequences(tmp_path / n)[0]) for n in ("seen", "blind"))
    for field in ("joints_world", "T_world_device", "sensed_orientation", "timestamps_ns"):
        np.testing.assert_array_equal(getattr(seen, field), getattr(blind, field))
    assert np.asarray(seen.images).any() and not np.asarray(blind.images).any()
    assert np.asarray(seen.visible).any() and not np.asarray(blind.visible).any()


def test_joints_images_and_devices_agree(small_dataset: Path) -> None:
    for path in find_sequences(small_dataset):
        s = open_sequence(path)
        joints = s.joints_world.astype(float)
        T_head = np.asarray(s.T_world_device[:, 0])
        rig = s.rig_true
        np.testing.assert_allclose(s.T_world_cam_left, T_head @ rig.left.T_head_cam, atol=1e-9)
        for view, camera in enumerate(rig.cameras):
            T = T_head @ camera.T_head_cam
            local = np.einsum("tba,tjb->tja", T[:, :3, :3], joints - T[:, None, :3, 3])
            pixels, inside = camera.project(local)
            assert np.abs(pixels - s.joints_2d[:, view])[inside].max() < 0.1
            assert not (s.visible[:, view].astype(bool) & ~inside).any()
        for device, joint in (("head", "head"), ("ctrl_left", "left_wrist")):
            d, j = DEVICES.index(device), JOINT_NAMES.index(joint)
            apart = np.linalg.norm(s.T_world_device[:, d, :3, 3] - joints[:, j], axis=1)
            assert np.ptp(apart) < 1e-3 and apart.max() < 0.2
            ok = s.sensed_valid[:, d].astype(bool)
            drift = s.sensed_position[ok, d] - s.T_world_device[ok, d, :3, 3]
            assert np.abs(drift).max() < 0.05
            turn = Rotation.from_quat(s.sensed_orientation[ok, d]).inv() * Rotation.from_matrix(
                s.T_world_device[ok, d, :3, :3]
            )
            assert np.rad2deg(turn.magnitude().max()) < 5
        assert s.images.shape == (s.frames, 2, 48, 64) and s.images.std() > 10
        assert s.depth.shape == s.images.shape and np.isfinite(s.depth).all()
        assert (np.diff(s.timestamps_ns) > 0).all()
        streams = s.streams
        for device in DEVICES:
            stamps = streams[device].timestamp_ns
            assert stamps[0] < s.timestamps_ns[2] and stamps[-1] > s.timestamps_ns[-3]


def test_the_images_show_the_body_where_the_joints_are(small_dataset: Path) -> None:
    """The depth at a seen joint is just before the joint."""
    gaps = []
    for path in find_sequences(small_dataset):
        s = open_sequence(path)
        for view, camera in enumerate(s.rig_true.cameras):
            T = s.T_world_device[:, 0] @ camera.T_head_cam
            distance = np.linalg.norm(s.joints_world - T[:, None, :3, 3], axis=-1)
            for t, j in zip(*np.nonzero(s.visible[:, view]), strict=True):
                x, y = np.rint(s.joints_2d[t, view, j]).astype(int)
                if 0 <= x < 64 and 0 <= y < 48:
                    gaps.append(distance[t, j] - float(s.depth[t, view, y, x]))
    assert -0.05 < np.median(gaps) < 0.15


def test_meta_tells_origin_split_seed_and_licence(small_dataset: Path) -> None:
    for path in find_sequences(small_dataset):
        meta = open_sequence(path).meta
        assert meta["split"] == path.parent.name
        assert meta["seed"] == meta["config"]["seed"] == 7 and meta["split_version"] == "motion-v4"
        assert meta["licence"] and meta["action"] and meta["performer"] and meta["source"]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, short_motion: None) -> None:
    for name in ("a", "b"):
        run_job(TINY, _one_job(), tmp_path / name)
    run_job(replace(TINY, seed=2), _one_job(), tmp_path / "c")
    here, again, other = (find_sequences(tmp_path / n)[0] for n in "abc")
    files = sorted(p.name for p in here.iterdir())
    assert files == sorted(p.name for p in again.iterdir())
    assert all((here / f).read_bytes() == (again / f).read_bytes() for f in files)
    assert (here / "images.npy").read_bytes() != (other / "images.npy").read_bytes()


def test_a_second_run_makes_nothing_and_other_settings_are_refused(
    tmp_path: Path, short_motion: None
) -> None:
    first = run_job(TINY, _one_job(), tmp_path)
    second = run_job(TINY, _one_job(), tmp_path)
    assert first.made > 0 and second.made == 0 and second.found == first.made
    with pytest.raises(DataError, match="other settings"):
        run_job(replace(TINY, rig_spread=0.0), _one_job(), tmp_path)


@pytest.fixture
def own_take(tmp_path: Path, shared_data: Path) -> tuple[Job, Path]:
    """A job of a clip of one's own, and the folder of its one recording, without images."""
    clip = tmp_path / "a.bvh.xz"
    clip.write_bytes((shared_data / "cmu-mocap" / "07_01.bvh.xz").read_bytes())
    job = Job("train", "own-v1", "walk", "anna-0", 0, clip, "ours, CC0")
    run_job(BLIND, job, tmp_path / "out")
    return job, tmp_path / "out"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"performer": "bob-0", "action": "run"}, "another performer, action;"),
        ({"credit": "theirs, CC BY-NC 4.0"}, "another credit;"),
        ({"joint_map": {"left_hip": "lThigh"}}, "another joint map;"),
        ({"split": "validation"}, "made for train, where the split now says validation;"),
        ({"upper_body": Job("train", "own-v1", "sit", "p", 0, None)}, "another upper body;"),
    ],
)
def test_what_was_made_of_something_else_is_refused_by_name(
    own_take: tuple[Job, Path], change: dict[str, Any], said: str
) -> None:
    job, out = own_take
    assert run_job(BLIND, job, out).found > 0
    if "upper_body" in change:  # of a clip that is read like the other
        change = {"upper_body": replace(change["upper_body"], clip=job.clip)}
    with pytest.raises(DataError, match=f"train/a_v0: was.*{said} name another --out, or remove"):
        run_job(BLIND, replace(job, **change), out)
    assert len(find_sequences(out)) == 1


def test_another_clip_of_the_same_name_is_refused(own_take: tuple[Job, Path]) -> None:
    job, out = own_take
    text = lzma.decompress(job.clip.read_bytes())
    plain = replace(job, clip=job.clip.with_suffix(""))
    plain.clip.write_bytes(text.replace(b"\n", b"\r\n"))
    assert run_job(BLIND, plain, out).found > 0
    plain.clip.write_bytes(text.replace(b"0.00833333", b"0.01"))
    with pytest.raises(DataError, match="another clip;"):
        run_job(BLIND, plain, out)


@pytest.mark.parametrize("now", ["protocol1", "the hips are lost"])
def test_a_recording_of_a_clip_that_is_now_held_out_is_refused_also_where_none_is_made_of_it(
    own_take: tuple[Job, Path], capsys: pytest.CaptureFixture[str], now: str
) -> None:
    job, out = own_take
    parts = {"b": "train"} | ({"a": now} if now == "protocol1" else {})
    split = write_own_split(out.parent, parts, left_out=() if "a" in parts else ("a",))
    job.clip.with_name("b.bvh.xz").write_bytes(job.clip.read_bytes())
    command = ["synth", "--out", str(out), "--motion-dir", str(out.parent), "--workers", "1"]
    command += ["--no-render", "--max-seconds", "1.5", "--split-file", str(split)]
    assert cli.main([*command, "--split", "train"]) == 2
    said = capsys.readouterr().err
    assert f"a_v0: was made for train, where the split now says {now}; name another" in said
    assert [path.name for path in find_sequences(out)] == ["a_v0"]


def test_recordings_from_before_it_was_kept_of_what_they_are_made_are_taken_as_they_are(
    own_take: tuple[Job, Path],
) -> None:
    job, out = own_take
    meta = out / "train" / "a_v0" / "meta.json"
    content = json.loads(meta.read_text())
    del content["made_of"]
    meta.write_text(json.dumps(content))
    assert run_job(BLIND, replace(job, performer="bob-0"), out).found > 0


def test_an_interrupted_run_leaves_nothing_that_loads_and_resumes(
    tmp_path: Path, short_motion: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from same_model.synth.render.renderer import Renderer

    render, calls = Renderer.render, 0

    def stop(*arguments, **named):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls > 10:
            raise KeyboardInterrupt
        return render(*arguments, **named)

    monkeypatch.setattr(Renderer, "render", stop)
    with pytest.raises(KeyboardInterrupt):
        run_job(TINY, _one_job(), tmp_path)
    assert list(tmp_path.rglob("*.npy")) == []
    with pytest.raises(DataError, match="no sequences"):
        find_sequences(tmp_path)
    # A killed process cannot tidy up; the next run does.
    leftover = tmp_path / "train" / f".x.999999999.{process_space()}0f.partial"
    leftover.mkdir(parents=True)
    (leftover / "meta.json").write_text("{}")
    with pytest.raises(DataError, match="no sequences"):
        find_sequences(tmp_path)
    monkeypatch.setattr(Renderer, "render", render)
    (result,) = run_jobs(TINY, [_one_job()], tmp_path, workers=1)
    assert result.made > 0 and not leftover.exists()
    assert len(find_sequences(tmp_path)) == 1


@pytest.mark.parametrize("moment", ["reserve", "save", "rename"])
def test_a_full_disk_is_one_clear_error(
    tmp_path: Path, short_motion: None, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if moment == "reserve":
        monkeypatch.setattr(sequence.os, "posix_fallocate", full)
    elif moment == "save":
        monkeypatch.setattr(sequence.np, "save", full)
    else:
        monkeypatch.setattr(sequence.os, "rename", full)
    with pytest.raises(DataError, match="No space left"):
        run_job(TINY, _one_job(), tmp_path)
    monkeypatch.undo()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_workers_make_what_one_process_makes(tmp_path: Path) -> None:
    jobs = [j for j in plan_jobs(TINY) if j.action in ("kneel", "lunge")]
    made = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        made[workers] = sorted((r.name, r.made) for r in run_jobs(TINY, jobs, out, workers))
    assert made[1] == made[2]
    for a, b in zip(*(find_sequences(tmp_path / n) for n in "12"), strict=True):
        assert (a / "images.npy").read_bytes() == (b / "images.npy").read_bytes()


def test_a_recording_in_mcap_holds_the_same(tmp_path: Path, short_motion: None) -> None:
    run_job(TINY, _one_job(), tmp_path, mcap=True)
    (path,) = find_sequences(tmp_path)
    s = open_sequence(path)
    recording = Recording(path.with_name(path.name + ".mcap"))
    assert recording.num_frames == s.frames
    np.testing.assert_allclose(recording.rig.left.T_head_cam, s.rig.left.T_head_cam)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "field",
    [
        {"width": 30},
        {"supersample": 3},
        {"fps": 500.0},
        {"variants": 0},
        {"max_seconds": 0.5},
        {"max_seconds": math.inf},
        {"max_seconds": math.nan},
        {"fps": math.inf},
        {"rig_spread": math.inf},
        {"splice": math.nan},
        {"restyle": -1.0},
    ],
)
def test_bad_settings_are_refused_by_name(field: dict[str, float]) -> None:
    with pytest.raises(DataError, match=next(iter(field))):
        SynthConfig(**field)  # type: ignore[arg-type]


def test_damaged_sequences_do_not_load(small_dataset: Path, tmp_path: Path) -> None:
    import shutil

    source = find_sequences(small_dataset)[0]

    def copy(name: str) -> Path:
        return Path(shutil.copytree(source, tmp_path / name))

    short = copy("short")
    np.save(short / "visible.npy", np.zeros((3, 2, 22), np.uint8))
    wrong = copy("wrong")
    np.save(wrong / "joints_world.npy", np.zeros((3, 22, 3)))
    cut = copy("cut")
    (cut / "images.npy").write_bytes((cut / "images.npy").read_bytes()[:500])
    absent = copy("absent")
    (absent / "timestamps_ns.npy").unlink()
    old = copy("old")
    (old / "meta.json").write_text('{"format": "same-sequence", "format_version": 0}')
    pickled = copy("pickled")
    np.save(pickled / "visible.npy", np.array({"a": 1}), allow_pickle=True)
    for folder in (short, wrong, cut, absent, old, pickled, tmp_path):
        with pytest.raises(DataError, match=folder.name):
            open_sequence(folder)


def test_the_command_makes_previews_and_inspects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    out = tmp_path / "data"
    arguments = (
        f"synth --out {out} --motion-dir {shared_data / 'cmu-mocap'} --clips 07_01 07_12 "
        "--width 64 --height 48 --workers 1 --max-seconds 1.5"
    )
    assert cli.main(arguments.split()) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^(train|validation|protocol\d): 07_01", printed, re.MULTILINE)
    assert "07_12: kept 0 of 264" in printed and "stereo frames made at " in printed
    assert "per second of processor time, 0 were there already" in printed
    assert "Only 13 and 14" in (out / "dataset.json").read_text()
    assert cli.main(f"preview {out} --out {tmp_path / 'p'} --columns 1 --rows 1".split()) == 0
    assert (tmp_path / "p" / "sheet.jpg").stat().st_size > 1000
    assert (tmp_path / "p" / "video.webp").read_bytes()[8:12] == b"WEBP"
    assert cli.main(["inspect", str(out)]) == 0
    assert "joints with z > 0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("inspect {0}/absent", "no such folder"),
        ("inspect {0}", "no sequences"),
        ("preview {0}", "no sequences"),
        ("synth --out {0}/o --motion-dir {0}", "no .bvh"),
        ("synth --out {0}/o --motion-dir {0}/absent", "no such folder"),
        ("synth --out {0}/o --procedural 0", "nothing to make"),
        ("synth --out {0}/o --procedural 1 --max-seconds inf", "1000000 (which cuts nothing), got"),
        ("synth --out {0}/o --procedural 1 --amc-fps inf", "amc_fps: expected 1 to 1000, got"),
        ("synth --out {0}/file/o --procedural 1 --workers 1", "cannot be written"),
        ("synth --out {0}/o --split-file {0}/absent.json", "cannot be read"),
        ("convert-emhi {0} --out {0}/o --smpl {0}/x.npz --split-file {0}/s.json", "no EMHI"),
    ],
)
def test_mistakes_end_in_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(arguments.format(tmp_path).split()) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and error.count("\n") == 0


def test_a_broken_clip_is_named_and_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    good = (shared_data / "cmu-mocap" / "07_01.bvh.xz").read_bytes()
    (tmp_path / "07_01.bvh.xz").write_bytes(good)
    (tmp_path / "06_01.bvh").write_text("HIERARCHY\nnonsense")
    (tmp_path / "07_02.bvh").write_text(lzma.decompress(good).decode().split("MOTION")[0])
    out = tmp_path / "o"
    arguments = ["synth", "--out", str(out), "--motion-dir", str(tmp_path), "--workers", "1"]
    arguments += ["--no-render", "--max-seconds", "1.5", "--clips", "0*"]
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert [line for line in said if "left out" in line and "06_01.bvh" in line]
    assert [
        line for line in said if "left out" in line and "07_02.bvh" in line and "MOTION" in line
    ]
    assert [p.name for p in find_sequences(out)] == ["07_01_v0"]
    assert "CMU Graphics Lab" in open_sequence(find_sequences(out)[0]).meta["licence"]
    assert "06_01.bvh" in (out / "dataset.json").read_text()
    assert cli.main([*arguments[:-1], "06_*", "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


def test_a_clip_of_ones_own_needs_a_name_and_has_a_credit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    folder, out = tmp_path / "mine", tmp_path / "o"
    folder.mkdir()
    good = shared_data / "cmu-mocap" / "07_01.bvh.xz"
    (folder / "walk.bvh").write_bytes(
        lzma.decompress(good.read_bytes()).replace(b"lThigh", b"Upper")
    )
    base = ["synth", "--motion-dir", str(folder), "--workers", "1", "--no-render"]
    base += ["--max-seconds", "1.5", "--out", str(out)]
    assert cli.main(base) == 2
    assert "--clips" in capsys.readouterr().err
    assert cli.main([*base, "--clips", "*"]) == 2
    said = capsys.readouterr().err
    assert "licence not stated" in said and "left_hip" in said and "--joint-map" in said
    named = tmp_path / "map.json"
    named.write_text('{"left_hip": "Upper"}')
    mine = [*base, "--clips", "walk", "--joint-map", str(named), "--credit", "mine, CC BY 4.0"]
    assert cli.main(mine) == 0
    assert "licence not stated" not in capsys.readouterr().err
    assert "mine, CC BY 4.0" in open_sequence(find_sequences(out)[0]).meta["licence"]


def test_what_the_split_leaves_out_is_left_out_however_it_is_asked_for(tmp_path: Path) -> None:
    """``13_33`` leaves the floor."""
    for name in ("13_33", "mine"):
        (tmp_path / f"{name}.bvh").touch()
    config = SynthConfig(procedural=0)
    jobs = plan_jobs(config, [tmp_path], ("train",), ("*",))
    assert {j.clip_name for j in jobs} == {"mine"}
    said = left_to_others([tmp_path], ("*",), ("train",), load_split())
    assert said == ["not made, as the split says: 13_33 (leaves the level floor)"]


@pytest.mark.parametrize("name", ["Female1_A02_SwayT2", "Fighting_Idle", "Sword_Attack_RM"])
def test_what_a_split_holds_out_is_trained_on_nowhere(tmp_path: Path, name: str) -> None:
    """Of validation, withheld and left out: outside their sources' folders they may be others."""
    for clip in (name, "Walk"):
        (tmp_path / f"{clip}.bvh").touch()
    config, held = SynthConfig(procedural=0), re.escape(f"trains on no clip named {name}: move")
    for wanted in ("*", name):
        with pytest.raises(DataError, match=held):
            plan_jobs(config, [tmp_path], ("train",), (wanted,))
    assert [j.clip_name for j in plan_jobs(config, [tmp_path], ("train",), ("Walk",))] == ["Walk"]


@pytest.mark.parametrize("wanted", [(), ("*",)])
@pytest.mark.parametrize("folder", ["clips", "ours", ".", "link"])
def test_a_split_of_ones_own_is_of_the_clips_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, wanted: tuple[str, ...]
) -> None:
    parts = {"a": "train", "b": "validation", "c": "protocol1"}
    split = load_split(write_own_split(tmp_path, parts, left_out=("d",)))
    there = tmp_path / ("ours" if folder in (".", "link") else folder)
    there.mkdir()
    for name in "abcd":
        (there / f"{name}.bvh").touch()
    (tmp_path / "link").symlink_to(there)
    monkeypatch.chdir(there if folder == "." else tmp_path)
    jobs = plan_jobs(SynthConfig(procedural=0), [Path(folder)], wanted_clips=wanted, split=split)
    assert {j.clip_name: j.split for j in jobs} == parts
    (there / "more").mkdir()
    (there / "more" / "b.bvh").touch()
    with pytest.raises(DataError, match="two clips of one name"):
        plan_jobs(SynthConfig(procedural=0), [Path(folder)], wanted_clips=wanted, split=split)


def test_a_name_that_anybody_might_give_is_the_splits_in_its_sources_folder_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    """``Walk`` is one of mesh2motion's CC0 clips to train on."""
    clip = (shared_data / "cmu-mocap" / "07_01.bvh.xz").read_bytes()
    for name in ("mine/Walk.bvh.xz", "mesh2motion/Walk.bvh.xz", "mine/07_03.bvh.xz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(clip)
    split = load_split()
    found = find_clips([tmp_path / "mine"], ("*",), split)
    assert [(c.clip, c.source) for c, _ in found] == [("07_03", "cmu-mocap"), ("Walk", "")]
    assert [c.clip for c, _ in find_clips([tmp_path / "mine"], (), split)] == ["07_03"]
    assert [c.source for c, _ in find_clips([tmp_path], ("Walk",), split)] == ["mesh2motion"]

    out = tmp_path / "o"
    run = ["synth", "--motion-dir", str(tmp_path / "mine"), "--workers", "1", "--no-render"]
    run += ["--max-seconds", "1.5", "--out", str(out), "--clips", "Walk", "--credit"]
    assert cli.main([*run, "me, CC BY-NC 4.0"]) == 0
    assert "not for commercial use, by its credit: Walk_v0" in capsys.readouterr().err
    assert "CC BY-NC 4.0" in open_sequence(find_sequences(out)[0]).meta["licence"]


def test_clips_that_are_not_made_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    """Clips of other splits, and clips of which the cleaning leaves nothing."""
    run = ["synth", "--motion-dir", str(shared_data / "cmu-mocap"), "--workers", "1"]
    run += ["--no-render", "--max-seconds", "1.5", "--out", str(tmp_path / "o")]
    assert cli.main([*run, "--clips", "07_01", "08_01", "--split", "train"]) == 0
    assert "not made, as the split says: 08_01 (protocol1)" in capsys.readouterr().err

    text = lzma.decompress((shared_data / "cmu-mocap" / "07_01.bvh.xz").read_bytes()).decode()
    head, motion = text.split("MOTION")
    lines = motion.strip().splitlines()
    short = "\n".join([head + "MOTION", "Frames: 5", lines[1], *lines[2:7], ""])
    (tmp_path / "short.bvh").write_text(short)
    run[2] = str(tmp_path)
    assert cli.main([*run[:-1], str(tmp_path / "n"), "--clips", "short", "--variants", "2"]) == 2
    said = capsys.readouterr()
    assert said.out.count("short: kept 0 of 5 frames") == 1 and "5 too short" in said.out
    assert "nothing is left of any clip" in said.err and not (tmp_path / "n").exists()


def test_scattered_stretches_come_from_anywhere_in_a_clip() -> None:
    jobs = [Job("train", "x", "squat", "p", v, None) for v in range(6)]
    config = replace(TINY, scatter=True)
    firsts = [plan.job_motions(config, job)[0][0].source_frames[0] for job in jobs]
    assert len(set(firsts)) > 3 and max(firsts) > 60
    again = [plan.job_motions(config, job)[0][0].source_frames[0] for job in jobs]
    assert firsts == again
    assert replace(TINY, scatter=True).digest != TINY.digest


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    options = ("--procedural", "40", "--width", "64", "--height", "48", "--workers", "2", "-q")
    command = [sys.executable, "-m", "same_model.cli.data", "synth", "--out", str(tmp_path)]
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        try:
            _wait_until(lambda: list(tmp_path.rglob("meta.json")))
            workers = [Path("/proc") / pid for pid in children.read_text().split()]
        finally:
            parent.kill()
    assert len(workers) >= 2
    _wait_until(lambda: not any(worker.exists() for worker in workers))


def _wait_until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240  # of a machine that has other work
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
