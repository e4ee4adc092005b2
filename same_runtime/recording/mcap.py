"""Recordings: MCAP files with images, device samples, rig and, if known, the true joints.

Every message is JSON under Foxglove's well-known schema names where one exists, so Foxglove
and rerun open a recording as it is. A message's publish time is the sample's own time, its log
time the time it arrived; replay follows the log times. Format: https://mcap.dev/spec.
"""

import base64
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import numpy as np
from mcap.reader import make_reader
from mcap.writer import Writer
from numpy.typing import NDArray
from PIL import Image

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime.camera import CameraRig
from same_runtime.conventions import (
    DEVICES,
    JOINT_NAMES,
    LEG_DEVICES,
    NUM_JOINTS,
    POSE_DEVICES,
    VIEWS,
)
from same_runtime.samples import DevicePose, LegReading, StereoFrame

FORMAT_VERSION: Final = 1
FRAME_STREAM: Final = "frame"
TRUTH_STREAM: Final = "truth"

_METADATA: Final = "same.recording"
_IMAGE_TOPICS: Final = {view: f"/camera/{view}" for view in VIEWS}
_DEVICE_TOPICS: Final = {device: f"/device/{device}" for device in DEVICES}
_TRUTH_TOPIC: Final = "/truth/joints"
_MAX_IMAGE_BYTES: Final = 64 << 20

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
_SCHEMAS: Final = {
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


def _time(timestamp_ns: int) -> dict[str, int]:
    return {"sec": timestamp_ns // 1_000_000_000, "nsec": timestamp_ns % 1_000_000_000}


def _axes(values: Any, names: str) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


class RecordingWriter:
    """Write a recording; the file appears under its name only when ``close`` succeeds.

    ``path``: the MCAP file. ``rig``: the cameras' calibration; None for a recording without
    cameras. ``jpeg_quality``: None stores images lossless (PNG), 1..95 as JPEG of that quality.
    Raises ``RecordingError`` if the file cannot be written.
    """

    def __init__(
        self, path: str | Path, rig: CameraRig | None, jpeg_quality: int | None = None
    ) -> None:
        if jpeg_quality is not None and not 1 <= jpeg_quality <= 95:
            raise InvalidInputError(f"jpeg_quality: expected 1..95 or None, got {jpeg_quality}")
        self._path = Path(path)
        self._partial = self._path.with_name(self._path.name + ".partial")
        self._jpeg_quality = jpeg_quality
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be written ({error.strerror})") from None
        self._writer = Writer(self._file)
        self._guarded(self._writer.start, "", "same-runtime")
        about = {"format_version": str(FORMAT_VERSION)}
        if rig is not None:
            about["rig"] = json.dumps(rig.to_dict())
        self._guarded(self._writer.add_metadata, _METADATA, about)

    def write_frame(self, frame: StereoFrame, arrival_ns: int | None = None) -> None:
        """Write the images of a stereo frame; a missing one is left out."""
        for view in VIEWS:
            image = getattr(frame, view)
            if image is None:
                continue
            encoded = io.BytesIO()
            if self._jpeg_quality is None:
                kind = "png"
                Image.fromarray(image).save(encoded, kind, compress_level=3)
            else:
                kind = "jpeg"
                Image.fromarray(image).save(encoded, kind, quality=self._jpeg_quality)
            content = {
                "frame_id": f"cam_{view}",
                "data": base64.b64encode(encoded.getvalue()).decode(),
                "format": kind,
            }
            self._write(
                _IMAGE_TOPICS[view], "foxglove.CompressedImage", frame.timestamp_ns, content,
                arrival_ns,
            )  # fmt: skip

    def write_pose(
        self, device: str, timestamp_ns: int, pose: DevicePose | RawPose,
        arrival_ns: int | None = None,
    ) -> None:  # fmt: skip
        """Write a 6DOF sample of ``head``, ``ctrl_left`` or ``ctrl_right`` (world frame)."""
        if device not in POSE_DEVICES:
            raise InvalidInputError(f"device: expected one of {POSE_DEVICES}, got {device!r}")
        content = {
            "frame_id": "world",
            "pose": {
                "position": _axes(pose.position, "xyz"),
                "orientation": _axes(pose.orientation_xyzw, "xyzw"),
            },
        }
        topic = _DEVICE_TOPICS[device]
        self._write(topic, "foxglove.PoseInFrame", timestamp_ns, content, arrival_ns)

    def write_leg(
        self, device: str, timestamp_ns: int, reading: LegReading | RawLegReading,
        arrival_ns: int | None = None,
    ) -> None:  # fmt: skip
        """Write a 3DOF sample of ``leg_left`` or ``leg_right`` (world frame, m/s^2)."""
        if device not in LEG_DEVICES:
            raise InvalidInputError(f"device: expected one of {LEG_DEVICES}, got {device!r}")
        content = {
            "orientation": _axes(reading.orientation_xyzw, "xyzw"),
            "linear_acceleration": _axes(reading.acceleration, "xyz"),
        }
        topic = _DEVICE_TOPICS[device]
        self._write(topic, "same.LegReading", timestamp_ns, content, arrival_ns)

    def write_truth(self, timestamp_ns: int, joints_world: NDArray[np.float64]) -> None:
        """Write the true joints, (22, 3) metres in the world frame."""
        self.write_joints(_TRUTH_TOPIC, timestamp_ns, joints_world, "VALID")

    def write_joints(
        self, topic: str, timestamp_ns: int, joints_world: NDArray[np.float64], status: str
    ) -> None:
        """Write joints (22, 3), metres in the world frame, under ``topic``."""
        joints = np.asarray(joints_world, dtype=np.float64)
        if joints.shape != (NUM_JOINTS, 3):
            raise InvalidInputError(f"joints_world: expected (22, 3), got {joints.shape}")
        content = {"frame_id": "world", "status": status, "positions": joints.tolist()}
        self._write(topic, "same.Joints", timestamp_ns, content, None)

    def close(self) -> None:
        """Finish the file and put it under its name."""
        if self._file.closed:
            return
        self._guarded(self._writer.finish)
        self._file.close()
        os.replace(self._partial, self._path)

    def discard(self) -> None:
        """Give the recording up; nothing is left on disk."""
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> "RecordingWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _write(
        self, topic: str, schema: str, timestamp_ns: int, content: dict[str, Any],
        arrival_ns: int | None,
    ) -> None:  # fmt: skip
        if topic not in self._channels:
            if schema not in self._schemas:
                data = json.dumps(_SCHEMAS[schema]).encode()
                self._schemas[schema] = self._writer.register_schema(schema, "jsonschema", data)
            self._channels[topic] = self._writer.register_channel(
                topic, "json", self._schemas[schema]
            )
        data = json.dumps({"timestamp": _time(timestamp_ns), **content}).encode()
        log_time = timestamp_ns if arrival_ns is None else arrival_ns
        self._guarded(self._writer.add_message, self._channels[topic], log_time, data, timestamp_ns)

    def _guarded(self, action: Callable[..., Any], *arguments: Any) -> None:
        try:
            action(*arguments)
        except OSError as error:
            self.discard()
            raise RecordingError(f"{self._path}: cannot be written ({error.strerror})") from None


class Recording:
    """A recording opened for reading; iterate ``samples()`` as often as needed.

    Raises ``RecordingError`` when the file is missing, damaged or not a recording of this SDK.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb") as file:
                reader = make_reader(file)
                about = next((m for m in reader.iter_metadata() if m.name == _METADATA), None)
                summary = reader.get_summary()
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read ({error.strerror})") from None
        except Exception as error:  # the MCAP reader raises many kinds on damaged files
            raise self._damaged(error) from None
        if about is None or summary is None or summary.statistics is None:
            raise RecordingError(f"{self.path}: an MCAP file, but not a recording of this SDK")
        if about.metadata.get("format_version") != str(FORMAT_VERSION):
            raise RecordingError(
                f"{self.path}: expected recording format {FORMAT_VERSION}, got "
                f"{about.metadata.get('format_version')!r}"
            )
        self.rig: CameraRig | None = None
        """The cameras' calibration; None for a recording without cameras."""
        if "rig" in about.metadata:
            try:
                self.rig = CameraRig.from_dict(json.loads(about.metadata["rig"]))
            except ValueError as error:
                raise RecordingError(f"{self.path}: bad rig: {error}") from None
        counts = summary.statistics.channel_message_counts
        self.message_counts = {
            channel.topic: counts.get(key, 0) for key, channel in summary.channels.items()
        }
        """Topic -> number of messages."""
        self.start_ns = summary.statistics.message_start_time
        self.end_ns = summary.statistics.message_end_time

    @property
    def num_frames(self) -> int:
        """Upper bound of the stereo frames (images of the fuller view)."""
        return max(self.message_counts.get(topic, 0) for topic in _IMAGE_TOPICS.values())

    def samples(self, streams: tuple[str, ...] | None = None) -> Iterator[RecordedSample]:
        """The samples of ``streams`` (default: all) in the order they arrived.

        The two images of one time come as one frame; an image whose partner never came is a
        frame with one view.
        """
        wanted = streams or (FRAME_STREAM, *DEVICES, TRUTH_STREAM)
        devices = {_DEVICE_TOPICS[device]: device for device in DEVICES if device in wanted}
        views = {_IMAGE_TOPICS[view]: view for view in VIEWS if FRAME_STREAM in wanted}
        truth = (_TRUTH_TOPIC,) if TRUTH_STREAM in wanted else ()
        pending: dict[str, Any] = {}
        for topic, timestamp_ns, arrival_ns, message in self._messages((*devices, *views, *truth)):
            try:
                if topic in views:
                    if pending and pending["timestamp_ns"] != timestamp_ns:
                        yield _frame(pending)
                        pending = {}
                    pending["timestamp_ns"] = timestamp_ns
                    pending["arrival_ns"] = arrival_ns
                    pending[views[topic]] = self._decode(message)
                    if len(pending) == 4:
                        yield _frame(pending)
                        pending = {}
                elif topic in devices:
                    value = _device_value(message)
                    yield RecordedSample(devices[topic], timestamp_ns, value, arrival_ns)
                else:
                    joints = np.array(message["positions"], dtype=np.float64)
                    if joints.shape != (NUM_JOINTS, 3):
                        raise RecordingError(
                            f"{self.path}: {topic}: expected {NUM_JOINTS} joints "
                            f"({JOINT_NAMES[0]}..{JOINT_NAMES[-1]}), got shape {joints.shape}"
                        )
                    yield RecordedSample(TRUTH_STREAM, timestamp_ns, joints, arrival_ns)
            except (KeyError, TypeError, ValueError) as error:
                if isinstance(error, InvalidInputError):
                    raise
                raise self._damaged(error) from None
        if pending:
            yield _frame(pending)

    def _messages(self, topics: tuple[str, ...]) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
        try:
            with self.path.open("rb") as file:
                reader = make_reader(file, validate_crcs=True)
                for _, channel, message in reader.iter_messages(topics=topics):
                    content = json.loads(message.data)
                    yield channel.topic, message.publish_time, message.log_time, content
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read ({error.strerror})") from None
        except Exception as error:  # the MCAP reader and its codecs raise many kinds
            raise self._damaged(error) from None

    def _decode(self, message: dict[str, Any]) -> NDArray[np.uint8]:
        if len(message["data"]) > _MAX_IMAGE_BYTES:
            raise RecordingError(f"{self.path}: an image of over {_MAX_IMAGE_BYTES} bytes")
        try:
            with Image.open(
                io.BytesIO(base64.b64decode(message["data"])), formats=("PNG", "JPEG")
            ) as image:
                return np.asarray(image.convert("L"))
        except OSError as error:
            raise self._damaged(error) from None

    def _damaged(self, error: BaseException) -> RecordingError:
        return RecordingError(f"{self.path}: not a readable recording ({error or type(error)})")


def _frame(pending: dict[str, Any]) -> RecordedSample:
    frame = StereoFrame(pending["timestamp_ns"], pending.get("left"), pending.get("right"))
    return RecordedSample(FRAME_STREAM, frame.timestamp_ns, frame, pending["arrival_ns"])


def _device_value(message: dict[str, Any]) -> RawPose | RawLegReading:
    def vector(content: dict[str, float], names: str) -> NDArray[np.float64]:
        return np.array([content[name] for name in names], dtype=np.float64)

    if "pose" in message:
        pose = message["pose"]
        return RawPose(vector(pose["position"], "xyz"), vector(pose["orientation"], "xyzw"))
    return RawLegReading(
        vector(message["orientation"], "xyzw"), vector(message["linear_acceleration"], "xyz")
    )
