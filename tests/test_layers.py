"""The arrows between packages only point down, and what ships to a headset needs no PyTorch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "same_engines": ROOT / "engines" / "same_engines",
    "same_runtime": ROOT / "same_runtime",
    "same_model": ROOT / "model" / "same_model",
    "same_export": ROOT / "export" / "same_export",
    "same_bench": ROOT / "benchmarks" / "same_bench",
}
MAY_IMPORT = {
    "same_engines": set(),
    "same_runtime": {"same_engines"},
    "same_model": {"same_runtime", "same_engines"},
    "same_export": {"same_model", "same_runtime", "same_engines"},
    "same_bench": {"same_runtime", "same_engines", "same_model", "same_export"},
}
NO_TORCH = ("same_engines", "same_runtime")


def imported_packages(source: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_only_point_down(package: str) -> None:
    sources = list(PACKAGES[package].rglob("*.py"))
    assert sources
    for source in sources:
        imported = imported_packages(source)
        upward = (imported & PACKAGES.keys()) - MAY_IMPORT[package] - {package}
        assert not upward, f"{source.relative_to(ROOT)} imports {upward}"
        if package in NO_TORCH:
            assert "torch" not in imported, source


def test_the_runtime_works_where_torch_cannot_be_imported() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['onnx'] = None\n"
        "import same_runtime, same_runtime.cli.track, same_engines\n"
        "print('fine')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "fine", result.stderr
