"""Sdist and wheel have what they should and nothing else, and the wheel tracks on its own."""

import subprocess
import sys
import tarfile
import zipfile
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PACKAGES = ("same_engines", "same_runtime", "same_model", "same_export", "same_bench")
DATA = {"same_runtime/demo_data", "same_runtime/native", "same_model/synth"}
"""Folders of the wheel that may hold more than code: the demo, the C library with its header,
the body and the splits."""
CODE = {".py", ".pyi", ".typed", ".css", ".js", ".html", ".LICENSE", ".so", ".pyd", ".cuh", ".hpp"}


def test_the_sdist_holds_the_sources_and_no_data_of_tests_or_results(distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        files = [PurePosixPath(m.name).relative_to(m.name.split("/")[0]) for m in archive]
    top = {path.parts[0] for path in files if path.parts}
    assert top == {
        "CMakeLists.txt",
        "LICENSE",
        "NOTICE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
        "benchmarks",
        "cmake",
        "cpp",
        "engines",
        "examples",
        "export",
        "model",
        "same_runtime",
        "third_party",
        "CHANGELOG.md",
        "constraints.txt",
        "docs",
    }
    assert not [path for path in files if path.suffix in (".safetensors", ".pt", ".npy", ".webp")]
    recordings = [path for path in files if path.suffix == ".mcap"]
    assert recordings == [PurePosixPath("same_runtime/demo_data/demo.mcap")]
    # The demo's bundle and recording are most of it.
    assert distributions.sdist.stat().st_size < 15e6


def test_the_wheel_holds_the_packages_typed_and_no_more(distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        files = [PurePosixPath(name) for name in archive.namelist()]
    packages = {path.parts[0] for path in files if not path.parts[0].endswith(".dist-info")}
    assert packages == set(PACKAGES)
    for package in PACKAGES:
        assert PurePosixPath(package, "py.typed") in files
    others = [
        str(path)
        for path in files
        if path.parts[0] in PACKAGES
        and path.suffix not in CODE
        and not any(PurePosixPath(folder) in path.parents for folder in DATA)
    ]
    assert others == []
    assert distributions.wheel.stat().st_size < 15e6


def test_the_demo_runs_outside_the_checkout(environment) -> None:
    done = environment.run("same-track", "--demo", "--preview", "--out", "demo")
    assert done.returncode == 0, done.stderr
    poses = np.load(environment.work / "demo" / "poses.npz")
    assert len(poses["timestamp_ns"]) >= 300 and (poses["status"][32:] == "VALID").all()
    assert (environment.work / "demo" / "preview.png").stat().st_size > 1000


def test_the_benchmark_runs_outside_the_checkout(environment) -> None:
    done = environment.run("same-bench", "latency", "--duration", "1s", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "single-stream" in done.stdout


def test_every_help_works_without_extras_and_a_missing_one_is_a_line(environment) -> None:
    for entry in entry_points(group="console_scripts"):
        if not entry.value.startswith("same_"):
            continue
        for subcommand in ("", *getattr(import_module(entry.module), "_COMMANDS", ())):
            done = environment.run(entry.name, *subcommand.split(), "--help")
            assert done.returncode == 0 and not done.stderr, done.stderr
            assert done.stdout.startswith(f"usage: {entry.name}")
    for command in ("same-export a.pt", "same-eval a.pt --data .", "same-train all --out run"):
        done = environment.run(*command.split())
        (line,) = done.stderr.strip().splitlines()
        assert done.returncode == 2 and "pip install '" in line, line


def test_a_typo_in_an_applications_code_is_found_by_mypy(environment, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="needs pip install .[dev]")
    (tmp_path / "app.py").write_text(
        "from same_runtime import SamePoseTracker\n"
        "def show(tracker: SamePoseTracker) -> None:\n"
        "    print(tracker.latest().joints_world)\n"
        "    print(tracker.latest().joints_wrld)\n"
    )
    python = environment.folder / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--python-executable", python, "app.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert 'app.py:4: error: "Pose" has no attribute "joints_wrld"' in done.stdout
    assert "Found 1 error" in done.stdout
