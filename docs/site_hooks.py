"""Pages of the site that are made from the code: every command's help, the API, the changelog."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import same_runtime

ROOT = Path(__file__).resolve().parents[1]
ALSO_PUBLIC = ("same_engines", "same_runtime.outputs", "same_runtime.recording")
"""Modules beside ``same_runtime`` whose exported names applications use."""


def on_config(config: Any) -> Any:
    """Say which version the pages describe, and when they were built."""
    day = datetime.now(timezone.utc).date()
    config.copyright = f"same-runtime {version('same-runtime')}, built {day}. Apache-2.0."
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are generated."""
    pages = {
        "reference/commands.md": commands_page(),
        "reference/api.md": api_page(),
        "reference/changelog.md": (ROOT / "CHANGELOG.md").read_text(),
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def commands() -> Iterator[tuple[str, ...]]:
    """Every command of the package and every subcommand, as typed."""
    for entry in sorted(entry_points(group="console_scripts"), key=lambda e: e.name):
        if not entry.value.startswith("same_"):
            continue
        yield (entry.name,)
        for name in getattr(import_module(entry.module), "_COMMANDS", ()):
            yield entry.name, name


def help_of(command: tuple[str, ...]) -> str:
    """What ``--help`` of the command prints."""
    (entry,) = (e for e in entry_points(group="console_scripts") if e.name == command[0])
    printed = io.StringIO()
    before = sys.argv
    os.environ["COLUMNS"] = "100"
    sys.argv = [*command, "--help"]
    try:
        with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
            entry.load()()
    finally:
        sys.argv = before
        del os.environ["COLUMNS"]
    return printed.getvalue().strip()


def commands_page() -> str:
    """The options of every command, as ``--help`` prints them."""
    parts = [
        "# Options of every command\n\nMade from `--help`; see [what all share](../commands.md)."
    ]
    for command in commands():
        level = "##" if len(command) == 1 else "###"
        parts.append(f"{level} {' '.join(command)}\n\n```text\n{help_of(command)}\n```")
    return "\n\n".join(parts) + "\n"


def api_page() -> str:
    """The public names, with their docstrings."""
    parts = [
        "# Python API\n\nWhat is on this page is public: see [stability](../support.md#stability)."
    ]
    parts += [f"::: same_runtime.{name}" for name in same_runtime.__all__ if name != "__version__"]
    for module in ALSO_PUBLIC:
        names = [n for n in import_module(module).__all__ if n not in same_runtime.__all__]
        parts += [f"::: {module}.{name}" for name in names]
    return "\n\n".join(parts) + "\n"
