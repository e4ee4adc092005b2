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
LONGEST_NS: Final = 24 * 3600 * 1_000_000_000
"""What a recording may span, from its first sample's arrival to its last."""

METADATA_NAME: Final = "same.recording"
IMAGE_TOPICS: Final = {view: f"/camera/{view}" for view in VIEWS}
DEVICE_TOPICS: Final = {device: f"/device/{device}" for device in DEVICES}
TRUTH_TOPIC: Final = "/truth/joints"

_VECTOR_SCHEMA = {"type": "object", "properties": {a: {"type": "number"} for a in "xyz"}}
_QUATERNION_SCHEMA = {"type": "object", "properties": {a: {"type": "number"} for a in "xyzw"}}
_POSE_SCHEMA = {
    "type": "object",
    "title": "foxglove.Pose",
    "properties": {"position": _VECTOR_SCHEMA, "orientation": _QUATERNION_SCHEMA},
}
_COLOUR_SCHEMA = {"type": "object", "properties": {a: {"type": "number"} for a in "rgba"}}
_TIME_SCHEMA = {
    "type": "object",
    "title": "time",
    "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
}


def message_time(timestamp_ns: int) -> dict[str, int]:
    """A time as the messages have it."""
    return {"sec": timestamp_ns // 1_000_000_000, "nsec": timestamp_ns % 1_000_000_000}


def _list_of(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


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
        pose=_POSE_SCHEMA,
    ),
    "foxglove.FrameTransforms": {
        "title": "foxglove.FrameTransforms",
        "type": "object",
        "properties": {
            "transforms": _list_of(
                timestamp=_TIME_SCHEMA,
                parent_frame_id=_STRING,
                child_frame_id=_STRING,
                translation=_VECTOR_SCHEMA,
                rotation=_QUATERNION_SCHEMA,
            )
        },
    },
    "foxglove.SceneUpdate": {
        "title": "foxglove.SceneUpdate",
        "type": "object",
        "properties": {
            "deletions": _list_of(timestamp=_TIME_SCHEMA, type={"type": "integer"}, id=_STRING),
            "entities": _list_of(
                timestamp=_TIME_SCHEMA,
                frame_id=_STRING,
                id=_STRING,
                lifetime=_TIME_SCHEMA,
                frame_locked={"type": "boolean"},
                metadata=_list_of(key=_STRING, value=_STRING),
                lines=_list_of(
                    type={"type": "integer"},
                    pose=_POSE_SCHEMA,
                    thickness={"type": "number"},
                    scale_invariant={"type": "boolean"},
                    points={"type": "array", "items": _VECTOR_SCHEMA},
                    color=_COLOUR_SCHEMA,
                    colors={"type": "array", "items": _COLOUR_SCHEMA},
                    indices={"type": "array", "items": {"type": "integer"}},
                ),
            ),
        },
    },
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


@dataclass(frozen=True, eq=False)
class RecordedSample:
    """One sample of a recording: ``stream`` is ``frame``, a device name or ``truth``."""

    stream: str
    timestamp_ns: int
    value: StereoFrame | RawPose | RawLegReading | NDArray[np.float64]
    """A stereo pair, a device sample, or true joints (22, 3) metres in the world frame."""
    arrival_ns: int
    """When it arrived, on the recording's clock."""
