"""The distributions, built once, and an environment of its own with the wheel in it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Distributions:
    """What ``python -m build`` makes of the checkout."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has nothing but what was installed into it."""

    folder: Path
    work: Path
    """An empty folder outside the checkout to run things in."""

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in ``work``."""
        programs = self.folder / ("Scripts" if os.name == "nt" else "bin")
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        variables["PATH"] = os.pathsep.join([str(programs), variables.get("PATH", "")])
        return subprocess.run(
            [programs / program, *map(str, arguments)],
            cwd=self.work,
            env=variables,
            capture_output=True,
            text=True,
        )


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
