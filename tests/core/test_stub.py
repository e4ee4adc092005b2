"""The committed type stub is the one that the built module gives."""

import importlib.util
from pathlib import Path

import pytest

REPO_ROOT = Path(__file__).resolve().parents[2]


def test_stub_is_current(tmp_path: Path) -> None:
    pytest.importorskip("pybind11_stubgen", reason="needs pip install .[dev]")
    spec = importlib.util.spec_from_file_location(
        "generate_stub", REPO_ROOT / "cpp" / "generate_stub.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    committed = (REPO_ROOT / "same_runtime" / "_core.pyi").read_text()
    assert module.generate_stub(tmp_path).read_text() == committed, (
        "run: python cpp/generate_stub.py"
    )
