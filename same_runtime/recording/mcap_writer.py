"""Write recordings: MCAP files with images, device samples, rig and, if known, the true joints."""

import base64
import io
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from mcap.writer import Writer
from numpy.typing import NDArray
from PIL import Image

from same_engines.atomic_files import PartialFile, told_disk
from same_engines.errors import InvalidInputError, RecordingError
from same_engines.field_checks import check_kind
from same_engines.files.owned import private_opener
from same_engines.json_values import number_array, whole_number
from same_runtime.camera import CameraRig
from same_runtime.conventions import LEG_DEVICES, NUM_JOINTS, POSE_DEVICES, VIEWS
from same_runtime.recording.mcap_format import (
    DEVICE_TOPICS,
    FORMAT_VERSION,
    IMAGE_TOPICS,
    LONGEST_NS,
    METADATA_NAME,
    SCHEMAS,
    TRUTH_TOPIC,
    RawLegReading,
    RawPose,
    message_time,
)
from same_runtime.samples import DevicePose, LegReading, StereoFrame, check_timestamp_ns


def _axes(name: str, values: object, axes: str) -> dict[str, float]:
    numbers = number_array(name, values, (len(axes),), finite=False)
    return dict(zip(axes, numbers.tolist(), strict=True))


class RecordingWriter:
    """Write a recording; the file appears under its name only when ``close`` succeeds.

    ``path``: the MCAP file. ``rig``: the cameras' calibration; None for a recording without
    cameras. ``jpeg_quality``: None stores images lossless (PNG), 1..95 as JPEG of that quality.
    With cameras, the file is readable by its owner only. Any thread may write.
    Raises ``RecordingError`` if the file cannot be written, also after ``close``, and
    ``InvalidInputError`` for what is no sample, for images of another size than the rig's or
    without a rig, and for times more than ``LONGEST_NS`` apart, which no reader would take.
    """

    def __init__(
        self, path: str | Path, rig: CameraRig | None, jpeg_quality: int | None = None
    ) -> None:
        if jpeg_quality is not None:
            jpeg_quality = whole_number("jpeg_quality", jpeg_quality, 1, 95)
        if rig is not None:
            check_kind("rig", rig, CameraRig)
        self._path = Path(path)
        self._lock = threading.RLock()
        self._rig = rig
        self._arrivals_ns: tuple[int, int] | None = None  # first and last
        self._jpeg_quality = jpeg_quality
        self._channels: dict[str, int] = {}
        self._schemas: dict[str, int] = {}
        with self._told_disk():
            self._written = PartialFile(self._path)
            # Images show the wearer and the room: for the owner's eyes, who may widen it.
            opener = private_opener if rig is not None else None
            self._file = open(self._written.partial, "wb", opener=opener)  # noqa: SIM115
        self._writer = Writer(self._file)
        self._guarded(self._writer.start, "", "same-runtime")
        about = {"format_version": str(FORMAT_VERSION)}
        if rig is not None:
            about["rig"] = json.dumps(rig.to_dict())
        self._guarded(self._writer.add_metadata, METADATA_NAME, about)

    def write_frame(self, frame: StereoFrame, arrival_ns: int | None = None) -> None:
        """Write the images of a stereo frame; a missing one is left out."""
        check_kind("frame", frame, StereoFrame)
        if self._rig is None:
            raise InvalidInputError("frame: expected none, as this recording's rig is None")
        self._rig.check_frame(frame)
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
                IMAGE_TOPICS[view],
                "foxglove.CompressedImage",
                frame.timestamp_ns,
                content,
                arrival_ns,
            )

    def write_pose(
        self,
        device: str,
        timestamp_ns: int,
        pose: DevicePose | RawPose,
        arrival_ns: int | None = None,
    ) -> None:
        """Write a 6DOF sample of ``head``, ``ctrl_left`` or ``ctrl_right`` (world frame)."""
        if device not in POSE_DEVICES:
            raise InvalidInputError(f"device: expected one of {POSE_DEVICES}, got {device!r}")
        check_kind("pose", pose, DevicePose, RawPose)
        content = {
            "frame_id": "world",
            "pose": {
                "position": _axes("position", pose.position, "xyz"),
                "orientation": _axes("orientation_xyzw", pose.orientation_xyzw, "xyzw"),
            },
        }
        topic = DEVICE_TOPICS[device]
        self._write(topic, "foxglove.PoseInFrame", timestamp_ns, content, arrival_ns)

    def write_leg(
        self,
        device: str,
        timestamp_ns: int,
        reading: LegReading | RawLegReading,
        arrival_ns: int | None = None,
    ) -> None:
        """Write a 3DOF sample of ``leg_left`` or ``leg_right`` (world frame, m/s^2)."""
        if device not in LEG_DEVICES:
            raise InvalidInputError(f"device: expected one of {LEG_DEVICES}, got {device!r}")
        check_kind("reading", reading, LegReading, RawLegReading)
        content = {
            "orientation": _axes("orientation_xyzw", reading.orientation_xyzw, "xyzw"),
            "linear_acceleration": _axes("acceleration", reading.acceleration, "xyz"),
        }
        topic = DEVICE_TOPICS[device]
        self._write(topic, "same.LegReading", timestamp_ns, content, arrival_ns)

    def write_truth(self, timestamp_ns: int, joints_world: NDArray[np.float64]) -> None:
        """Write the true joints, (22, 3) metres in the world frame."""
        self.write_joints(TRUTH_TOPIC, timestamp_ns, joints_world, "VALID")

    def write_joints(
        self, topic: str, timestamp_ns: int, joints_world: NDArray[np.float64], status: str
    ) -> None:
        """Write joints (22, 3), metres in the world frame, under ``topic``."""
        joints = number_array("joints_world", joints_world, (NUM_JOINTS, 3), finite=False)
        content = {"frame_id": "world", "status": status, "positions": joints.tolist()}
        self._write(topic, "same.Joints", timestamp_ns, content, None)

    def write_encoded(self, topic: str, schema: str, timestamp_ns: int, data: bytes) -> None:
        """Write ``data``, JSON of one of ``SCHEMAS``, under ``topic``."""
        self._add(topic, schema, timestamp_ns, timestamp_ns, data)

    def close(self) -> None:
        """Finish the file and put it under its name."""
        with self._lock:
            if self._file.closed:
                return
            self._guarded(self._writer.finish)
            self._guarded(self._file.close)
            self._guarded(self._written.commit)

    def discard(self) -> None:
        """Give the recording up; nothing is left on disk."""
        with self._lock:
            with suppress(OSError):  # what is still in its buffer may not fit on the disk
                self._file.close()
            self._written.discard()

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
        self,
        topic: str,
        schema: str,
        timestamp_ns: int,
        content: dict[str, Any],
        arrival_ns: int | None,
    ) -> None:
        timestamp_ns = check_timestamp_ns("timestamp_ns", timestamp_ns)
        log_time = timestamp_ns
        if arrival_ns is not None:
            log_time = check_timestamp_ns("arrival_ns", arrival_ns)
        data = json.dumps({"timestamp": message_time(timestamp_ns), **content}).encode()
        self._add(topic, schema, timestamp_ns, log_time, data)

    def _add(
        self, topic: str, schema: str, timestamp_ns: int, log_time_ns: int, data: bytes
    ) -> None:
        with self._lock:
            if self._file.closed:
                raise RecordingError(f"{self._path}: is closed; write before close()")
            self._take_into_span(log_time_ns)
            channel = self._channel(topic, schema)
            self._guarded(self._writer.add_message, channel, log_time_ns, data, timestamp_ns)

    def _take_into_span(self, log_time_ns: int) -> None:
        first, last = self._arrivals_ns or (log_time_ns, log_time_ns)
        first, last = min(first, log_time_ns), max(last, log_time_ns)
        if last - first > LONGEST_NS:
            raise InvalidInputError(
                f"arrival_ns: expected at most {LONGEST_NS / 3.6e12:.0f} hours in one recording, "
                f"got {(last - first) / 3.6e12:.0f}; are all times nanoseconds of one clock?"
            )
        self._arrivals_ns = first, last

    def _channel(self, topic: str, schema: str) -> int:
        if topic not in self._channels:
            if schema not in self._schemas:
                content = json.dumps(SCHEMAS[schema]).encode()
                self._schemas[schema] = self._writer.register_schema(schema, "jsonschema", content)
            self._channels[topic] = self._writer.register_channel(
                topic, "json", self._schemas[schema]
            )
        return self._channels[topic]

    def _guarded(self, action: Callable[..., Any], *arguments: Any) -> None:
        with self._told_disk():
            try:
                action(*arguments)
            except OSError:
                self.discard()
                raise

    def _told_disk(self) -> AbstractContextManager[None]:
        return told_disk(RecordingError, self._path, "choose another place")
