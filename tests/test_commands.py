"""Every command: complete --help, also without extras, alike options, one-line errors."""

import dataclasses
import importlib
import math
import os
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from recordings import write_made_up

from same_engines.errors import SameError
from same_runtime.cli.command import EXIT_PIPE_CLOSED, load

COMMANDS = sorted(
    entry.name for entry in entry_points(group="console_scripts") if entry.value.startswith("same_")
)


def run(name: str, arguments: list[str], monkeypatch, capsys) -> tuple[int, str, str]:
    entry = next(e for e in entry_points(group="console_scripts") if e.name == name)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    try:
        code = entry.load()()
    except SystemExit as stop:
        code = stop.code
    streams = capsys.readouterr()
    return code or 0, streams.out, streams.err


def subcommands(name: str) -> list[str]:
    """``name`` and every subcommand of it, such as ``same-data synth``."""
    (entry,) = (e for e in entry_points(group="console_scripts") if e.name == name)
    table = getattr(importlib.import_module(entry.module), "_COMMANDS", {})
    return [name, *(f"{name} {subcommand}" for subcommand in table)]


EVERY_COMMAND = [command for name in COMMANDS for command in subcommands(name)]


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_help_says_what_every_option_means(command: str, monkeypatch, capsys) -> None:
    name, *subcommand = command.split()
    code, out, _ = run(name, [*subcommand, "--help"], monkeypatch, capsys)
    assert code == 0
    assert f"usage: {name}" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    about = plain.split("options")[0].splitlines()[1:]
    assert len(re.findall("[A-Za-z]{3,}", " ".join(about))) > 8, "no description"
    rows = [row.strip("\u2502| ") for row in plain.splitlines() if row[:1] in ("\u2502", "|", " ")]
    assert sum(row.startswith("--") for row in rows) > 2 * bool(subcommand)
    for row in rows:
        option = re.match(r"(--[a-z0-9][a-z0-9.-]*|-h, --help|\[?[A-Z]{4,}\]?)( \S+)?(.*)", row)
        if option:
            words = re.findall(
                r"[A-Za-z]{3,}", option[3] + " ".join(rows[rows.index(row) + 1 :][:1])
            )
            assert len(words) >= 3, f"{name} {option[1]} is not explained"
    assert not re.search(r"--\S*no-\S+.*\(default: True\)", plain), (
        "a flag that reads as its opposite"
    )


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_every_command_has_the_same_common_options(command: str, monkeypatch, capsys) -> None:
    name, *subcommand = command.split()
    assert run(name, [*subcommand, "--version"], monkeypatch, capsys)[:2] == (
        0,
        f"{name} {version('same-runtime')}\n",
    )
    if subcommand or command in ("same-track", "same-export"):
        _, out, _ = run(name, [*subcommand, "--help"], monkeypatch, capsys)
        assert "-q, --quiet" in out and "-v, --verbose" in out
        assert not re.search(r"--(report-file|output|checkpoint|model)\b", out), "another name"


def number_type(hint: object) -> type | None:
    """``int`` or ``float`` where an option is one, or may be."""
    kinds = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        return number_type(kinds[0])
    if isinstance(hint, types.UnionType):
        return next((kind for kind in kinds if kind in (int, float)), None)
    return hint if hint in (int, float) else None


def number_options(options: object) -> Iterator[tuple[object, str, float]]:
    """Every number among ``options``, with a value that none of them can have."""
    hints = typing.get_type_hints(type(options), include_extras=True)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        kind = number_type(hints[field.name])
        if dataclasses.is_dataclass(value):
            yield from number_options(value)
        elif kind is not None:
            yield options, field.name, -(10**12) if kind is int else math.nan


WITH_OPTIONS = [c for c in EVERY_COMMAND if " " in c or subcommands(c) == [c]]


