"""``at_time`` beats holding the last pose on the shipped recording's motion."""

import pytest

from same_bench.accuracy.prediction_gain import prediction_gain, tracked_gains
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

MS = 1_000_000


@pytest.mark.parametrize(("noise_mm", "gain"), [(0.0, 0.6), (2.0, 0.45), (5.0, 0.25)])
def test_33_ms_ahead_beats_holding_the_pose(noise_mm: float, gain: float) -> None:
    measured = prediction_gain(Recording(demo_recording()), 33 * MS, noise_mm)
    assert measured.frames > 100
    assert measured.gain >= gain


def test_looking_ahead_beats_holding_what_was_tracked() -> None:
    recording = Recording(demo_recording())
    for measured in tracked_gains(demo_bundle(), recording, [33 * MS, 50 * MS]):
        assert measured.frames > 100
        # The estimate's own error is in both and cannot be predicted away.
        assert measured.at_time_mm < measured.hold_mm
        assert measured.motion_at_time_mm <= 0.7 * measured.motion_hold_mm
