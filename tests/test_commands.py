"""Every command: complete --help, one-line errors, exit codes, no tracebacks for mistakes."""

import dataclasses
import importlib
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_every_option_means(name: str, monkeypatch, capsys) -> None:
    code, out, _ = run(name, ["--help"], monkeypatch, capsys)
    assert code == 0
    assert f"usage: {name}" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    about = plain.split("options")[0].splitlines()[1:]
    assert len(re.findall("[A-Za-z]{3,}", " ".join(about))) > 8, "no description"
    rows = [row.strip("\u2502 ") for row in plain.splitlines() if row.startswith("\u2502")]
    for row in rows:
        option = re.match(r"(--[a-z0-9-]+|-h, --help)( \S+)?(.*)", row)
        if option:
            words = re.findall(
                r"[A-Za-z]{3,}", option[3] + " ".join(rows[rows.index(row) + 1 :][:1])
            )
            assert len(words) >= 3, f"{name} {option[1]} is not explained"


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_a_short_error(name: str, monkeypatch, capsys) -> None:
    code, _, err = run(name, ["--no-such-option"], monkeypatch, capsys)
    assert code == 2
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("same-track", [], "--demo"),
        ("same-track", ["nothing.mcap"], "nothing.mcap: cannot be read"),
        ("same-track", ["a.mcap", "--demo"], "name one recording"),
        ("same-export", ["--ckpt", "nothing.pt"], "nothing.pt: no such file"),
        ("same-export", ["--ckpt", "model.txt"], "expected a name ending in .pt"),
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
