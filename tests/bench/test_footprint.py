"""What a bundle takes of a device: counted from its files, and the table of record."""

import json
from pathlib import Path
from typing import Any

import pytest

from same_bench import cli
from same_bench.footprint import command
from same_bench.footprint.command import MARK, footprint_table
from same_bench.reporting.marked_block import check_marked
from same_bench.reporting.pages import markdown_table
from same_engines import Bundle
from same_runtime.demo import demo_bundle

pytest.importorskip("onnx_ir", reason="needs pip install .[export]")

from same_bench.footprint.count import FrameBytes, footprint_of

ROOT = Path(__file__).resolve().parents[2]


def recorded() -> dict[str, dict[str, Any]]:
    return json.loads((ROOT / "benchmarks" / "results" / "footprint.json").read_text())["presets"]


def test_the_shipped_bundle_is_counted() -> None:
    bundle = Bundle.open(demo_bundle())
    found = footprint_of(bundle)
    assert found.flash_bytes == {
        "fp32": sum(path.stat().st_size for path in bundle.path.glob("*.onnx"))
    }
    # h and c of the two LSTM blocks; the window of fusion's and the inertial stage's joints
    state = 2 * (2 * 5 * 64) + 32 * 44 * 3
    sensors = 5 * 16 + 2 + 2 * 3 * 30 * 40 + 2 * 3 + 32 * 4 * 4 + 32 + 32
    shared = 2 * 64 * 30 * 40 + 2 * 22 * 2 + 2 * 22 + 22 * 3 + 5 * 64 + 22 * 3
    assert found.frame == FrameBytes(
        images=4 * 2 * 120 * 160,
        host_to_engine=4 * (2 * 120 * 160 + sensors),
        between_stages=4 * shared,
        state=4 * state,
        engine_to_host=4 * (22 + 4 * 22 * 3),
    )
    # The weights are nearly all of the files.
    parameters = sum(stage.parameters for stage in found.stages.values())
    assert 0.95 < 4 * parameters / found.flash_bytes["fp32"] < 1


def test_the_record_holds_for_the_shipped_network() -> None:
    """Of what its files say; what an export folds into constants differs a little."""
    now, then = footprint_of(Bundle.open(demo_bundle())), recorded()["lite"]
    for stage, found in now.stages.items():
        assert found.multiply_accumulates == then["stages"][stage]["multiply_accumulates"]
        assert found.parameters == pytest.approx(then["stages"][stage]["parameters"], rel=0.01)
    assert now.flash_bytes["fp32"] == pytest.approx(then["flash_bytes"]["fp32"], rel=0.01)
    assert now.frame == FrameBytes(**then["frame"])


def test_the_page_has_the_table_of_the_record() -> None:
    page = ROOT / "docs" / "headset.md"
    before, after = check_marked(page, MARK)
    block = page.read_text()[len(before) : -len(after)].splitlines()
    assert block[1:-1] == markdown_table(footprint_table(recorded()))


def test_larger_presets_take_more() -> None:
    lite, base, large = recorded().values()
    for smaller, larger in ((lite, base), (base, large)):
        assert smaller["flash_bytes"]["fp32"] < larger["flash_bytes"]["fp32"]
    for preset in recorded().values():
        assert preset["flash_bytes"]["fp16"] < preset["flash_bytes"]["fp32"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "absent/a.json"], "its folder does not exist"),
        (["--page", "absent.md"], "cannot be read"),
        (["--presets", "huge"], "huge"),
    ],
)
def test_mistakes_are_found_before_any_work(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(["footprint", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2 and message in capsys.readouterr().err


def test_the_record_names_what_ran_and_no_bundle_that_was_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_measure", lambda preset, *_: recorded()[preset])
    assert cli.main(["footprint", "--presets", "lite", "--out", str(tmp_path / "out.json")]) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert (record["backend"], record["precision"]) == ("onnxruntime", "fp32")
    assert not {"preset", "bundle_sha256"} & record.keys()


@pytest.mark.slow
def test_a_run_writes_the_record_and_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="needs pip install .[export]")
    page, out = tmp_path / "page.md", tmp_path / "out.json"
    page.write_text(f"a\n\n<!-- {MARK} -->\nold\n<!-- /{MARK} -->\n\nb\n")
    written = ["--out", str(out), "--page", str(page)]
    assert cli.main(["footprint", "--presets", "lite", *written]) == 0
    assert "|  | lite |" in capsys.readouterr().out
    assert "old" not in page.read_text() and page.read_text().endswith("b\n")
    now, then = json.loads(out.read_text())["presets"]["lite"], recorded()["lite"]
    assert now["process"]["live_threads"] >= now["process"]["threads"] > 0
    assert {**now, "process": None} == {**then, "process": None}
