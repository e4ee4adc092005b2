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

from same_bench import cli
from same_bench.commands.compare import CompareCommand, cautions
from same_bench.commands.compare import run as compare
from same_bench.commands.latency import parse_duration
from same_bench.measuring.measure import Samples
from same_bench.reporting import live_view as live
from same_bench.reporting.report import Run, read_report, to_json
from same_engines import BACKENDS
from same_runtime.camera import CameraRig, FisheyeCamera

COLD_PARTS = ("import", "load", "build", "warm_up", "first_pose")


def same_bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from same_bench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_run_writes_its_report(tiny_bundle: Path, recording: Path, tmp_path: Path) -> None:
    done = same_bench(
        "--bundle",
        tiny_bundle,
        "--recording",
        recording,
        "--backend",
        "onnxruntime",
        "--threads",
        1,
        "--rate",
        90,
        "--duration",
        "1s",
        "--warm-up",
        9,
        "--peers",
        "onnxruntime-plain",
        "--peers",
        "twins",
        "--peer-rounds",
        12,
        "--report",
        tmp_path / "report",
        "--fail-if",
        "max>0.001ms",
        "--fail-if",
        "dropped<0",
    )
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
    tiny_bundle: Path,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = {"--bundle": str(tiny_bundle), "--recording": str(recording), "--duration": "1s"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    flat = [text for pair in given.items() for text in pair]
    monkeypatch.setattr(sys, "argv", ["same-bench", *flat])
    assert cli.main() == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("same-bench: ") and message in lines[0]


def test_a_recording_of_another_rig(
    tiny_bundle: Path,
    small_rig: CameraRig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
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


def test_compare_says_everything_that_differs(tmp_path: Path) -> None:
    report = make_report()
    gpu = {"name": "H200", "driver": "570", "used_mib": 1.0}
    machine = {**report.machine, "cpu_mhz": 2000.0, "gpus": [gpu]}
    report = replace(report, machine=machine)
    moved = {**machine, "cpu_mhz": 2600.0, "gpus": [{**gpu, "used_mib": 900.0}]}
    renamed = {**report.bundle, "name": "y.same"}
    assert cautions(report, replace(report, machine=moved, bundle=renamed)) == []
    asked = {**renamed, "precision": "auto"}
    assert cautions(report, replace(report, bundle=asked)) == []  # which ran in the same one
    other = replace(
        report,
        runs=(replace(report.runs[0], precision="int8"),),
        settings={**report.settings, "threads": None},
        machine={**machine, "gpus": []},
        versions={**report.versions, "onnxruntime": "1.31.1"},
        thread_environment={"OMP_NUM_THREADS": "1"},
    )
    assert cautions(report, other) == [
        "threads differs: 2 and None",
        "GPUs differs: ['H200, driver 570'] and []",
        "onnxruntime differs: None and 1.31.1",
        "OMP_NUM_THREADS differs: 2 and 1",
        "onnxruntime paced 90 Hz: precision differs: fp32 and int8",
    ]


def test_the_gate_fails_for_what_was_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (Run(make_samples(name), QUIET) for name in ("onnxruntime", "openvino"))
    few = Run(make_samples(n=5), QUIET)
    paths = {"one": (one,), "two": (one, other), "few": (few,)}
    for name, runs in paths.items():
        (tmp_path / name).write_text(to_json(make_report(runs=runs)))

    def gate(before: str, after: str) -> tuple[int, str]:
        code = compare(CompareCommand(tmp_path / before, tmp_path / after, True))
        return code, " ".join(capsys.readouterr().out.split())

    assert gate("two", "two")[0] == 0
    for pair in (("two", "one"), ("one", "two")):
        code, said = gate(*pair)
        assert code == 1 and "not compared: openvino paced 90 Hz is only in" in said
    code, said = gate("one", "few")
    assert code == 1 and "verdict: too few samples for p50" in said
    assert compare(CompareCommand(tmp_path / "one", tmp_path / "few")) == 0


def test_compare_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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
    parsed = [parse_duration(text) for text in ("60s", "2m", "500ms", "7", "1.5s")]
    np.testing.assert_allclose(parsed, [60, 120, 0.5, 7, 1.5])


SUBCOMMANDS = sorted(cli._COMMANDS)


def test_help_lists_every_command_without_importing_them() -> None:
    code = (
        "import sys; from same_bench.cli import main; main(['--help'])\n"
        "print(*(m for m in sys.modules if m.startswith('same_bench.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *shown, imported = done.stdout.splitlines()
    assert imported == "", done.stdout + done.stderr
    for name in SUBCOMMANDS:
        assert any(line.startswith(f"  {name} ") for line in shown)
    folder = Path(cli.__file__).parent / "commands"
    assert {path.stem for path in folder.glob("[a-z]*.py")} == set(SUBCOMMANDS) - {
        "figures",
        "footprint",
        "native",
    }


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    assert not stop.value.code
    assert f"usage: same-bench {name} " in capsys.readouterr().out


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["abacus"]) == 2
    assert capsys.readouterr().err.startswith("same-bench: 'abacus' is no command; expected ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push", "--out", "absent/a.json"], "--out absent/a.json: its folder does not exist"),
        (["ingest", "--calls", "0"], "calls: expected 1 to"),
        (["live", "--minutes", "0"], "minutes: expected 0.05 to 1440"),
        (["prediction", "--horizons-ms", "0"], "--horizons-ms: expected 1..1000"),
        (["faults", "--only", "fog"], "--only: expected of image noise"),
        (["npu", "--recording", "absent.mcap"], "absent.mcap"),
        (["figures", "--report", "absent.json"], "absent.json: cannot be read"),
    ],
)
def test_mistakes_of_the_others(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] in ("live", "prediction"):
        arguments = [*arguments, "--out", "a.json"]
    assert cli.main(arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"same-bench {arguments[0]}: ") and message in line


