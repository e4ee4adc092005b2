"""The oldest versions that pyproject.toml declares still work."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def declared_minimums() -> list[str]:
    """``name==version`` of every dependency of the runtime."""
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    floors = []
    for requirement in project["dependencies"]:
        found = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        assert found, f"{requirement}: declares no minimum"
        floors.append("==".join(found.groups()))
    return floors


def run(*command: str | Path, cwd: Path) -> str:
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd)
    assert made.returncode == 0, f"{command}\n{made.stdout}\n{made.stderr}"
    return made.stdout


@pytest.mark.slow
def test_every_declared_minimum_tracks_the_demo(tmp_path: Path) -> None:
    floors = declared_minimums()
    build = tmp_path / "build"
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "-C", f"build-dir={build}")
    run(*pip, "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("same_runtime-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", wheel, *floors, cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).lower()
    for floor in floors:
        assert re.search(rf"^{re.escape(floor)}(\.0)*$", installed, re.MULTILINE), floor
    for command in ("same-track", "same-export", "same-bench", "same-data"):
        run(python.with_name(command), "--help", cwd=tmp_path)
    told = run(python.with_name("same-track"), "--demo", "--preview", "--out", "out", cwd=tmp_path)
    assert "preview.png" in told
