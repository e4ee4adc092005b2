"""Engines side by side: what a run is called, what it takes, and what is said of one that fails."""

import json
import os
from pathlib import Path

import pytest
from bench_parts import write_recording

from same_bench.commands import engines
from same_bench.commands.engines import EnginesCommand
from same_engines.errors import EngineError, InvalidInputError
from same_runtime.camera import CameraRig


@pytest.fixture
def command(tiny_bundle: Path, small_rig: CameraRig, tmp_path: Path) -> EnginesCommand:
    return EnginesCommand(
        runs=("onnxruntime-spinning:fp32:2", "onnxruntime:auto:1", "tensorrt:fp32:1"),
        bundle=tiny_bundle,
        recording=write_recording(tmp_path / "r.mcap", small_rig),
        rounds=12,
        rates=(20.0,),
        seconds=0.3,
        out=tmp_path / "engines.json",
    )


def test_runs_are_compared_in_turn_and_paced_with_their_processor_time(
    command: EnginesCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    engines.run(command)
    record = json.loads(command.out.read_text())
    first, second, failed = command.runs
    assert list(record["in_turn"]) == [first, second]
    ran = {"backend": "onnxruntime", "precision": "fp32"}  # the only one that the bundle has
    assert record["ran_on"] == {first: ran, second: ran}
    assert record["in_turn"][first]["p50_ratio"] == 1.0
    assert record["in_turn"][second]["p99_ms"] is record["in_turn"][second]["p99_ratio"] is None
    assert record["in_turn"][second]["p50_ms"] == pytest.approx(
        record["in_turn"][second]["p50_ratio"] * record["in_turn"][first]["p50_ms"]
    )
    assert len(record["latency_ns"][second]) == command.rounds
    for row in record["paced"]["20"].values():
        assert row["frames"] == 6 and 0 <= row["missed"] <= 6 and row["p50_ms"] is None
        assert 0 < row["cores_used"] <= (os.cpu_count() or 1) + 0.1
    assert record["not_run"].keys() == {failed}
    said = capsys.readouterr().out
    assert "cores used" in said and "too few frames" in said


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no call for it")
def test_one_core_is_one_core_for_the_run_only(
    command: EnginesCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.sched_getaffinity(0)
    seen: list[int] = []

    def refuse(*_: object) -> None:
        seen.append(len(os.sched_getaffinity(0)))
        raise EngineError("none")

    monkeypatch.setattr(engines, "_open", refuse)
    with pytest.raises(EngineError):
        engines.run(EnginesCommand(**{**vars(command), "one_core": True}))
    assert seen == [1]
    assert os.sched_getaffinity(0) == before


def test_a_run_that_comes_twice_is_refused(command: EnginesCommand) -> None:
    with pytest.raises(InvalidInputError, match="expected each run once, got 'onnxruntime:fp32:1'"):
        engines.run(EnginesCommand(**{**vars(command), "runs": ("onnxruntime:fp32:1",) * 2}))


@pytest.mark.parametrize(
    "name",
    [
        "onnxruntime",
        "onnxruntime:fp32",
        "onnxruntime:fp32:two",
        "onnxruntime:fp32:\N{SUPERSCRIPT TWO}",
        "::1",
    ],
)
def test_a_run_that_cannot_be_read_is_named(command: EnginesCommand, name: str) -> None:
    with pytest.raises(InvalidInputError, match="expected BACKEND:PRECISION:THREADS, such as"):
        engines.run(EnginesCommand(**{**vars(command), "runs": (name,)}))
