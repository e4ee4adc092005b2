"""``same-bench native`` builds its program, runs the whole tracker in C and writes a record."""

import json
import shutil
from pathlib import Path

import pytest

from same_bench import cli
from same_bench.fuzz.target import BUNDLE
from same_runtime.estimation.native_engine import onnxruntime_library

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
    pytest.mark.skipif(onnxruntime_library() is None, reason="this ONNX Runtime has no C library"),
]


def test_the_record_holds_what_was_measured(tmp_path: Path) -> None:
    if not BUNDLE.exists():
        pytest.skip("needs same_bench from a checkout, whose program it builds")
    out = tmp_path / "native.json"
    arguments = ["native", "--frames", "3", "--seconds", "1", "--out", str(out), "-q"]
    assert cli.main(arguments) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["push_ms"]["count"] == 3 and figures["put_sample_ns"]["count"] == 90
    assert figures["live"]["poses"] > 0 and figures["live"]["errors"] == 0
    assert figures["library_mib"] > 0.1 and figures["peak_memory_mib"] > 10


@pytest.mark.parametrize("wrong", [["--frames", "0"], ["--seconds", "nan"], ["--out", "no/x.json"]])
def test_wrong_numbers_are_named(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["native", *wrong]) == 2
    assert wrong[0].strip("-") in capsys.readouterr().err
