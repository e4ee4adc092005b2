"""Run a target on many changed files in a process of its own, which may die.

The file of a number is made from that number, so the one that a process died of is made again.
"""

import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from same_bench.fuzz.target import Target
from same_bench.fuzz.targets import TARGETS
from same_engines.errors import SameError
from same_engines.processes import module_command

LONGEST_S: Final = 10.0
"""Processor time that a reader may take to refuse a file."""
_LONGEST_WAIT_S: Final = 120.0
"""Time that it may wait, on a machine however busy; one that stands still does not count."""
_LOOK_S: Final = 0.2

_STATE: Final = struct.Struct("<qqqdd")
"""Number of the file being read, how many were read and refused, when it began, and how much
processor time the process had used then."""
_FIRST: Final = 20
"""Files after which a reader has loaded what it needs."""
_MOST_KEPT: Final = 10


@dataclass
class Outcome:
    """What became of the files of one target."""

    inputs: int = 0
    read: int = 0
    """Files that were good enough to be read."""
    refused: int = 0
    """Files that a ``SameError`` refused."""
    fell: Counter[str] = field(default_factory=Counter)
    """Other exceptions, dead processes and readers that took too long, by kind."""
    peak_rss_mb: float = 0.0
    grown_mb: float = 0.0
    """By how much that is more than after the first files, when all code is loaded."""
    slowest_s: float = 0.0
    """Processor time of the slowest file."""
    largest_mb: float = 0.0
    seconds: float = 0.0
    kept: list[str] = field(default_factory=list)
    """Names of the files that something fell over."""


def make_input(target: Target, seed: int, number: int) -> bytes:
    """The changed file of a number."""
    return target.make(Random(f"{seed}:{number}"))


def read_one(target: Target, content: bytes, folder: Path) -> bool:
    """Whether ``content`` was read; False when a ``SameError`` refused it."""
    path = folder / (target.suffix if "." in target.suffix[1:] else f"input{target.suffix}")
    path.write_bytes(content)
    try:
        target.read(path)
    except SameError:
        return False
    return True


def attack(name: str, seed: int, inputs: int, seconds: float, found: Path) -> Outcome:
    """Read up to ``inputs`` changed files for up to ``seconds``. Those that something falls over
    are kept in ``found``."""
    outcome, began, start = Outcome(), time.monotonic(), 0
    found.mkdir(parents=True, exist_ok=True)
    # In memory, where there is such a folder: on a busy disk, writing a file takes longer than
    # reading hundreds.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="same-fuzz-", dir=memory) as folder:
        while start < inputs and time.monotonic() - began < seconds:
            left = seconds - (time.monotonic() - began)
            start = _run_child(name, seed, start, inputs, left, Path(folder), outcome)
    outcome.seconds = time.monotonic() - began
    target = TARGETS[name]()
    for entry in outcome.kept:
        number, _, kind = entry.partition(" ")
        content = make_input(target, seed, int(number))
        (found / f"{seed}-{number}-{kind}").write_bytes(content)
    return outcome


def _run_child(
    name: str, seed: int, start: int, inputs: int, seconds: float, folder: Path, outcome: Outcome
) -> int:
    """Run files from ``start`` on until the child ends; returns the number to go on with."""
    state = folder / "state"
    state.write_bytes(_STATE.pack(start, 0, 0, 0.0, 0.0))
    said = folder / "said"
    given = [str(part) for part in (seed, start, inputs, seconds, folder)]
    command = module_command("same_bench.fuzz.attack", name, *given)
    with said.open("wb") as out, state.open("r+b") as file:
        shared = mmap.mmap(file.fileno(), _STATE.size)
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        hung, since, looks = False, 0.0, 0
        while child.poll() is None:
            time.sleep(_LOOK_S)
            before, (_, _, _, since, used_s) = since, _STATE.unpack(shared[:])
            looks = looks + 1 if since == before else 0
            if since and (
                looks * _LOOK_S > _LONGEST_WAIT_S or _processor_s(child.pid) - used_s > LONGEST_S
            ):
                hung = True
                child.kill()
        number, read, refused, _, _ = _STATE.unpack(shared[:])
        shared.close()
    outcome.read += read
    outcome.refused += refused
    for line in said.read_text().splitlines():
        told = json.loads(line)
        if "peak_rss_mb" in told:
            for name, value in told.items():
                setattr(outcome, name, max(getattr(outcome, name), value))
        else:
            _fell(outcome, told["number"], told["kind"])
    if hung or child.returncode:
        _fell(outcome, number, "hang" if hung else f"died_{-child.returncode}")
        number += 1
    outcome.inputs = number
    return number


def _processor_s(pid: int) -> float:
    """Processor time that a process has used; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fell(outcome: Outcome, number: int, kind: str) -> None:
    outcome.fell[kind] += 1
    if outcome.fell[kind] <= _MOST_KEPT:
        outcome.kept.append(f"{number} {kind}")


def _child(name: str, seed: int, start: int, inputs: int, seconds: float, folder: Path) -> None:
    target = TARGETS[name]()
    ends = time.monotonic() + seconds
    read = refused = 0
    slowest_s = largest_mb = first_mb = 0.0
    number = start
    with (folder / "state").open("r+b") as file:
        shared = mmap.mmap(file.fileno(), _STATE.size)
        while number < inputs and time.monotonic() < ends:
            content = make_input(target, seed, number)
            began_s = time.process_time()
            shared[:] = _STATE.pack(number, read, refused, time.monotonic(), began_s)
            try:
                if read_one(target, content, folder):
                    read += 1
                else:
                    refused += 1
            except Exception as error:
                print(json.dumps({"number": number, "kind": type(error).__name__}), flush=True)
            number += 1
            if number - start > _FIRST:
                slowest_s = max(slowest_s, time.process_time() - began_s)
            else:
                first_mb = peak_rss_mb()
            largest_mb = max(largest_mb, 1e-6 * len(content))
        shared[:] = _STATE.pack(number, read, refused, 0.0, 0.0)
    told = {
        "peak_rss_mb": peak_rss_mb(),
        "grown_mb": peak_rss_mb() - first_mb,
        "slowest_s": slowest_s,
        "largest_mb": largest_mb,
    }
    print(json.dumps({name: round(value, 3) for name, value in told.items()}), flush=True)
    os._exit(0)


def peak_rss_mb() -> float:
    """The most memory that this process ever held, MB; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    # Not ru_maxrss, which begins with what the parent held.
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    _name, _seed, _start, _inputs, _seconds, _folder = sys.argv[1:]
    _child(_name, int(_seed), int(_start), int(_inputs), float(_seconds), Path(_folder))
