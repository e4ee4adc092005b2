"""Feed a recording to a tracker, sample by sample, in the order the samples arrived."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime.camera import CameraRig
from same_runtime.conventions import NUM_JOINTS
from same_runtime.ingestion.inputs import Ingest
from same_runtime.pose import Pose
from same_runtime.recording.mcap_format import (
    FRAME_STREAM,
    TRUTH_STREAM,
    RawLegReading,
    RawPose,
    RecordedSample,
)
from same_runtime.recording.mcap_reader import Recording
from same_runtime.recording.view_pairs import with_pairs
from same_runtime.samples import DevicePose, LegReading, StereoFrame
from same_runtime.tracker import SamePoseTracker


@dataclass(frozen=True, eq=False)
class ReplayedFrame:
    """One frame of a replay: what went in, what came out, and the truth if it was recorded."""

    frame: StereoFrame
    pose: Pose
    truth_world: NDArray[np.float64] | None
    """(22, 3) metres, world frame."""


@dataclass
class Replay:
    """Iterate over a recording's frames through a tracker.

    Faulty samples (zero quaternions, backwards times, ...) are refused by the tracker's edge and
    counted in ``refused``; the replay goes on. Raises ``RecordingError`` for a recording
    without cameras or of another image size than the tracker's rig.
    """

    recording: Recording
    tracker: SamePoseTracker
    refused: Counter[str] = field(default_factory=Counter)
    """Stream -> samples that the tracker refused."""
    why_refused: dict[str, str] = field(default_factory=dict)
    """Stream -> why the newest of these was."""

    def __post_init__(self) -> None:
        check_rig(self.recording, self.tracker.rig)

    def __iter__(self) -> Iterator[ReplayedFrame]:
        truth: dict[int, NDArray[np.float64]] = {
            sample.timestamp_ns: sample.value
            for sample in self.recording.samples((TRUTH_STREAM,))
            if isinstance(sample.value, np.ndarray) and sample.value.shape == (NUM_JOINTS, 3)
        }
        max_skew_ns = self.tracker.options.max_view_skew_ns
        for sample in with_pairs(self.recording.samples(), max_skew_ns):
            try:
                if sample.stream == FRAME_STREAM:
                    assert isinstance(sample.value, StereoFrame)
                    pose = self.tracker.push_frame(sample.value, sample.arrival_ns)
                    yield ReplayedFrame(sample.value, pose, truth.get(sample.timestamp_ns))
                elif sample.stream != TRUTH_STREAM:
                    ingest_sample(self.tracker.ingest, sample, sample.arrival_ns)
            except InvalidInputError as error:
                self.refused[sample.stream] += 1
                self.why_refused[sample.stream] = str(error)


def checked_reading(sample: RecordedSample) -> DevicePose | LegReading:
    """The reading of a recorded device sample; ``InvalidInputError`` if it was a faulty one."""
    if isinstance(sample.value, RawPose):
        return DevicePose(*sample.value)
    if isinstance(sample.value, RawLegReading):
        return LegReading(*sample.value)
    raise InvalidInputError(f"{sample.stream}: not a device sample")


def ingest_sample(ingest: Ingest, sample: RecordedSample, arrival_ns: int | None = None) -> None:
    """Pass a recorded device sample on, faults and all; ``InvalidInputError`` for a faulty one."""
    kind, _, side = sample.stream.partition("_")
    if isinstance(sample.value, RawPose | RawLegReading) and (
        isinstance(sample.value, RawLegReading) != (kind == "leg")
    ):
        found = "an orientation and an acceleration" if kind != "leg" else "a pose"
        raise InvalidInputError(f"{sample.stream}: holds {found}, as no {kind} has in a recording")
    if isinstance(sample.value, RawPose):
        if kind == "head":
            ingest.head(sample.timestamp_ns, *sample.value, arrival_ns)
        else:
            ingest.controller(side, sample.timestamp_ns, *sample.value, arrival_ns)
    elif isinstance(sample.value, RawLegReading):
        ingest.leg(side, sample.timestamp_ns, *sample.value, arrival_ns)
    else:
        raise InvalidInputError(f"{sample.stream}: not a device sample")


def check_rig(recording: Recording, rig: CameraRig) -> None:
    """Raise ``RecordingError`` unless the recording's images fit ``rig``."""
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras, so there are no frames to track")
    came, expected = recording.rig.left, rig.left
    if (came.width, came.height) != (expected.width, expected.height):
        raise RecordingError(
            f"{recording.path}: images of {came.width}x{came.height}, but the tracker's rig has "
            f"{expected.width}x{expected.height}; open the tracker with rig=recording.rig"
        )
