import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_model import tiny_model

from same_engines.errors import SameError
from same_model.checkpoint import save_checkpoint
from same_model.training.whole_run import bare_machine
from same_model.training.whole_run.bare_machine import PARTS, collect, unpack
from same_model.training.whole_run.pack import (
    _NEEDED,
    PackConfig,
    UnpackConfig,
    pack,
    unpack_result,
)
from same_model.training.whole_run.plan import NEEDED_BY

MB = 1_000_000


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A pack of our own files alone, in many parts."""
    root = tmp_path_factory.mktemp("pack")
    clip = root / "moves" / "walking" / "07_01.bvh.xz"
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"packed already")
    (clip.parent / "readme.txt").write_text("no clip")
    save_checkpoint(root / "start.safetensors", tiny_model())
    pack(
        PackConfig(
            root / "pack",
            motion=(root / "moves",),
            init=root / "start.safetensors",
            has=_NEEDED,
            part_mb=0.3,
        )
    )
    return root


def test_parts_are_small_and_hold_everything(packed, tmp_path):
    parts = sorted((packed / "pack").glob("part-*"))
    assert len(parts) > 3
    assert max(part.stat().st_size for part in parts) <= 0.3 * MB
    unpack(packed / "pack", tmp_path)
    assert (tmp_path / "motion/0/moves/walking/07_01.bvh.xz").read_bytes() == b"packed already"
    assert not list(tmp_path.rglob("readme.txt"))
    init = tmp_path / "init" / "start.safetensors"
    assert init.read_bytes() == (packed / "start.safetensors").read_bytes()
    ours = tmp_path / "ours"
    assert (ours / "same_model/synth/body/body.npz").is_file()
    assert (ours / "same_model/training/whole_run/run.py").is_file()
    assert len(list((ours / "same_runtime").glob("_core*.so"))) == 1
    assert not (ours / "same_runtime/demo_data").exists()
    assert not (tmp_path / "theirs").exists()
    assert set(path.name for path in (packed / "pack").iterdir()) == {
        "start.py",
        PARTS,
        *(part.name for part in parts),
    }


def test_absent_and_damaged_parts_are_named(packed, tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    for path in (packed / "pack").iterdir():
        (parts / path.name).write_bytes(path.read_bytes())
    content = (parts / "part-01").read_bytes()
    (parts / "part-01").write_bytes(content[:-1] + b"?")
    with pytest.raises(ValueError, match="part-01: damaged"):
        unpack(parts, tmp_path / "out")
    (parts / "part-01").unlink()
    with pytest.raises(ValueError, match="part-01: absent; bring every part"):
        unpack(parts, tmp_path / "out")
    (parts / PARTS).unlink()
    with pytest.raises(SameError, match=f"no {PARTS} in it"):
        unpack_result(UnpackConfig(parts, tmp_path / "run"))
    assert not (tmp_path / "out").exists() and not (tmp_path / "run").exists()


def test_what_comes_back_is_in_small_pieces_and_whole(tmp_path):
    run = tmp_path / "run"
    finished = ["motion", "inertial", "images", "fresh_images", "headset_rate"]
    for stage, name in (
        ("inertial", "model.safetensors"),
        ("inertial", "state.pt"),
        ("visual", "model.safetensors"),
        ("visual", "state.pt"),
        ("visual", "losses.png"),
    ):
        (run / stage).mkdir(parents=True, exist_ok=True)
        (run / stage / name).write_bytes(torch.randn(100_000).numpy().tobytes())
    (run / "whole_run.json").write_text("{}")
    (run / "progress.json").write_text(json.dumps({"finished": finished, "stopped": True}))
    pieces = collect(run, tmp_path / "result", 300_000)
    assert len(pieces) > 3
    assert max(path.stat().st_size for path in pieces) <= 300_000
    unpack_result(UnpackConfig(tmp_path / "result", tmp_path / "home"))
    came = {str(path.relative_to(tmp_path / "home")) for path in (tmp_path / "home").rglob("*.*")}
    assert came == {
        "whole_run.json",
        "progress.json",
        "inertial/model.safetensors",
        "visual/state.pt",
        "visual/losses.png",
    }
    for name in ("inertial/model.safetensors", "visual/state.pt"):
        assert (tmp_path / "home" / name).read_bytes() == (run / name).read_bytes()
    # The recordings stay there, so they are not finished here.
    assert json.loads((tmp_path / "home/progress.json").read_text())["finished"] == ["inertial"]


def test_every_step_that_makes_recordings_leaves_them_behind():
    assert set(bare_machine._RECORDING_STEPS) == NEEDED_BY.keys()


def test_another_python_is_refused_where_the_parts_are_unpacked(packed, tmp_path):
    for path in (packed / "pack").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    listing = json.loads((tmp_path / PARTS).read_text())
    (tmp_path / PARTS).write_text(json.dumps({**listing, "python": "2.7"}))
    command = [sys.executable, str(tmp_path / "start.py"), "--work", str(tmp_path / "work")]
    done = subprocess.run([*command, "--out", "result"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("start.py: packed for Python 2.7, this is 3.")
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "work").exists()


@pytest.mark.parametrize("size", ["inf", "0", "nan"])
def test_pieces_of_no_size_are_refused_before_any_work(packed, tmp_path, size):
    command = [sys.executable, str(packed / "pack" / "start.py"), "--work", str(tmp_path / "work")]
    command += ["--out", str(tmp_path / "result"), "--piece-mb", size]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and not (tmp_path / "work").exists()
    assert "--piece-mb: expected 0.001 to 1000000, got" in done.stderr.splitlines()[-1]


def test_mistakes_leave_nothing(packed, tmp_path):
    with pytest.raises(SameError, match="is there already"):
        pack(PackConfig(packed / "pack"))
    with pytest.raises(SameError, match="is there already"):
        unpack_result(UnpackConfig(packed / "pack", tmp_path))
    (tmp_path / "empty").mkdir()
    for changes, message in (
        ({"motion": (tmp_path / "absent",)}, "absent: no such folder"),
        ({"motion": (tmp_path / "empty",)}, r"empty: no \.bvh or \.amc files"),
        ({"init": Path("absent.pt")}, r"absent\.pt: no such file"),
        ({"run": tmp_path / "empty"}, f"no {PARTS} in it"),
        ({"part_mb": 0.0}, "part_mb: expected 0.001 to"),
        ({"python": "python0"}, "--python python0: No such file"),
    ):
        with pytest.raises(SameError, match=message):
            pack(PackConfig(tmp_path / "pack", has=_NEEDED, **changes))
        assert not (tmp_path / "pack").exists()
