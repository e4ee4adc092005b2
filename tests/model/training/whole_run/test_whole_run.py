"""Whole runs at tiny sizes, stopped and not, on one process and two, and on a bare machine."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_whole_run import as_options, small_run, write_small_split

from same_engines import Bundle
from same_model.checkpoint import load_checkpoint
from same_model.data.sequence import find_sequences, open_sequence
from same_model.synth.config import SynthConfig
from same_model.training.whole_run import run as run_module
from same_model.training.whole_run.bare_machine import PARTS
from same_model.training.whole_run.config import StageBudget
from same_model.training.whole_run.pack import (
    PackConfig,
    UnpackConfig,
    _closure,
    pack,
    unpack_result,
)
from same_model.training.whole_run.run import train_all

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_preset")]
SCRIPT = Path(__file__).resolve().parents[3] / "support" / "train_all_tiny.py"
STAGES = ("inertial", "visual", "fusion", "end_to_end", "temporal")


def finished(folder: Path) -> list[str]:
    return json.loads((folder / "progress.json").read_text())["finished"]


def assert_same_weights(one: Path, other: Path) -> None:
    a, b = (load_checkpoint(path / "model.safetensors").state_dict() for path in (one, other))
    for name, tensor in a.items():
        assert torch.equal(tensor, b[name]), name


def assert_same_recordings(one: Path, other: Path) -> None:
    a, b = find_sequences(one), find_sequences(other)
    assert [path.relative_to(one) for path in a] == [path.relative_to(other) for path in b]
    for left, right in zip(map(open_sequence, a), map(open_sequence, b), strict=True):
        assert np.array_equal(left.images, right.images)
        assert np.array_equal(left.joints_world, right.joints_world)


def test_a_run_stopped_again_and_again_ends_as_one_that_is_not(tmp_path, monkeypatch, caplog):
    split = write_small_split(tmp_path)
    whole = small_run(tmp_path / "whole", split, until="temporal")
    train_all(whole)
    # Recordings are made beside a stage that does not read them, and may be done before it.
    done = finished(whole.out)
    assert [step for step in done if step in STAGES] == list(STAGES)
    assert sorted(set(done) - set(STAGES)) == [
        "fresh_images",
        "headset_rate",
        "images",
        "motion",
        "varied_images",
    ]
    assert done.index("images") < done.index("visual") and done[-1] == "temporal"
    # A clock that ticks when it is read: every call of the command gets a few readings.
    ticks = itertools.count(step=1.0)
    clock = SimpleNamespace(monotonic=lambda: next(ticks), sleep=lambda _: None)
    pieces = small_run(tmp_path / "pieces", split, until="temporal", minutes=9 / 60)
    caplog.set_level("INFO", logger="same")
    calls = 0
    while not (pieces.out / "progress.json").exists() or "temporal" not in finished(pieces.out):
        with monkeypatch.context() as patch:
            patch.setattr(run_module, "time", clock)
            train_all(pieces)
        calls += 1
        assert calls < 30, finished(pieces.out)
    assert calls > 2
    assert "the same command goes on" in caplog.text
    for stage in STAGES:
        assert_same_weights(whole.out / stage, pieces.out / stage)
    assert_same_recordings(whole.out / "data", pieces.out / "data")
    # To the end, from there: what is done is not done again.
    state = (pieces.out / "temporal" / "state.pt").stat().st_mtime_ns
    train_all(small_run(pieces.out, split))
    assert (pieces.out / "temporal" / "state.pt").stat().st_mtime_ns == state
    Bundle.open(pieces.out / "tiny.same").verify()
    assert list(json.loads((pieces.out / "evaluation/metrics.json").read_text())["protocols"]) == [
        "protocol1"
    ]
    budget = json.loads((pieces.out / "budget" / "budget.json").read_text())
    assert list(budget["groups"]) == ["validation"]


def test_two_processes_share_a_run(tmp_path):
    config = small_run(tmp_path / "run", write_small_split(tmp_path), until="temporal")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(SCRIPT), *as_options(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=environment, timeout=900)
    assert set(finished(config.out)) == {
        "motion",
        "images",
        "fresh_images",
        "varied_images",
        "headset_rate",
        *STAGES,
    }
    for stage in STAGES:
        state = torch.load(config.out / stage / "state.pt", weights_only=True)
        assert (state["step"], state["processes"]) == (6, 2)


def bare_site(folder: Path) -> Path:
    """What a machine with PyTorch and numba has, and nothing else, as a folder to import from."""
    for name in set().union(*map(_closure, ("torch", "numba"))):
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            top = file.parts[0]
            source = Path(str(distribution.locate_file(top)))
            if top not in ("..", "__pycache__") and source.exists() and not (folder / top).exists():
                (folder / top).symlink_to(source)
    return folder


def test_a_bare_machine_trains_in_two_commands(tmp_path, shared_data):
    """Packed here, run where only Python, PyTorch and numba are, each time on a fresh machine."""
    motion = tmp_path / "clips" / "cmu-mocap"
    motion.mkdir(parents=True)
    (clip,) = (shared_data / "cmu-mocap").rglob("07_01.bvh*")
    shutil.copy(clip, motion)
    split = write_small_split(tmp_path)
    content = json.loads(split.read_text())
    content["clips"] = [{"clip": "07_01", "action": "walk", "split": "train"}]
    split.write_text(json.dumps(content))
    seen: dict[str, Any] = {"width": 240, "height": 180, "procedural": 1, "max_seconds": 1.5}
    config = small_run(
        tmp_path / "run",
        split,
        motion=(tmp_path / "clips",),
        preset="lite",
        images=SynthConfig(**seen, seed=1),
        fresh_images=SynthConfig(**seen, seed=4),
        varied_images=SynthConfig(**seen, fps=10.0, seed=5),
        headset_rate=SynthConfig(**seen, fps=90.0, seed=3),
        test=SynthConfig(**seen),
        until="temporal",
        **{stage: StageBudget(5, 2) for stage in STAGES},
    )
    (tmp_path / "site").mkdir()
    site = bare_site(tmp_path / "site")
    result = None
    for command, until in (("first", "visual"), ("second", "temporal")):
        parts = tmp_path / f"{command}-pack"
        pack(PackConfig(parts, motion=config.motion, split_file=split, run=result, part_mb=20.0))
        assert max(path.stat().st_size for path in parts.iterdir()) <= 20e6
        result, work = tmp_path / f"{command}-result", tmp_path / f"{command}-work"
        options = as_options(config)
        for name in ("--out", "--split-file", "--until"):
            place = options.index(name)
            del options[place : place + 2]
        subprocess.run(
            [sys.executable, "-S", str(parts / "start.py"), "--work", str(work)]
            + ["--out", str(result), "--minutes", "6", *options, "--until", until],
            check=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            timeout=1200,
        )
        files = list(result.iterdir())
        assert max(path.stat().st_size for path in files) <= 16e6
        assert (result / PARTS) in files
        shutil.rmtree(work / "run" / "cache", ignore_errors=True)
    unpack_result(UnpackConfig(result, config.out))
    assert set(finished(config.out)) == set(STAGES)
    train_all(config)  # finds nothing left to do, and makes no recordings again
    assert not (config.out / "data").exists()
    model = load_checkpoint(config.out / "temporal" / "model.safetensors", "lite").state_dict()
    inertial = load_checkpoint(
        tmp_path / "first-work" / "run" / "inertial" / "model.safetensors"
    ).inertial.state_dict()
    for name, tensor in inertial.items():
        assert torch.equal(model[f"inertial.{name}"], tensor), name
