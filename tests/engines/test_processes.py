"""Asking whether a process runs never disturbs it; ours find the installed packages anywhere."""

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import same_engines
from same_engines.processes import (
    is_process_alive,
    module_command,
    process_space,
    python_command,
)

ROOT = Path(__file__).resolve().parents[2]


def test_running_and_ended_processes_are_told_apart() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_process_alive(process.pid)
    process.communicate(b"\n")
    assert not is_process_alive(process.pid)
    assert is_process_alive(os.getpid())
    assert is_process_alive(1)  # not ours to signal
    assert not is_process_alive(0)
    assert not is_process_alive(-1)
    assert not is_process_alive(2**80)


def test_processes_of_one_machine_and_container_share_their_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = "from same_engines.processes import process_space; print(process_space())"
    told = subprocess.run(python_command(code), capture_output=True, text=True, check=True)
    assert told.stdout.strip() == process_space()
    spaces = {process_space()}
    monkeypatch.setattr(os, "readlink", lambda _: "pid:[1]")
    spaces.add(process_space())
    monkeypatch.setattr(Path, "read_text", lambda _: "another start")
    spaces.add(process_space())
    monkeypatch.setattr(os, "readlink", absent)
    for name in ("first", "second"):
        monkeypatch.setattr(platform, "node", lambda name=name: name)
        spaces.add(process_space())
    assert len(spaces) == 5
    assert all(int(space, 16) >= 0 and len(space) == 8 for space in spaces)


def absent(_: object) -> str:
    raise FileNotFoundError


def kernel32(*_: object, **__: object) -> SimpleNamespace:
    """Windows' own functions, for the processes 10 (runs), 11 (ended) and 12 (not ours)."""
    return SimpleNamespace(
        OpenProcess=lambda access, inherit, pid: pid if pid in (10, 11) else None,
        WaitForSingleObject=lambda handle, milliseconds: 0x102 if handle.value == 10 else 0,
        CloseHandle=lambda handle: None,
    )


@pytest.mark.parametrize(
    ("pid", "error", "alive"), [(10, 0, True), (11, 0, False), (12, 5, True), (13, 87, False)]
)
def test_windows_is_asked_without_a_signal(
    monkeypatch: pytest.MonkeyPatch, pid: int, error: int, alive: bool
) -> None:
    def kill(*_: object) -> None:
        raise AssertionError("os.kill(pid, 0) sends CTRL_C there")

    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(ctypes, "WinDLL", kernel32, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert is_process_alive(pid) is alive


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Its packages cannot be imported, as sources without their core."""
    for package in ("same_engines", "json"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('hidden')")
    return tmp_path


def test_code_finds_the_installed_package(checkout: Path) -> None:
    code = "import same_engines; print(same_engines.__file__, *sys.argv[1:])"
    done = subprocess.run(
        python_command(code, "a", "b"), cwd=checkout, capture_output=True, text=True
    )
    assert done.stdout.split() == [same_engines.__file__, "a", "b"], done.stderr


def test_a_module_is_run_as_the_interpreter_does(checkout: Path) -> None:
    done = subprocess.run(
        module_command("json.tool", "--indent", "1"),
        cwd=checkout,
        input="[1]",
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[\n 1\n]\n", done.stderr


def test_no_code_starts_an_interpreter_in_another_way() -> None:
    folders = ("same_runtime", "engines", "export", "model", "benchmarks")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        for flag in ("-c", "-m"):
            assert f'sys.executable, "{flag}"' not in text or path.name == "processes.py", path
