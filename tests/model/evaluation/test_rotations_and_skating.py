"""Rotation errors in degrees and skating in millimetres a planted second, of known bodies."""

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body
from scipy.spatial.transform import Rotation

from same_model.evaluation.metrics import confidence_intervals, frame_errors, summarise
from same_model.evaluation.rotation_errors import rotation_errors_deg
from same_model.skating import skating_mm_per_s
from same_runtime.conventions import JOINT_NAMES

FRAMES = 40
TIMES = (1 + np.arange(FRAMES)) * FRAME_NS
LEFT_FOOT, RIGHT_FOOT = JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot")


def still(turns: dict[str, Rotation] | None = None) -> np.ndarray:
    return np.tile(body(turns).joints_world, (FRAMES, 1, 1))


def test_a_turned_thigh_is_that_many_degrees_off_and_so_are_those_below() -> None:
    turned = still({"left_hip": Rotation.from_euler("x", 20, degrees=True)})
    errors = rotation_errors_deg(turned, still(), TIMES)
    below = [JOINT_NAMES.index(f"left_{n}") for n in ("hip", "knee", "ankle", "foot")]
    np.testing.assert_allclose(errors[:, below], 20.0, atol=0.1)
    np.testing.assert_allclose(np.delete(errors, below, axis=1), 0.0, atol=0.1)
    summary = summarise(frame_errors(turned, still(), TIMES))
    assert summary["rotation"] == pytest.approx(20.0 * 4 / 22, abs=0.05)


def test_devices_turn_both_bodies_alike() -> None:
    devices = np.zeros((FRAMES, 5, 4))
    devices[:, 0] = Rotation.from_euler("y", 50, degrees=True).as_quat()
    assert rotation_errors_deg(still(), still(), TIMES, devices).max() < 1e-4


def test_a_standing_foot_that_slides_is_measured_and_a_stepping_one_is_not() -> None:
    truth = still()
    truth[:, RIGHT_FOOT, 2] -= np.linspace(0, 1.0, FRAMES)  # 2.3 m/s: it steps
    predicted = truth.copy()
    predicted[:, LEFT_FOOT, 0] += 0.2 * 1e-9 * TIMES
    skating = skating_mm_per_s(predicted, truth, TIMES)
    assert np.isnan(skating[0])
    np.testing.assert_allclose(skating[1:], 200.0, rtol=1e-6)
    assert np.isnan(skating_mm_per_s(truth, truth, TIMES, ground_y_m=-1.0)).all()


def test_a_gap_is_no_skating() -> None:
    truth, times = still(), TIMES.copy()
    times[20:] += 10 * FRAME_NS
    predicted = truth.copy()
    predicted[20:, LEFT_FOOT, 0] += 0.5
    skating = skating_mm_per_s(predicted, truth, times)
    assert np.isnan(skating[20])
    np.testing.assert_allclose(skating[1:20], 0.0, atol=1e-9)


def test_intervals_of_skating_count_only_frames_with_a_standing_foot() -> None:
    truth = still()
    errors = [frame_errors(truth + 0.001 * i, truth, TIMES) for i in range(3)]
    low, high = confidence_intervals(errors)["skating"]
    assert low == high == 0.0