@pytest.mark.parametrize("command", WITH_OPTIONS)
def test_numbers_out_of_range_are_refused_before_any_work(command: str) -> None:
    name, *subcommand = command.split()
    (entry,) = (e for e in entry_points(group="console_scripts") if e.name == name)
    place = f"{entry.module}:{name.split('-')[1].title()}Command"
    if subcommand:
        place = importlib.import_module(entry.module)._COMMANDS[subcommand[0]].options
    kind = load(place)
    hints = typing.get_type_hints(kind, include_extras=True)
    needed = {
        f.name: (Path("a"), Path("b")) if "tuple" in str(hints[f.name]) else Path("a")
        for f in dataclasses.fields(kind)
        if f.default is f.default_factory is dataclasses.MISSING
    }
    if "stage" in needed:
        needed["stage"] = "joint"
    for options, option, impossible in number_options(kind(**needed)):
        with pytest.raises(SameError, match=option):
            dataclasses.replace(options, **{option: impossible})


TALKATIVE = """
import sys
from same_runtime.cli import command, console

def say(_):
    for _ in range(9999):
        console.results().print("x" * 99)

sys.exit(command.run_command("say", Options, say, []))
"""


def test_a_pipe_whose_reader_left_has_an_exit_code_of_its_own() -> None:
    options = "from dataclasses import dataclass\n@dataclass\nclass Options:\n    words: int = 1\n"
    talking = subprocess.Popen(
        [sys.executable, "-c", options + TALKATIVE], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert talking.stdout is not None
    talking.stdout.close()
    assert talking.communicate()[1] == b"" and talking.returncode == EXIT_PIPE_CLOSED


EXTRAS = (
    "torch",
    "onnx",
    "onnx_ir",
    "onnxscript",
    "safetensors",
    "numba",
    "matplotlib",
    "openvino",
)
WITHOUT_EXTRAS = f"""
import importlib, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for line in sys.stdin.read().splitlines():
    module, *sys.argv = line.split()
    try:
        code = importlib.import_module(module).main()
    except SystemExit as stop:
        code = stop.code
    print(f"\\n[{{code or 0}}]", *sys.argv, flush=True)
"""


def without_extras(*commands: str) -> tuple[str, str]:
    """What the commands print in a process where no extra is installed."""
    modules = {e.name: e.module for e in entry_points(group="console_scripts")}
    lines = "\n".join(f"{modules[command.split()[0]]} {command}" for command in commands)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], input=lines, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_help_needs_none_of_the_extras() -> None:
    out, err = without_extras(*(f"{command} --help" for command in EVERY_COMMAND))
    assert not err
    assert [f"[0] {command} --help" in out for command in EVERY_COMMAND] == [True] * len(
        EVERY_COMMAND
    )


def test_a_missing_extra_is_one_line_that_says_how_to_install_it(tmp_path: Path) -> None:
    commands = {
        f"same-export --ckpt {tmp_path}/a.pt": "export",
        f"same-eval {tmp_path}/a.pt --data {tmp_path}": "train",
        f"same-train visual --data {tmp_path} --out {tmp_path}/out": "train",
        f"same-train all --out {tmp_path}/all": "train",
        f"same-data synth --out {tmp_path}/data --procedural 1 --workers 1": "train",
    }
    for command, extra in commands.items():
        out, err = without_extras(command)
        assert f"[2] {command}" in out
        (line,) = err.strip().splitlines()
        assert re.search(rf"pip install --constraint '\S+' (-e )?'.*\[{extra}\]'$", line), line


def test_results_in_a_pipe_are_not_wrapped(tmp_path: Path, tiny_bundle: Path, small_rig) -> None:
    recording = write_made_up(tmp_path / "made-up.mcap", small_rig, 0.5)
    out = tmp_path / ("a-long-name-of-a-folder-" * 6)
    done = subprocess.run(
        [sys.executable, "-m", "same_runtime.cli.track", recording, "--bundle", tiny_bundle]
        + ["--out", out, "--quiet"],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "COLUMNS"},
    )
    assert done.returncode == 0, done.stderr
    assert f"wrote {out}/: poses.npz, poses.csv, poses.mcap" in done.stdout.splitlines()
    assert "tracking" not in done.stderr, "progress though --quiet"


