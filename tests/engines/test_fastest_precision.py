"""A precision that cannot be opened is left out of the choice, not the whole library."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from same_engines import Bundle, Engine, fastest_precision
from same_engines.engine_wrapper import EngineWrapper
from same_engines.errors import BundleError, EngineError
from same_engines.fastest_precision import open_fastest
from same_engines.onnxruntime.engine import OnnxRuntimeEngine

ALL = ("fp32", "bf16", "int8")


class Library:
    """Opens each precision but ``refused``, with the float32 graphs."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.refused, self.opened = bundle, dict[str, Exception](), list[str]()

    def open(self, precision: str) -> Engine:
        self.opened.append(precision)
        if precision in self.refused:
            raise self.refused[precision]
        engine = EngineWrapper(OnnxRuntimeEngine(self.bundle, "fp32", 1))
        engine.precision = precision
        return engine

    def fastest(self) -> str:
        self.opened.clear()
        with open_fastest(self.bundle, "library 1", 1, self.open, ALL) as engine:
            return engine.precision


@pytest.fixture
def library(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    monkeypatch.setenv("SAME_CACHE_DIR", str(tmp_path / "cache"))
    took_ms = {"fp32": 10.0, "bf16": 5.0, "int8": 7.0}
    monkeypatch.setattr(
        fastest_precision, "_shortest_ms", lambda engines: {p: took_ms[p] for p in engines}
    )
    bundle = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "tiny.same"))
    graphs = {**bundle.manifest.graphs, "int8": bundle.manifest.graphs["fp32"]}
    bundle.manifest = replace(bundle.manifest, graphs=graphs)
    return Library(bundle)


def test_what_cannot_be_opened_is_left_out_and_tried_again_at_the_next_start(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    library.refused["bf16"] = EngineError("no usable temporary folder")
    assert library.fastest() == "int8"
    assert library.opened[0] == "fp32"
    assert "precision auto: bf16 is left out: no usable temporary folder" in caplog.text
    library.refused.clear()
    assert library.fastest() == "bf16"
    assert library.fastest() == "bf16" and library.opened == ["bf16"], "remembered"


def test_a_remembered_precision_that_fails_is_replaced_and_taken_again_once_it_works(
    library: Library,
) -> None:
    assert library.fastest() == "bf16"
    library.refused["bf16"] = EngineError("the disk is full")
    assert library.fastest() == "int8"
    assert library.opened.count("bf16") == 1
    library.refused["int8"] = EngineError("refused")
    assert library.fastest() == "fp32"
    library.refused.clear()
    assert library.fastest() == "bf16" and library.opened == ["bf16"]


def test_fp32_and_a_bad_bundle_are_errors(library: Library) -> None:
    library.refused["fp32"] = EngineError("no such processor")
    with pytest.raises(EngineError, match="no such processor"):
        library.fastest()
    library.refused = {"int8": BundleError("was changed")}
    with pytest.raises(BundleError, match="was changed"):
        library.fastest()
