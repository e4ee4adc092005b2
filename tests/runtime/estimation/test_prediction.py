"""``at_time`` beats holding the last pose on the shipped recording's motion."""

import pytest

from same_bench.accuracy.prediction_gain import (
    PredictionGain,
    TrackedGain,
    prediction_gain,
    tracked_gains,
)
from same_runtime import SamePoseTracker
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

MS = 1_000_000


@pytest.mark.parametrize(("noise_mm", "gain"), [(0.0, 0.6), (2.0, 0.45), (5.0, 0.25)])
def test_33_ms_ahead_beats_holding_the_pose(noise_mm: float, gain: float) -> None:
    measured = prediction_gain(Recording(demo_recording()), 33 * MS, noise_mm)
    assert measured.frames > 100
    assert measured.gain is not None and measured.gain >= gain


def test_where_nothing_moves_there_is_nothing_to_gain() -> None:
    still = PredictionGain(33.0, 0.0, 100, hold_mm=0.0, at_time_mm=0.0)
    assert still.to_dict()["gain"] is None
    tracked = TrackedGain(
        33.0, 100, 0, 30.0, 30.0, 30.0, motion_hold_mm=1e-13, motion_at_time_mm=0.5
    )
    assert tracked.to_dict()["gain"] == 0.0 and tracked.to_dict()["motion_gain"] is None


def test_looking_ahead_beats_holding_what_was_tracked() -> None:
    recording = Recording(demo_recording())
    with SamePoseTracker(demo_bundle(), recording.rig) as tracker:
        gains = tracked_gains(tracker, recording, [33 * MS, 50 * MS])
    for measured in gains:
        assert measured.frames > 100 and 0 <= measured.invalid < 10
        # The estimate's own error is in both and cannot be predicted away.
        assert measured.at_time_mm < measured.hold_mm
        assert measured.motion_at_time_mm <= 0.7 * measured.motion_hold_mm
