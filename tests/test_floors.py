"""The oldest versions that pyproject.toml declares still work, and the constraints leave them."""

import re
import subprocess
import sys
from importlib import metadata
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


def test_no_constraint_asks_for_what_the_oldest_python_cannot_have() -> None:
    """Else nothing that is installed with them, `make demo` first, installs there."""
    specifiers = pytest.importorskip("packaging.specifiers", reason="needs pip install .[dev]")
    (oldest,) = re.findall(
        r'^requires-python = ">=(3\.\d+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    checked = 0
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        pin, _, marker = line.partition("; ")
        name, _, version = pin.partition("==")
        try:
            installed = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        if line.startswith("#") or installed["Version"] != version:
            continue
        checked += 1
        needs = installed["Requires-Python"] or ""
        assert oldest in specifiers.SpecifierSet(needs) or "python_version >=" in marker, line
    assert checked > 10


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
