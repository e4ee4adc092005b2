"""JSON records of the benchmarks: what was run, where, and what it found."""

import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from same_bench.measuring.machine import machine_facts, thread_settings, versions
from same_bench.reporting.report import write_whole
from same_engines import Bundle, Engine
from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.bundle.reader import sha256_file


def command_line() -> str:
    """How this ``same-bench`` was called."""
    return shlex.join(["same-bench", *sys.argv[1:]])


def about_the_run(schema: str, bundle: Bundle | None = None) -> dict[str, Any]:
    """What every record begins with; ``bundle``: the one that is measured, where it is one."""
    measured = {} if bundle is None else _about_the_bundle(bundle)
    return {
        "schema": schema,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command_line(),
        **measured,
        "machine": machine_facts(),
        "versions": versions(),
        "thread_environment": thread_settings(),
    }


def _about_the_bundle(bundle: Bundle) -> dict[str, str]:
    return {
        "preset": bundle.manifest.preset,
        "bundle_sha256": sha256_file(bundle.path / MANIFEST_NAME),
    }


def about_the_engine(engine: Engine) -> dict[str, str]:
    """Backend and precision that ran, whatever was asked for."""
    return {"backend": engine.backend, "precision": engine.precision}


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record whole or not at all. Raises ``RecordingError`` when the disk refuses."""
    write_whole(path, json.dumps(content, indent=1) + "\n")
