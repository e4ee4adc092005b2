import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from same_model.data.inspect import inspect
from same_model.data.sequence import find_sequences


@pytest.fixture
def one(small_dataset: Path, tmp_path: Path) -> Path:
    """A copy of one sequence to spoil."""
    return Path(shutil.copytree(find_sequences(small_dataset)[0], tmp_path / "one"))


def test_the_report_counts_what_is_there(small_dataset: Path) -> None:
    report = inspect(small_dataset)
    found = find_sequences(small_dataset)
    frames = sum(json.loads((p / "meta.json").read_text())["frames"] for p in found)
    assert f"sequences {len(found)}, frames {frames}" in report
    assert "no problems found" in report
    assert "xyzw                  as expected" in report
    shares = [line for line in report.splitlines() if line.startswith("joints with z > 0")]
    assert 50 < float(shares[0].split()[-2].rstrip("%")) <= 100


def test_duplicate_fields_are_found(one: Path) -> None:
    for name in ("timestamp_ns", "orientation_xyzw", "acceleration"):
        left = np.load(one / f"stream_leg_left_{name}.npy")
        np.save(one / f"stream_leg_right_{name}.npy", left)
    assert "duplicate field leg_left.acceleration = leg_right.acceleration" in inspect(one)


def test_a_wrong_quaternion_order_is_found(one: Path) -> None:
    orientation = np.load(one / "sensed_orientation.npy")
    np.save(one / "sensed_orientation.npy", orientation[..., [3, 0, 1, 2]])
    assert "look like wxyz" in inspect(one)


def test_gravity_left_in_and_wrong_projections_are_found(one: Path) -> None:
    acceleration = np.load(one / "sensed_acceleration.npy")
    np.save(one / "sensed_acceleration.npy", acceleration + np.float32([0, 9.81, 0]))
    joints = np.load(one / "joints_2d.npy")
    np.save(one / "joints_2d.npy", joints + np.float32(0.5))
    report = inspect(one)
    assert "contain gravity" in report and "do not agree" in report


def test_frames_at_one_time_are_found(one: Path) -> None:
    stamps = np.load(one / "timestamps_ns.npy")
    np.save(one / "timestamps_ns.npy", np.full_like(stamps, stamps[0]))
    assert "time runs backwards" in inspect(one)


def test_time_faults_are_found(one: Path) -> None:
    stamps = np.load(one / "timestamps_ns.npy")
    stamps[5], stamps[-1] = stamps[3], stamps[-1] + 10**9
    np.save(one / "timestamps_ns.npy", stamps)
    report = inspect(one)
    assert "time runs backwards" in report