def test_faults_ingest_and_figures_write_what_they_say(
    tiny_bundle: Path,
    recording: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "faults.json"
    recorded = ["--bundle", str(tiny_bundle), "--out", str(out)]
    assert cli.main(["faults", *recorded, "--only", "no leg trackers"]) == 0
    record = json.loads(out.read_text())
    assert record["backend"] in BACKENDS and record["precision"] == "fp32"
    (row,) = record["rows"]
    assert row["perturbation"] == "no leg trackers" and row["mpjpe_mm"] > 0
    assert row["frames"] > 100 and row["invalid"] < row["frames"]
    assert f"{row['invalid']} of {row['frames']} frames INVALID" in capsys.readouterr().out
    assert cli.main(["faults", *recorded, "--recording", str(recording)]) == 2
    assert "has no true joints" in capsys.readouterr().err
    assert cli.main(["ingest", "--calls", "50", "--repeats", "2"]) == 0
    costs = json.loads(capsys.readouterr().out)
    assert {"head", "controller", "leg"} <= costs.keys()
    report, readme = tmp_path / "report.json", tmp_path / "README.md"
    report.write_text(to_json(make_report()))
    readme.write_text("a\n<!-- same-bench -->\nold\n<!-- /same-bench -->\nb\n")
    assert cli.main(["figures", "--report", str(report), "--readme", str(readme)]) == 0
    text = readme.read_text()
    assert "old" not in text and "| p50 |" in text and text.endswith("b\n")
    readme.write_bytes(b"<!-- same-bench -->\xff<!-- /same-bench -->")
    assert cli.main(["figures", "--report", str(report), "--readme", str(readme)]) == 2
    assert capsys.readouterr().err.endswith("README.md: expected a page in UTF-8\n")
    assert (tmp_path / "latency.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_a_live_run_writes_its_figures(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "live.json"
    arguments = ["live", "--bundle", str(tiny_bundle), "--minutes", "0.06", "--out", str(out)]
    assert cli.main([*arguments, "--ticks", str(tmp_path / "ticks.npz")]) == 0
    figures = json.loads(out.read_text())["figures"]
    assert figures["display"]["ticks"] > 100 and figures["network"]["count"] > 50
    assert figures["frames"]["tracked"] > 50
    assert figures["ingestion_us"]["head"]["count"] > 100
    assert figures["python_allocations"].keys() >= {"head", "leg", "latest", "at_time"}
    assert (tmp_path / "ticks.npz").stat().st_size > 1000
