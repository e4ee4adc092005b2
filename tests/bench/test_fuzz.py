"""Hostile files: those that something once fell over, and new ones by the minute."""

import json
import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from same_bench.fuzz import attack as attack_module
from same_bench.fuzz.attack import attack, make_input, read_one
from same_bench.fuzz.mutate import mutated_bytes, mutated_json, mutated_text
from same_bench.fuzz.target import BUNDLE, Target
from same_bench.fuzz.targets import TARGETS
from same_engines.errors import BundleError

if not BUNDLE.exists():
    pytest.skip(
        "needs same_bench from a checkout, whose fixtures it changes", allow_module_level=True
    )

CORPUS = Path(__file__).parents[1] / "fixtures" / "fuzz"
FILES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_fell_is_refused(path: Path, tmp_path: Path) -> None:
    assert read_one(TARGETS[path.parent.name](), path.read_bytes(), tmp_path) is False


def test_every_reader_has_its_files() -> None:
    assert {path.parent.name for path in FILES} == set(TARGETS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_only_typed_errors_come_out(name: str, tmp_path: Path) -> None:
    outcome = attack(name, int(time.time()), 10**6, 60.0, tmp_path)
    assert not outcome.fell, f"{outcome.kept} in {tmp_path}"
    assert outcome.refused > 0 and outcome.read + outcome.refused == outcome.inputs


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"checkpoint", "delta"}))
def test_the_same_seed_makes_the_same_file(name: str) -> None:
    first, second = TARGETS[name](), TARGETS[name]()
    made = [make_input(first, 3, number) for number in range(20)]
    assert made == [make_input(second, 3, number) for number in range(20)]
    assert len(set(made)) > 15


def test_numbers_beyond_float_may_be_changed_again() -> None:
    for seed in range(500):
        mutated_json(Random(seed), [10**400])


def test_changes_change_something() -> None:
    rng = Random(0)
    content = {"a": [1, 2.5, "x"], "b": {"c": None}}
    assert sum(mutated_json(rng, content) != content for _ in range(50)) > 40
    assert content == {"a": [1, 2.5, "x"], "b": {"c": None}}
    assert sum(mutated_bytes(rng, b"abcdef" * 9) != b"abcdef" * 9 for _ in range(50)) > 40
    assert sum(mutated_text(rng, "a b\nc d") != b"a b\nc d" for _ in range(50)) > 40


def fall(path: Path) -> None:
    number = int(path.read_bytes())
    if number == 1:
        raise ValueError("raw")
    if number == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 3:
        while True:
            pass
    if number == 4:
        raise BundleError("typed")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_whatever_falls_is_counted_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a reader that is known to fall in every way there is."""
    monkeypatch.setattr(attack_module, "LONGEST_S", 0.5)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from same_bench.fuzz import attack\n"
        "from same_bench.fuzz.targets import Target\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_fuzz\n"
        "attack.TARGETS['falling'] = lambda: Target(test_fuzz.numbered, test_fuzz.fall)\n"
        "n, s, a, i, t, f = sys.argv[1:]\n"
        "attack._child(n, int(s), int(a), int(i), float(t), Path(f))\n"
    )
    popen = attack_module.subprocess.Popen
    monkeypatch.setattr(
        attack_module.subprocess,
        "Popen",
        lambda command, **more: popen([command[0], "-c", code, *command[4:]], **more),
    )
    monkeypatch.setitem(TARGETS, "falling", lambda: Target(numbered, fall))
    outcome = attack("falling", 0, 6, 300.0, tmp_path)
    assert outcome.fell == {"ValueError": 1, "died_11": 1, "hang": 1}
    assert outcome.inputs == 6
    kept = {path.name: int(path.read_bytes()) for path in tmp_path.iterdir()}
    assert kept == {"0-1-ValueError": 1, "0-2-died_11": 2, "0-3-hang": 3}


def numbered(rng: Random) -> bytes:
    """The number of the file, found by what its generator begins with."""
    state = rng.getstate()
    return next(b"%d" % n for n in range(100) if Random(f"0:{n}").getstate() == state)


def test_the_record_says_what_ran(tmp_path: Path) -> None:
    from same_bench.cli import main

    out = tmp_path / "fuzz.json"
    given = ["fuzz", "--targets", "npy", "--inputs", "20", "--out", str(out)]
    assert main([*given, "--found", str(tmp_path / "found")]) == 0
    row = json.loads(out.read_text())["targets"]["npy"]
    assert row["inputs"] == row["read"] + row["refused"] == 20 and row["fell"] == {}
