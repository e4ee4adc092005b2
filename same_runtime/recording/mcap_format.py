"""What a recording is: the topics, schemas and samples of its MCAP file.

Every message is JSON under Foxglove's well-known schema names where one exists, so Foxglove
and rerun open a recording as it is. A message's publish time is the sample's own time, its log
time the time it arrived; replay follows the log times. Format: https://mcap.dev/spec.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import DEVICES, VIEWS
from same_runtime.samples import StereoFrame

FORMAT_VERSION: Final = 1
FRAME_STREAM: Final = "frame"
TRUTH_STREAM: Final = "truth"

METADATA_NAME: Final = "same.recording"
IMAGE_TOPICS: Final = {view: f"/camera/{view}" for view in VIEWS}
DEVICE_TOPICS: Final = {device: f"/device/{device}" for device in DEVICES}
TRUTH_TOPIC: Final = "/truth/joints"

_VECTOR_SCHEMA = {"type": "object", "properties": {a: {"type": "number"} for a in "xyz"}}
_QUATERNION_SCHEMA = {"type": "object", "properties": {a: {"type": "number"} for a in "xyzw"}}
_TIME_SCHEMA = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}


def _schema(title: str, **properties: Any) -> dict[str, Any]:
    return {
        "title": title,
        "type": "object",
        "properties": {"timestamp": _TIME_SCHEMA, **properties},
    }


_STRING = {"type": "string"}
SCHEMAS: Final = {
    "foxglove.CompressedImage": _schema(
        "foxglove.CompressedImage",
        frame_id=_STRING,
        data={"type": "string", "contentEncoding": "base64"},
        format=_STRING,
    ),
    "foxglove.PoseInFrame": _schema(
        "foxglove.PoseInFrame",
        frame_id=_STRING,
        pose={
            "type": "object",
            "title": "foxglove.Pose",
            "properties": {"position": _VECTOR_SCHEMA, "orientation": _QUATERNION_SCHEMA},
        },
    ),
    "same.LegReading": _schema(
        "same.LegReading", orientation=_QUATERNION_SCHEMA, linear_acceleration=_VECTOR_SCHEMA
    ),
    "same.Joints": _schema(
        "same.Joints",
        frame_id=_STRING,
        status=_STRING,
        positions={"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
    ),
}


class RawPose(NamedTuple):
    """A device pose as recorded, faults and all; the tracker's edge judges it."""

    position: NDArray[np.float64]
    orientation_xyzw: NDArray[np.float64]


class RawLegReading(NamedTuple):
    """A leg reading as recorded, faults and all; the tracker's edge judges it."""

    orientation_xyzw: NDArray[np.float64]
    acceleration: NDArray[np.float64]


@dataclass(frozen=True)
class RecordedSample:
    """One sample of a recording: ``stream`` is ``frame``, a device name or ``truth``."""

    stream: str
    timestamp_ns: int
    value: StereoFrame | RawPose | RawLegReading | NDArray[np.float64]
    """A stereo pair, a device sample, or true joints (22, 3) metres in the world frame."""
    arrival_ns: int
    """When it arrived, on the recording's clock."""
