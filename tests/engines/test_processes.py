"""Asking whether a process runs never disturbs it."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from same_engines.processes import is_process_alive


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
