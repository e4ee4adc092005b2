"""The distributions, built once, and an environment of its own with the wheel in it."""

import os
import shutil
import subprocess
import sys

import pytest
from packaging_environment import ROOT, Distributions, Environment


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Source distribution, and the wheel built from it alone."""
    pytest.importorskip("build", reason="needs pip install .[dev]")
    folder = tmp_path_factory.mktemp("dist")
    variables = dict(os.environ)
    if shutil.which("ccache"):
        variables["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, ROOT],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def environment(
    distributions: Distributions, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """The wheel with its own dependencies, pytest and hypothesis: no PyTorch, no ONNX."""
    made = Environment(tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("elsewhere"))
    subprocess.run([sys.executable, "-m", "venv", made.folder], check=True)
    done = made.run(
        "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        ROOT / "constraints.txt",
        distributions.wheel,
        "pytest",
        "hypothesis",
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return made