@pytest.mark.parametrize(
    "command",
    [
        "same_runtime.cli.track --help",
        "same_runtime.cli.track --demo --json --quiet --threads 1",
        "same_model.cli.data --help",
        "same_model.cli.data check --help",
    ],
)
def test_a_reader_that_leaves_is_no_fault(command: str, tmp_path: Path) -> None:
    out = ["--out", str(tmp_path)] if "--demo" in command else []
    with subprocess.Popen(
        [sys.executable, "-m", *command.split(), *out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()  # as `| head` does
        said = process.stderr.read()
    assert process.returncode == 141 and "Traceback" not in said and "Broken" not in said, said


def test_a_shell_can_be_taught_to_complete_every_command() -> None:
    for command in ("same-track", "same-data"):
        out, err = without_extras(f"{command} --tyro-print-completion bash")
        assert f"[0] {command}" in out and not err
        assert "--recording" in out or "synth" in out or "--preview" in out


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_an_unknown_option_is_one_line(command: str, monkeypatch, capsys) -> None:
    name, *subcommand = command.split()
    if name in ("same-data", "same-train") and not subcommand:
        return  # it lists its subcommands
    code, _, err = run(name, [*subcommand, "--no-such-option"], monkeypatch, capsys)
    (line,) = err.strip().splitlines()
    assert code == 2 and line.startswith(name) and line.endswith("--help"), line
    assert "--no-such-option" in line or "Missing " in line, line
    assert "options." not in line, line


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("same-data synth", r"same-data synth: Missing from .*: --out PATH Folder .*; see .*"),
        ("same-track --backen onnx x.mcap", r".*--backen, onnx, x.mcap; perhaps --backend; see .*"),
        ("same-bench --duration", r".*Missing value for argument '--duration'.*"),
        ("same-data check", r"same-data check: Missing from .*: PATH Folder .*; see .*"),
        ("same-data check --json", r".* PATH .*; see same-data check --help"),
        ("same-track a b c", r"same-track: .*: b, c; see same-track --help"),
        ("same-data synth --out d --split no", r".*'no'.*'--split'.*'train', .*; see .*"),
        ("same-train visual --data d --out o --steps x", r".*--steps: .*'x'.*; see .*"),
    ],
)
def test_what_the_parser_refuses_is_one_line(command: str, said: str, monkeypatch, capsys) -> None:
    name, *arguments = command.split()
    code, out, err = run(name, arguments, monkeypatch, capsys)
    assert code == 2 and not out
    (line,) = err.strip().splitlines()
    assert re.fullmatch(said, line), line


@pytest.mark.parametrize("option", ["joint-filter", "imu-filter"])
@pytest.mark.parametrize("value", [True, False])
def test_what_a_checkpoint_decides_can_be_decided_otherwise(
    option: str, value: bool, monkeypatch, capsys
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("same_model.training.run.train", asked.append)
    arguments = ["temporal", "--data", "d", "--out", "o", f"--{option}", str(value)]
    code, _, err = run("same-train", arguments, monkeypatch, capsys)
    assert code == 0, err
    (config,) = asked
    assert getattr(config, option.replace("-", "_")) is value


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("same-track", [], "--demo"),
        ("same-track", ["nothing.mcap"], "nothing.mcap: cannot be read"),
        ("same-track", ["a.mcap", "--demo"], "name one recording"),
        ("same-export", ["--ckpt", "nothing.pt"], "nothing.pt: no such file"),
        ("same-export", ["nothing.pt"], "nothing.pt: no such file"),
        ("same-export", ["nothing.same", "--sign", "key.pem"], "nothing.same"),
        ("same-export", ["a.pt", "--ckpt", "b.pt"], "name one checkpoint"),
        ("same-eval", ["a.pt", "--bundle", "b.same", "--data", "d"], "name one of INPUT"),
        ("same-eval", ["--data", "d"], "name one of INPUT"),
        ("same-data", ["no-such"], "expected synth, "),
        ("same-export", ["--ckpt", "model.txt"], "no such file"),
        ("same-data", ["synth", "--out", "a", "--restyle", "9"], "restyle: expected 0 to 3"),
    ],
)
def test_mistakes_are_one_line_with_exit_code_two(
    name: str, arguments: list[str], message: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(name, arguments, monkeypatch, capsys)
    assert code == 2
    assert message in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_every_option_has_a_docstring() -> None:
    for module, cls in (
        ("same_runtime.cli.track", "TrackCommand"),
        ("same_export.cli", "ExportCommand"),
    ):
        options = getattr(importlib.import_module(module), cls)
        source = Path(sys.modules[module].__file__ or "").read_text()
        for field in dataclasses.fields(options):
            assert re.search(rf"    {field.name}: .*\n    \"\"\"", source), f"{cls}.{field.name}"
