"""The command: what it writes, its exit codes, and one clear line for everything users mistake."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_parts import ManualClock, write_recording
from report_parts import QUIET, make_report, make_samples

from same_bench import cli, live
from same_bench.compare import CompareCommand, compare
from same_bench.measure import Samples
from same_bench.report import Run, read_report, to_json
from same_runtime.camera import CameraRig, FisheyeCamera

COLD_PARTS = ("import", "load", "build", "warm_up", "first_pose")


def same_bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from same_bench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_run_writes_its_report(tiny_bundle: Path, recording: Path, tmp_path: Path) -> None:
    done = same_bench(
        "--bundle", tiny_bundle, "--recording", recording, "--backend", "onnxruntime",
        "--threads", 1, "--rate", 90, "--duration", "1s", "--warm-up", 9,
        "--peers", "onnxruntime-plain", "--peers", "twins", "--peer-rounds", 12,
        "--report", tmp_path / "report", "--fail-if", "max>0.001ms", "--fail-if", "dropped<0",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "fails: max>0.001ms (onnxruntime)" in done.stdout
    assert "fails: dropped<0" not in done.stdout
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"report.json", "report.md", "report.html"}
    report = read_report(tmp_path / "report" / "report.json")
    run = report.runs[0]
    assert len(run.samples.slot) + run.samples.dropped == 90
    assert run.samples.status.get("INVALID", 0) == 0
    assert sum(run.stage_mean_ns.values()) > 0 and min(run.stage_mean_ns.values()) >= 0
    assert run.cold_start is not None and run.cold_start["torch_imported"] is False
    assert (
        min(run.cold_start[f"{part}_ms"] for part in COLD_PARTS) > 0
        and run.cold_start["peak_rss_mib"] < 300
    )
    assert run.memory is not None and run.memory["blocks_kept_per_frame"] < 5
    assert [peer.samples.name for peer in report.peers] == ["same", "onnxruntime-plain"]
    assert len(report.twins) >= 2 and report.machine["usable_processors"] >= 1
    assert report.measuring_share(run) < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backend", "abacus"], "expected auto, all"),
        (["--rate", "91"], "--rate: expected 72, 90, 120, max"),
        (["--duration", "0s"], "--duration '0s': expected more than 0"),
        (["--duration", "soon"], "--duration 'soon'"),
        (["--peers", "abacus"], "--peers: expected all"),
        (["--fail-if", "p99"], "--fail-if 'p99'"),
        (["--bundle", "absent.same"], "no folder at absent.same"),
        (["--recording", "absent.mcap"], "absent.mcap: cannot be read"),
        (["--report", "/dev/null/report"], "--report /dev/null/report: cannot be made"),
    ],
)
def test_mistakes(
    tiny_bundle: Path, recording: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str,
) -> None:  # fmt: skip
    given = {"--bundle": str(tiny_bundle), "--recording": str(recording), "--duration": "1s"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    flat = [text for pair in given.items() for text in pair]
    monkeypatch.setattr(sys, "argv", ["same-bench", *flat])
    assert cli.main() == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("same-bench: ") and message in lines[0]


def test_a_recording_of_another_rig(
    tiny_bundle: Path, small_rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def smaller(camera: FisheyeCamera) -> FisheyeCamera:
        return replace(camera, width=60, height=44)

    rig = CameraRig(smaller(small_rig.left), smaller(small_rig.right))
    other = write_recording(tmp_path / "other.mcap", rig, frames=2)
    arguments = ["--bundle", str(tiny_bundle), "--recording", str(other)]
    monkeypatch.setattr(sys, "argv", ["same-bench", *arguments])
    assert cli.main() == 2
    error = capsys.readouterr().err
    assert "another rig" in error and "60x44" in error and "64x48" in error


def test_compare_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for index, scale in enumerate((1.0, 1.2)):
        path = tmp_path / f"{index}.json"
        path.write_text(to_json(make_report(Run(make_samples(scale=scale), QUIET))))
        paths.append(path)
    before, after = paths
    assert compare(CompareCommand(before, after)) == 0
    assert "verdict: slower" in capsys.readouterr().out
    assert compare(CompareCommand(before, after, fail_on_regression=True)) == 1
    assert compare(CompareCommand(after, before, fail_on_regression=True)) == 0
    assert "verdict: faster" in capsys.readouterr().out
    content = json.loads(after.read_text())
    content["machine"]["cpu_model"] = "another"
    after.write_text(json.dumps(content))
    compare(CompareCommand(before, after))
    assert "caution: processor differs" in capsys.readouterr().out


def test_compare_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["same-bench", "compare", "a.json", str(tmp_path / "b.json")])
    assert cli.main() == 2
    assert capsys.readouterr().err == (
        "same-bench compare: a.json: cannot be read (No such file or directory)\n"
    )


def test_the_live_view_keeps_to_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, cost_ns = ManualClock(), 5_000_000
    picture = live._picture

    def slow_picture(samples: Samples, duration_s: float) -> object:
        clock.advance(cost_ns)
        return picture(samples, duration_s)

    monkeypatch.setattr(live, "_picture", slow_picture)
    samples = make_samples(n=100)
    with live.LiveView(60.0, True, clock) as view:
        drawn_at_start, begun_ns = view.drawings, clock.time_ns
        for _ in range(60 * 90):
            clock.advance(11_111_111)
            view.after_frame(samples, None)
        elapsed_ns = clock.time_ns - begun_ns
        drawings = view.drawings - drawn_at_start
        assert drawings > 20 and drawings * cost_ns <= 0.005 * elapsed_ns
        for _ in range(60 * 90):  # too little time before the next frame: never draws
            clock.advance(11_111_111)
            view.after_frame(samples, 2 * cost_ns)
        assert view.drawings - drawn_at_start == drawings


def test_durations() -> None:
    parsed = [cli.parse_duration(text) for text in ("60s", "2m", "500ms", "7", "1.5s")]
    np.testing.assert_allclose(parsed, [60, 120, 0.5, 7, 1.5])
