"""Sdist and wheel have what they should and nothing else, and the wheel tracks on its own."""

import tarfile
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pytest

pytestmark = pytest.mark.slow

PACKAGES = ("same_engines", "same_runtime", "same_model", "same_export", "same_bench")
DATA = {"same_runtime/demo_data", "same_model/synth"}
"""Folders of the wheel that may hold more than code: the demo, the body and the splits."""
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
        "cpp",
        "engines",
        "examples",
        "export",
        "model",
        "same_runtime",
        "CHANGELOG.md",
        "constraints.txt",
        "docs",
    }
    assert not [path for path in files if path.suffix in (".safetensors", ".pt", ".npy", ".webp")]
    recordings = [path for path in files if path.suffix == ".mcap"]
    assert recordings == [PurePosixPath("same_runtime/demo_data/demo.mcap")]
    # The demo's bundle and recording are 22 MB of it, and do not compress.
    assert distributions.sdist.stat().st_size < 24e6


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
    assert distributions.wheel.stat().st_size < 24e6


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
