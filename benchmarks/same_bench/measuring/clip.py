"""The frames a benchmark feeds: decoded before the clock starts, played back and forth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines import Bundle
from same_engines.errors import InvalidInputError, RecordingError
from same_runtime._core import LookupKind, Synchroniser
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, LEG_DEVICES, POSE_DEVICES
from same_runtime.options import TrackerOptions
from same_runtime.recording import FRAME_STREAM, TRUTH_STREAM, Recording
from same_runtime.recording.replay import checked_reading
from same_runtime.recording.view_pairs import with_pairs
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame

MAX_FRAMES = 120
"""Decoded frames kept: 74 MB of 640x480 pairs."""

_CAPACITY = 256
_MAX_GAP_NS = 100_000_000
_MAX_EXTRAPOLATION_NS = 50_000_000

_Images = tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]
_Readings = dict[str, DevicePose | LegReading]


@dataclass(frozen=True)
class Clip:
    """Stereo images and the devices' readings at each image's time."""

    rig: CameraRig
    """The cameras it was recorded with."""
    images: tuple[_Images, ...]
    readings: tuple[_Readings, ...]
    period_ns: int
    """Time between two recorded frames (median)."""

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, timestamp_ns: int) -> tuple[StereoFrame, ImuFrame]:
        """Frame ``index`` of an endless playback, stamped ``timestamp_ns``. Every second round
        runs backwards, so that the motion has no jumps."""
        last = len(self.images) - 1
        position = index % (2 * last)
        position = min(position, 2 * last - position)
        return (
            StereoFrame(timestamp_ns, *self.images[position]),
            ImuFrame(timestamp_ns, **{"head": None, **self.readings[position]}),  # type: ignore[arg-type]
        )


def load_clip(recording: Recording, bundle: Bundle, max_frames: int = MAX_FRAMES) -> Clip:
    """Decode the first ``max_frames`` frames that have a head pose.

    Device samples are brought to the frame's time as the tracker would. Raises
    ``RecordingError`` for a recording whose rig ``bundle`` cannot serve (no cameras, images
    smaller than the network's) or with fewer than two such frames.
    """
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras; name a recording with images")
    came = recording.rig.left
    height, width = bundle.graph(bundle.precisions()[0], "visual").inputs[0].shape[-2:]
    if came.width < width or came.height < height:
        raise RecordingError(
            f"{recording.path}: recorded with another rig: its images are "
            f"{came.width}x{came.height}, the bundle's network takes {width}x{height}; name a "
            "recording of larger images or a bundle of a smaller preset"
        )
    synchroniser = Synchroniser(_CAPACITY, _MAX_GAP_NS, _MAX_EXTRAPOLATION_NS)
    images: list[_Images] = []
    readings: list[_Readings] = []
    times_ns: list[int] = []
    samples = recording.samples((FRAME_STREAM, *DEVICES))
    for sample in with_pairs(samples, TrackerOptions.max_view_skew_ns):
        assert sample.stream != TRUTH_STREAM
        if isinstance(sample.value, StereoFrame):
            found = _readings_at(synchroniser, sample.timestamp_ns)
            if "head" in found:
                images.append((sample.value.left, sample.value.right))
                readings.append(found)
                times_ns.append(sample.timestamp_ns)
            if len(images) == max_frames:
                break
        else:
            try:
                reading = checked_reading(sample)
            except InvalidInputError:
                continue  # a recorded fault; the tracker would refuse it too
            _store(synchroniser, sample.stream, sample.timestamp_ns, reading)
    if len(images) < 2:
        raise RecordingError(
            f"{recording.path}: expected at least 2 frames with a head pose, got {len(images)}"
        )
    return Clip(recording.rig, tuple(images), tuple(readings), int(np.median(np.diff(times_ns))))


def _store(
    synchroniser: Synchroniser, device: str, timestamp_ns: int, reading: DevicePose | LegReading
) -> None:
    index = DEVICES.index(device)
    if isinstance(reading, DevicePose):
        synchroniser.push_pose(index, timestamp_ns, reading.position, reading.orientation_xyzw)
    else:
        synchroniser.push_leg(index, timestamp_ns, reading.orientation_xyzw, reading.acceleration)


def _readings_at(synchroniser: Synchroniser, timestamp_ns: int) -> _Readings:
    states = synchroniser.lookup(timestamp_ns)
    found: _Readings = {}
    for index, device in enumerate(DEVICES):
        if states.how[index] is LookupKind.MISSING:
            continue
        orientation = states.orientation_xyzw(index)
        if device in POSE_DEVICES:
            found[device] = DevicePose(states.position(index), orientation)
        else:
            assert device in LEG_DEVICES
            found[device] = LegReading(orientation, states.acceleration(index))
    return found
