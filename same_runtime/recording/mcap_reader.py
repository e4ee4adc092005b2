"""Read recordings: every file that is not one, or is damaged, ends in a ``RecordingError``."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import Message
from numpy.typing import NDArray

from same_engines.errors import RecordingError
from same_engines.files.regular_files import open_regular
from same_engines.json_values import number_array, parse_json, whole_number
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, NUM_JOINTS, VIEWS
from same_runtime.recording.images import decode_gray
from same_runtime.recording.mcap_format import (
    DEVICE_TOPICS,
    FORMAT_VERSION,
    FRAME_STREAM,
    IMAGE_TOPICS,
    LONGEST_NS,
    METADATA_NAME,
    TRUTH_STREAM,
    TRUTH_TOPIC,
    RawLegReading,
    RawPose,
    RecordedSample,
)
from same_runtime.recording.mcap_index import McapIndex, damaged, read_index
from same_runtime.samples import MAX_TIMESTAMP_NS, StereoFrame

_ENCODING: Final = "json"
_MOST_MESSAGE_BYTES: Final = 32 << 20
_MOST_FIELDS: Final = 4096
"""Of a message; one of millions would take many times its size in memory."""
_NS_PER_S: Final = 1_000_000_000
_VIEW_OF: Final = {topic: view for view, topic in IMAGE_TOPICS.items()}
_DEVICE_OF: Final = {topic: device for device, topic in DEVICE_TOPICS.items()}


class Recording:
    """A recording opened for reading; iterate ``samples()`` as often as needed.

    Raises ``RecordingError`` when the file is missing, damaged, truncated or not a recording of
    this SDK.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        index = read_index(self.path, METADATA_NAME)
        about = self._metadata(index)
        self._check_encodings(index)
        self.rig: CameraRig | None = None
        """The cameras' calibration; None for a recording without cameras."""
        if "rig" in about:
            try:
                self.rig = CameraRig.from_dict(parse_json(about["rig"]))
            except ValueError as error:
                raise RecordingError(f"{self.path}: bad rig: {error}") from None
        self.message_counts = index.message_counts
        """Topic -> number of messages."""
        self.start_ns = index.start_ns
        self.end_ns = index.end_ns
        if self.end_ns - self.start_ns > LONGEST_NS or self.start_ns > self.end_ns:
            raise RecordingError(
                f"{self.path}: spans {(self.end_ns - self.start_ns) / 3.6e12:.0f} hours; a "
                f"recording spans at most {LONGEST_NS / 3.6e12:.0f}; are its log times "
                "nanoseconds of one clock?"
            )
        self._is_indexed = index.is_complete

    def _metadata(self, index: McapIndex) -> dict[str, str]:
        if index.metadata is None:
            encodings = sorted({c.message_encoding for c in index.channels.values()} - {_ENCODING})
            raise RecordingError(
                f"{self.path}: an MCAP file, but not a recording of this SDK (no metadata record "
                f"{METADATA_NAME!r}{'; its messages are ' * bool(encodings)}"
                f"{', '.join(encodings):.80}); write one with RecordingWriter"
            )
        version = index.metadata.get("format_version")
        if version != str(FORMAT_VERSION):
            raise RecordingError(
                f"{self.path}: expected recording format {FORMAT_VERSION}, got {version!r:.40}"
            )
        return index.metadata

    def _check_encodings(self, index: McapIndex) -> None:
        for channel in index.channels.values():
            known = channel.topic in (*_VIEW_OF, *_DEVICE_OF, TRUTH_TOPIC)
            if known and channel.message_encoding != _ENCODING:
                raise RecordingError(
                    f"{self.path}: {channel.topic} holds {channel.message_encoding!r:.40} "
                    "messages; a recording of this SDK holds JSON; convert it, or write it with "
                    "RecordingWriter"
                )

    @property
    def num_frames(self) -> int:
        """Upper bound of the stereo frames (images of the fuller view)."""
        return max(self.message_counts.get(topic, 0) for topic in IMAGE_TOPICS.values())

    def samples(self, streams: tuple[str, ...] | None = None) -> Iterator[RecordedSample]:
        """The samples of ``streams`` (default: all) in the order they arrived.

        The two images of one time come as one frame; an image whose partner never came is a
        frame with one view. Raises ``RecordingError`` at the first sample that cannot be read.
        """
        wanted = streams or (FRAME_STREAM, *DEVICES, TRUTH_STREAM)
        topics = [topic for topic, device in _DEVICE_OF.items() if device in wanted]
        topics += _VIEW_OF if FRAME_STREAM in wanted else ()
        topics += (TRUTH_TOPIC,) if TRUTH_STREAM in wanted else ()
        waiting: dict[str, NDArray[np.uint8]] = {}
        times = (0, 0)
        for topic, message in self._messages(topics):
            self._check_span(message)
            came, value = self._read(topic, message)
            view = _VIEW_OF.get(topic)
            if view is None:
                stream = _DEVICE_OF.get(topic, TRUTH_STREAM)
                yield RecordedSample(stream, came[0], value, came[1])
                continue
            if waiting and (came[0] != times[0] or view in waiting):
                yield _frame(waiting, *times)
                waiting = {}
            waiting[view], times = value, came
            if len(waiting) == len(VIEWS):
                yield _frame(waiting, *times)
                waiting = {}
        if waiting:
            yield _frame(waiting, *times)

    def _messages(self, topics: list[str]) -> Iterator[tuple[str, Message]]:
        try:
            with open_regular(self.path) as file:
                kind = SeekingReader if self._is_indexed else NonSeekingReader
                reader = kind(file, validate_crcs=True)
                for _, channel, message in reader.iter_messages(topics=topics):
                    yield channel.topic, message
        except OSError as error:
            raise RecordingError(f"{self.path}: cannot be read ({error.strerror})") from None
        except Exception as error:  # the MCAP reader and its codecs raise many kinds
            raise damaged(self.path, error) from None

    def _check_span(self, message: Message) -> None:
        # Seconds for nanoseconds, or two clocks: whoever plays or plots it would go on for years.
        if abs(message.log_time - self.start_ns) > LONGEST_NS:
            raise RecordingError(
                f"{self.path}: message {message.sequence}: arrives "
                f"{abs(message.log_time - self.start_ns) / 3.6e12:.0f} hours from the start; a "
                f"recording spans at most {LONGEST_NS / 3.6e12:.0f}; are its log times "
                "nanoseconds of one clock?"
            )

    def _read(self, topic: str, message: Message) -> tuple[tuple[int, int], Any]:
        """A message's (own time, arrival) and its value."""
        try:
            _check_message(message.data)
            content = parse_json(message.data)
            times = _own_time(message, content), _time("log time", message.log_time)
            if topic in _VIEW_OF:
                return times, self._image(content)
            if topic in _DEVICE_OF:
                return times, _device_value(content)
            return times, number_array(
                "positions", content["positions"], (NUM_JOINTS, 3), finite=False
            )
        except KeyError as error:
            problem = f"no field {error}"
        except (TypeError, AttributeError):
            problem = "a field has the wrong type"
        except (ValueError, RecordingError) as error:
            problem = str(error)
        raise RecordingError(f"{self.path}: {topic}: message {message.sequence}: {problem}")

    def _image(self, content: dict[str, Any]) -> NDArray[np.uint8]:
        camera = None if self.rig is None else self.rig.left
        size = None if camera is None else (camera.width, camera.height)
        return decode_gray(base64.b64decode(content["data"]), size)


