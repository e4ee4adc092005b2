"""Recordings: MCAP files, their replay, faults to inject, files of poses."""

from same_runtime.recording.mcap_format import (
    FRAME_STREAM,
    TRUTH_STREAM,
    RawLegReading,
    RawPose,
    RecordedSample,
)
from same_runtime.recording.mcap_reader import Recording
from same_runtime.recording.mcap_writer import RecordingWriter

__all__ = [
    "FRAME_STREAM",
    "TRUTH_STREAM",
    "RawLegReading",
    "RawPose",
    "RecordedSample",
    "Recording",
    "RecordingWriter",
]
