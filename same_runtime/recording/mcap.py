"""Former name of ``same_runtime.recording``, which goes in the next version."""

from same_runtime.recording.mcap_format import (
    FORMAT_VERSION,
    FRAME_STREAM,
    TRUTH_STREAM,
    RawLegReading,
    RawPose,
    RecordedSample,
)
from same_runtime.recording.mcap_reader import Recording
from same_runtime.recording.mcap_writer import RecordingWriter

__all__ = [
    "FORMAT_VERSION",
    "FRAME_STREAM",
    "TRUTH_STREAM",
    "RawLegReading",
    "RawPose",
    "RecordedSample",
    "Recording",
    "RecordingWriter",
]
