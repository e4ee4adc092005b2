"""A bundle's 8-bit graphs go on with the float32 graphs that they were made from, and no others."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from same_engines import Bundle
from same_export.int8_graphs import carry_int8, write_int8


def test_int8_graphs_of_other_float_graphs_are_left_behind(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "tiny.same"))
    content = bundle.graph_bytes("fp32", "visual")
    other = Bundle.open(shutil.copytree(bundle.path, tmp_path / "other.same"))
    write_int8(bundle, content, {"mean_mm": 0.5})
    carry_int8(bundle, other)
    assert other.graph_bytes("int8", "visual") == content
    fusion = replace(other.graph("fp32", "fusion"), sha256="0" * 64)
    changed = {"fp32": {**other.manifest.graphs["fp32"], "fusion": fusion}}
    other.manifest = replace(other.manifest, graphs=changed)
    carry_int8(bundle, other)
    assert other.precisions() == ("fp32",)
    assert "int8 graphs left behind: their float32 graphs have changed" in caplog.text
    (bundle.path / "visual.int8.onnx").write_bytes(b"damaged")
    carry_int8(bundle, other)
    assert "int8 graphs left behind: " in caplog.text and "SHA-256" in caplog.text
