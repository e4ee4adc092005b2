"""Delays in milliseconds, of joints whose motion is known."""

import numpy as np
import pytest

from same_model.evaluation.metrics import confidence_intervals, frame_errors, summarise
from same_model.lateness import lateness

TIMES = 1_000_000_000 + np.round(np.arange(90) * 1e9 / 30).astype(np.int64)


def swings(delay_s: float = 0.0, size: float = 1.0) -> np.ndarray:
    """(F, 22, 3) metres, each joint to and fro in its own way."""
    phase = 2 * np.pi * 0.7 * (TIMES / 1e9 - delay_s)[:, None, None]
    return 0.3 * size * np.sin(phase + np.arange(22)[:, None] + np.arange(3))


@pytest.mark.parametrize("delay_s", [-0.02, 0.0, 0.03])
def test_a_delay_is_found_whatever_the_size_of_the_motion(delay_s: float) -> None:
    for size in (1.0, 0.6):
        late = lateness(swings(delay_s, size), swings(), TIMES).milliseconds((4, 7))
        assert late == pytest.approx(1e3 * delay_s, abs=0.5)


def test_what_shakes_or_stands_still_is_not_late() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (90, 22, 3))
    everything = tuple(range(22))
    assert abs(lateness(swings() + noise, swings(), TIMES).milliseconds(everything)) < 1.0
    assert lateness(np.zeros((90, 22, 3)), swings(), TIMES).milliseconds(everything) == 0.0
    assert lateness(swings()[:2], swings()[:2], TIMES[:2]).milliseconds(everything) == 0.0


def test_a_jump_over_a_gap_says_nothing() -> None:
    truth, times = swings(), TIMES.copy()
    times[40:] += 2_000_000_000
    truth[40:] += 5.0
    predicted = truth.copy()
    predicted[39:41] -= 0.5
    behind, along = lateness(predicted, truth, times)
    assert np.isnan(behind[39:41]).all() and np.isfinite(behind[1:39]).all()
    assert lateness(predicted, truth, times).milliseconds((0,)) == 0.0
    assert np.isnan(along[[0, -1]]).all()


def test_upper_and_lower_body_are_told_apart_and_intervals_weigh_by_motion() -> None:
    truth = swings()
    predicted = truth.copy()
    predicted[:, 7] = swings(0.03)[:, 7]
    parts = [frame_errors(predicted, truth, TIMES), frame_errors(truth * 0, truth * 0, TIMES)]
    summary = summarise(parts[0])
    assert summary["late_upper"] == 0.0 and 2.0 < summary["late_lower"] < 10.0
    low, high = confidence_intervals(parts)["late_lower"]
    assert low == 0.0 and high == pytest.approx(summary["late_lower"])
