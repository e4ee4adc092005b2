"""The source distribution builds, installs and tracks on every Python that is supported."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging_environment import ROOT, Environment

pytestmark = pytest.mark.slow

_PROJECT = (ROOT / "pyproject.toml").read_text()
SUPPORTED = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', _PROJECT)
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_oldest_supported_version_is_the_one_that_is_required() -> None:
    assert f'requires-python = ">={SUPPORTED[0]}"' in _PROJECT
    assert HERE in SUPPORTED


def find_python(version: str) -> str | None:
    """An interpreter of ``version`` that starts: on the path, or one of pyenv's."""

    def said(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    name = f"python{version}"
    if shutil.which(name) and said(name, "--version"):
        return name
    if shutil.which("pyenv"):
        for installed in said("pyenv", "whence", name).split():
            return str(Path(said("pyenv", "prefix", installed)) / "bin" / name)
    return None


@pytest.mark.parametrize("version", [version for version in SUPPORTED if version != HERE])
def test_the_demo_runs_on(version: str, distributions, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"needs python{version} on the path, or in pyenv")
    made = Environment(tmp_path / "venv", tmp_path)
    subprocess.run([python, "-m", "venv", made.folder], check=True)
    done = made.run("python", "-m", "pip", "install", "--quiet", distributions.sdist)
    assert done.returncode == 0, done.stderr[-2000:]
    done = made.run("same-track", "--demo", "--out", "demo")
    assert done.returncode == 0, done.stderr
    assert "303 frames" in done.stdout
