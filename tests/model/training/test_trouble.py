"""Stops and full disks, for real: in a process of their own, through the command line."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_sequence import write_sequence

from same_model.checkpoint import load_checkpoint

SCRIPT = Path(__file__).resolve().parents[2] / "support" / "train_in_trouble.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory, small_rig):
    root = tmp_path_factory.mktemp("sequences")
    write_sequence(root / "one", small_rig, 30, seed=1)
    return root


def same_train(trouble: str, data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(SCRIPT),
        trouble,
        "inertial",
        "--data",
        str(data),
        "--out",
        str(out),
        "--preset",
        "tiny",
        "--steps",
        "6",
        "--batch",
        "4",
        "--stretch",
        "16",
        "--save-every",
        "2",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    assert same_train("none", data, out).returncode == 0
    return load_checkpoint(out / "model.safetensors").state_dict()


def assert_goes_on_to_the_same_weights(data, out, undisturbed):
    again = same_train("none", data, out)
    assert again.returncode == 0, again.stderr
    assert not list(out.glob(".*partial"))
    for name, tensor in load_checkpoint(out / "model.safetensors").state_dict().items():
        assert torch.equal(tensor, undisturbed[name]), name


def assert_one_line(error: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, no traceback, and a last line on stderr that says what and where."""
    assert error.returncode == 2, error.stderr
    assert "Traceback" not in error.stderr
    last = error.stderr.strip().splitlines()[-1]
    assert last.startswith("same-train: ")
    for word in words:
        assert word in last


@pytest.mark.parametrize("save", [1, 3])
def test_a_run_killed_while_saving_goes_on_exactly(save, data, tmp_path, undisturbed):
    out = tmp_path / "run"
    killed = same_train(f"killed:{save}", data, out)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(out.glob(".state.pt.*.partial"))) == 1
    assert (out / "state.pt").exists() == (save > 1)
    assert_goes_on_to_the_same_weights(data, out, undisturbed)


def test_a_stop_between_state_and_weights_is_mended(data, tmp_path, undisturbed):
    out = tmp_path / "run"
    assert same_train("none", data, out).returncode == 0
    (out / "model.safetensors").unlink()
    assert_goes_on_to_the_same_weights(data, out, undisturbed)


def test_a_file_that_may_not_grow_ends_in_one_line(data, tmp_path, undisturbed):
    out = tmp_path / "run"
    assert_one_line(
        same_train("file-limit:60000", data, out), str(out), "File too large", "goes on from it"
    )
    assert not (out / "state.pt").exists() and not list(out.glob(".*partial"))
    assert_goes_on_to_the_same_weights(data, out, undisturbed)


def test_a_full_disk_ends_in_one_line_and_the_run_goes_on(data, tmp_path, undisturbed):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount a tmpfs")
    try:
        out, filler = disk / "run", disk / "filler"
        # Every free byte but one page: the first file that is written meets the end of the disk.
        free = 16 << 20
        with filler.open("wb") as file:
            file.write(bytes(free - 8192))
        assert_one_line(same_train("none", data, out), str(out), "No space left")
        assert not list(out.glob(".*partial"))
        filler.unlink()
        filler.write_bytes(bytes(free - (3 << 20)))
        assert_one_line(same_train("none", data, out), str(out), "No space left")
        assert not list(out.glob(".*partial"))
        filler.unlink()
        assert_goes_on_to_the_same_weights(data, out, undisturbed)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_saves_the_step_it_came_in_and_says_how_to_go_on(data, tmp_path, undisturbed):
    out = tmp_path / "run"
    stopped = same_train("ctrl-c:3", data, out)
    assert stopped.returncode == 130, stopped.stderr
    assert "stopped at step 3 of 6, all of it saved: the same command goes on" in stopped.stderr
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 3
    assert_goes_on_to_the_same_weights(data, out, undisturbed)
