"""Only one ONNX Runtime at a time, and a clear line where there are two."""

import logging
from pathlib import Path

import pytest

from same_engines import Bundle, open_engine
from same_engines.errors import EngineError
from same_engines.onnxruntime import cuda_engine
from same_engines.onnxruntime.installed import (
    DISTRIBUTIONS,
    describe_shadowing,
    installed_distributions,
    warn_of_shadowing,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def two_runtimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip leaves behind when the GPU distribution is installed over the CPU one."""
    for name, version in (("onnxruntime", "1.31.1"), ("onnxruntime_gpu", "1.30.0")):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        about = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        (folder / "METADATA").write_text(about)
    monkeypatch.syspath_prepend(str(tmp_path))
    warn_of_shadowing.cache_clear()


def test_one_distribution_is_as_it_should_be() -> None:
    (found,) = installed_distributions()
    assert found.startswith("onnxruntime")
    assert describe_shadowing() is None


def test_two_are_named_once_at_open(
    two_runtimes: None, tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "same"):
        for _ in range(2):
            open_engine(Bundle.open(tiny_bundle), "onnxruntime", threads=1).close()
    warn_of_shadowing.cache_clear()
    (said,) = [message for message in caplog.messages if message.startswith("onnxruntime: ")]
    assert "onnxruntime 1.31.1 and onnxruntime-gpu 1.30.0 are installed over each other" in said
    assert "pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in said
    assert "\n" not in said


def test_the_cuda_backend_says_what_is_in_its_way(
    two_runtimes: None, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Device:
        def close(self) -> None:
            pass

    monkeypatch.setattr(cuda_engine, "CudaDevice", Device)
    with pytest.raises(EngineError, match=r"without CUDA; .*over each other"):
        cuda_engine.open_onnxruntime_cuda_engine(Bundle.open(tiny_bundle), "fp32")


def test_no_choice_of_extras_installs_two() -> None:
    tomllib = pytest.importorskip("tomllib")
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everything = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    names = {requirements.Requirement(text).name for text in everything}
    assert names & set(DISTRIBUTIONS) == {"onnxruntime"}
