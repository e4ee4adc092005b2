"""Long running in short: open and close, hours of sensor time in the core, a started tracker."""

import json
import sys
from pathlib import Path

import pytest
from bench_parts import write_recording

from same_bench.cli import main
from same_bench.commands import soak
from same_bench.commands.soak import SoakCommand, faults_of, run
from same_bench.soak.core_hours import soak_core
from same_bench.soak.open_close import soak_cycles
from same_bench.soak.process_state import ProcessState, process_state
from same_engines import BACKENDS
from same_engines.errors import InvalidInputError
from same_runtime.camera import CameraRig
from same_runtime.options import PRECISIONS

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
MOST_MIB = 40.0


def nothing_grew(part: dict[str, dict[str, float]], most_mib: float) -> None:
    before, after = (ProcessState(**part[key]) for key in ("before", "after"))
    assert after[1:] == before[1:]
    assert after.rss_mib - before.rss_mib < most_mib


@linux
@pytest.mark.parametrize("cycles", [15, pytest.param(1000, marks=pytest.mark.slow)])
def test_opening_and_closing_leaves_nothing(tiny_bundle: Path, cycles: int) -> None:
    nothing_grew(soak_cycles(tiny_bundle, cycles, warm_up=min(100, cycles)), MOST_MIB)


@linux
@pytest.mark.parametrize("hours", [0.2, pytest.param(8.0, marks=pytest.mark.slow)])
def test_hours_of_samples_take_no_memory_and_keep_the_clocks(hours: float) -> None:
    found = soak_core(hours)
    nothing_grew(found, 4.0)
    assert found["frames"] == pytest.approx(hours * 3600 * 30, rel=0.01)
    assert found["worst_clock_error_us"] < 1000.0


@linux
def test_a_run_records_its_parts(
    tiny_bundle: Path, small_rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(soak.LEAST, "minutes", 0.05)
    monkeypatch.setattr(soak, "_LEAST_SHARE", 0.0)  # the start is much of so short a run
    recording = write_recording(tmp_path / "r.mcap", small_rig)
    out = tmp_path / "soak.json"
    given = ["soak", "--bundle", tiny_bundle, "--recording", recording, "--out", out]
    given += ["--cycles", 10, "--hours", 0.01, "--minutes", 0.05]
    assert main([str(part) for part in given]) == 0
    parts = json.loads(out.read_text())["parts"]
    assert list(parts) == ["cycles", "core", "live"]
    live = parts["live"]
    assert live["poses"] > 50 and live["tracked"] > 10
    assert live["not_finite"] == live["backwards"] == 0
    assert live["backend"] in BACKENDS and live["precision"] in PRECISIONS
    assert (parts["cycles"]["backend"], parts["cycles"]["precision"]) == ("onnxruntime", "fp32")
    assert live["rows"][-1]["rss_mib"] > 10 and live["rows"][-1]["late_p50_ms"] >= 0
    assert live["rows"][-1]["late_p99_ms"] is None  # of too few poses


@linux
def test_what_grows_is_told(tmp_path: Path) -> None:
    files = [process_state()]
    with (tmp_path / "open").open("wb"):
        files.append(process_state())
    assert files[1].descriptors == files[0].descriptors + 1
    part = {"before": files[0]._asdict(), "after": files[1]._asdict()}
    part["after"]["rss_mib"] += 41.0
    assert len(faults_of("cycles", part, MOST_MIB)) == 2
    rows = [{"rss_mib": 100.0, "descriptors": 5, "threads": 4} for _ in range(3)]
    assert faults_of("live", {"rows": rows, "backwards": 0}, MOST_MIB) == []
    assert faults_of("live", {"rows": rows, "backwards": 2}, MOST_MIB) == ["live: 2 backwards"]
    rows[2]["threads"] = 5
    assert faults_of("live", {"rows": rows}, MOST_MIB) == ["live: 4 threads became 5"]


def test_what_is_lost_is_told() -> None:
    rows = [{"rss_mib": 100.0, "descriptors": 5, "threads": 4} for _ in range(4)]
    part = {"rows": rows, "minutes": 3.0, "display_hz": 90.0}
    shared = {"frames_accepted": 5400, "frames_tracked": 4000, "tracked": 15000}
    assert faults_of("live", {**part, **shared}, MOST_MIB) == []
    nothing = {"frames_accepted": 5400, "frames_tracked": 0, "tracked": 0}
    assert faults_of("live", {**part, **nothing}, MOST_MIB) == [
        "live: 0 frames_tracked of 5400 accepted",
        "live: 0 tracked of 16200 poses that the display asked for",
    ]


def test_wrong_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cycles: expected 0 to"):
        run(SoakCommand(cycles=-1))
    for name, value in (("hours", 0.001), ("minutes", 1.0)):
        with pytest.raises(InvalidInputError, match=f"{name}: expected at least .* or 0 to leave"):
            SoakCommand(**{name: value})
    with pytest.raises(InvalidInputError, match="--out"):
        run(SoakCommand(out=tmp_path / "no" / "x.json"))
