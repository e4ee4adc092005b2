"""Errors of recordings made worse: frames without a pose are counted, not left out unseen."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from same_bench.accuracy.perturbations import PerturbedError, perturbed_error
from same_engines.errors import RecordingError
from same_runtime import Pose, PoseStatus, StereoFrame
from same_runtime.recording import FRAME_STREAM, TRUTH_STREAM, RecordedSample


class Four:
    """Four frames and their truth: everybody's joints at the origin."""

    path = Path("four.mcap")

    def __init__(self, with_truth: bool = True) -> None:
        self._with_truth = with_truth

    def samples(self, streams: tuple[str, ...] = ()) -> Iterator[RecordedSample]:
        image = np.zeros((48, 64), np.uint8)
        for at_ns in range(1, 5):
            if self._with_truth:
                yield RecordedSample(TRUTH_STREAM, at_ns, np.zeros((22, 3)), at_ns)
            if TRUTH_STREAM not in streams:
                yield RecordedSample(FRAME_STREAM, at_ns, StereoFrame(at_ns, image, image), at_ns)


def error_of(found: dict[int, PoseStatus], with_truth: bool = True) -> PerturbedError:
    """Every pose is 30 mm beside the truth, where ``found`` has a status for its time."""
    beside = np.tile([0.03, 0.0, 0.0], (22, 1))

    def push_frame(frame: StereoFrame) -> Pose:
        status = found.get(frame.timestamp_ns, PoseStatus.INVALID)
        return Pose(frame.timestamp_ns, status, joints_world=beside)

    tracker: Any = SimpleNamespace(push_frame=push_frame, ingest=None)
    recording: Any = Four(with_truth)
    return perturbed_error(tracker, recording, lambda sample, level, random: sample, 1.0)


def test_frames_without_a_pose_are_counted_and_in_no_mean() -> None:
    found = error_of({1: PoseStatus.VALID, 3: PoseStatus.LIMITED})
    assert (found.frames, found.invalid) == (4, 2)
    assert found.mpjpe_mm == pytest.approx(30.0)
    assert error_of({}) == PerturbedError(None, 4, 4)


def test_a_recording_without_truth_is_refused() -> None:
    with pytest.raises(RecordingError, match=r"four\.mcap: has no true joints"):
        error_of({}, with_truth=False)
