"""What a live run tells and writes: percentiles of enough samples, ticks where they were asked for,
and nothing of devices that were not recorded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from same_bench.commands.live import _print, _write_ticks
from same_bench.live import allocations
from same_bench.live.deadlines import Ticks
from same_bench.live.endless_devices import EndlessDevices
from same_bench.live.figures import milliseconds, said
from same_engines.errors import RecordingError
from same_runtime.camera import CameraRig
from same_runtime.conventions import POSE_DEVICES
from same_runtime.recording import FRAME_STREAM, RawPose, Recording, RecordingWriter
from same_runtime.samples import StereoFrame

UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])


def test_percentiles_are_measured_and_withheld_where_samples_are_too_few() -> None:
    some = milliseconds(np.array([10_000_000] * 19 + [50_000_000]))
    assert (some["p50"], some["p99"], some["p99_9"], some["max"]) == (10.0, None, None, 50.0)
    assert said(some, "p50") == "10.00" and said(some, "p99") == "needs 662 samples, has 20"
    assert said(milliseconds(np.array([], np.int64)), "p50") == "needs 11 samples, has 0"


def test_a_run_in_which_nothing_came_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = milliseconds(np.array([], np.int64))
    found = {
        "display": {"ticks": 0, "missed": 0, "missed_unexplained": 0, "late_ms": nothing},
        "network": nothing,
        "ingestion_us": {"all device samples": nothing},
        "frames": {},
        "memory": None,
        "python_allocations": {},
    }
    command: Any = SimpleNamespace(out=Path("live.json"))
    _print(found, {"verdict": "quiet"}, command)
    assert "network, ms: median needs 11 samples, has 0" in capsys.readouterr().out


def test_ticks_are_whole_under_the_name_that_was_given(tmp_path: Path) -> None:
    none = np.zeros(3, np.int64)
    ticks = Ticks(none, none, none, 1)
    _write_ticks(tmp_path / "ticks.bin", ticks, np.zeros((2, 2), np.int64))
    assert [path.name for path in tmp_path.iterdir()] == ["ticks.bin"]
    assert np.load(tmp_path / "ticks.bin")["runs_ns"].shape == (2, 2)
    with pytest.raises(RecordingError, match=r"--ticks .*t\.npz: cannot be written \(No such file"):
        _write_ticks(tmp_path / "absent" / "t.npz", ticks, np.zeros((2, 2), np.int64))


def test_devices_that_were_not_recorded_have_no_allocations(
    small_rig: CameraRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecordingWriter(tmp_path / "r.mcap", small_rig) as writer:
        image = np.zeros((small_rig.left.height, small_rig.left.width), np.uint8)
        for index in range(4):
            at_ns = 10**9 + index * 33_333_333
            for device in POSE_DEVICES:
                writer.write_pose(device, at_ns, RawPose(np.zeros(3), UPRIGHT))
            writer.write_frame(StereoFrame(at_ns, image, image))
    devices = EndlessDevices(Recording(tmp_path / "r.mcap"), 200.0)
    sent: list[str] = []
    ingest = SimpleNamespace(
        head=lambda *_: sent.append("head"),
        frame=lambda *_: sent.append(FRAME_STREAM),
    )
    tracker: Any = SimpleNamespace(ingest=ingest, latest=lambda: None, at_time=lambda _: None)
    monkeypatch.setattr(allocations, "_CALLS", 2)
    found = allocations.allocations(tracker, devices)
    assert list(found) == ["head", "frame", "latest", "at_time"]
    assert set(sent) == {"head", FRAME_STREAM}