def _check_message(data: bytes) -> None:
    if len(data) > _MOST_MESSAGE_BYTES or data.count(b",") > _MOST_FIELDS:
        raise RecordingError(
            f"a message of over {_MOST_MESSAGE_BYTES >> 20} MiB or {_MOST_FIELDS} fields"
        )


def _time(name: str, value: object) -> int:
    return whole_number(name, value, 0, MAX_TIMESTAMP_NS - 1)


def _own_time(message: Message, content: Any) -> int:
    """When the sample was taken, ns. Writers that do not know it leave 0 as the publish time:
    then the content's own stamp counts, and without one the arrival."""
    if message.publish_time:
        return _time("publish time", message.publish_time)
    stamp = content.get("timestamp")
    if stamp is None:
        return _time("log time", message.log_time)
    nanoseconds = whole_number("timestamp.nsec", stamp["nsec"], 0, _NS_PER_S - 1)
    seconds = whole_number("timestamp.sec", stamp["sec"], 0, MAX_TIMESTAMP_NS // _NS_PER_S - 1)
    return seconds * _NS_PER_S + nanoseconds


def _frame(
    images: dict[str, NDArray[np.uint8]], timestamp_ns: int, arrival_ns: int
) -> RecordedSample:
    frame = StereoFrame(timestamp_ns, images.get("left"), images.get("right"))
    return RecordedSample(FRAME_STREAM, timestamp_ns, frame, arrival_ns)


def _device_value(message: dict[str, Any]) -> RawPose | RawLegReading:
    def vector(content: dict[str, Any], field: str, axes: str) -> NDArray[np.float64]:
        values = [content[field][axis] for axis in axes]
        return number_array(field, values, (len(axes),), finite=False)

    if "pose" in message:
        pose = message["pose"]
        return RawPose(vector(pose, "position", "xyz"), vector(pose, "orientation", "xyzw"))
    return RawLegReading(
        vector(message, "orientation", "xyzw"), vector(message, "linear_acceleration", "xyz")
    )
