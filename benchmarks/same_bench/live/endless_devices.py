"""A recording as live devices for as long as wanted: back and forth, legs at their own rate."""

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from same_engines.errors import RecordingError
from same_runtime.conventions import DEVICES, LEG_DEVICES
from same_runtime.ingestion.inputs import Ingest
from same_runtime.recording import (
    FRAME_STREAM,
    RawLegReading,
    RawPose,
    RecordedSample,
    Recording,
)
from same_runtime.samples import StereoFrame

STREAMS: Final = (*DEVICES, FRAME_STREAM)
_TURN_NS: Final = 500_000
"""So close to the ends of a round there is no sample: it would come again at nearly that time."""


class Event(NamedTuple):
    """One sample of a round."""

    offset_ns: int
    """From the start of the round."""
    stream: int
    """Index in ``STREAMS``."""
    value: RawPose | RawLegReading | StereoFrame


class EndlessDevices:
    """Every device sample and stereo frame of a recording, decoded beforehand.

    Odd rounds run backwards, so that the motion has no jumps; accelerations are the same in both
    directions. ``leg_rate_hz``: the leg sensors' samples are interpolated to this rate. Raises
    ``RecordingError`` for a recording without cameras.
    """

    def __init__(self, recording: Recording, leg_rate_hz: float) -> None:
        if recording.rig is None:
            raise RecordingError(f"{recording.path}: has no cameras")
        found: list[tuple[int, int, RawPose | RawLegReading | StereoFrame]] = []
        legs: dict[str, list[RecordedSample]] = {name: [] for name in LEG_DEVICES}
        for sample in recording.samples((*DEVICES, FRAME_STREAM)):
            if sample.stream in legs:
                legs[sample.stream].append(sample)
            elif not isinstance(sample.value, np.ndarray):
                found.append((sample.timestamp_ns, STREAMS.index(sample.stream), sample.value))
        for name, samples in legs.items():
            found += [(t, STREAMS.index(name), v) for t, v in _at_rate(samples, leg_rate_hz)]
        found.sort(key=lambda event: event[0])
        frames_ns = [t for t, stream, _ in found if stream == STREAMS.index(FRAME_STREAM)]
        if len(frames_ns) < 2:
            raise RecordingError(f"{recording.path}: expected at least two frames")
        # Half a frame beyond the first and last one, so that the cameras' rhythm goes on.
        half_ns = (frames_ns[-1] - frames_ns[0]) // (2 * (len(frames_ns) - 1))
        start_ns = frames_ns[0] - half_ns
        self.round_ns = frames_ns[-1] + half_ns - start_ns
        self._events = [
            Event(t - start_ns, stream, value)
            for t, stream, value in found
            if _TURN_NS < t - start_ns < self.round_ns - _TURN_NS
        ]

    def events(self, duration_ns: int) -> Iterator[tuple[int, Event]]:
        """(time since the start, event) in order of time, for ``duration_ns``."""
        round_start_ns, backwards = 0, False
        while True:
            for event in reversed(self._events) if backwards else self._events:
                offset_ns = self.round_ns - event.offset_ns if backwards else event.offset_ns
                if round_start_ns + offset_ns > duration_ns:
                    return
                yield round_start_ns + offset_ns, event
            round_start_ns, backwards = round_start_ns + self.round_ns, not backwards

    def samples_in(self, duration_ns: int) -> int:
        """How many events ``events`` yields at most."""
        return (duration_ns // self.round_ns + 1) * len(self._events)


def send(ingest: Ingest, event: Event, timestamp_ns: int) -> int:
    """Pass an event through its device's input method; returns what the call cost, nanoseconds."""
    name, value = STREAMS[event.stream], event.value
    if isinstance(value, StereoFrame):
        frame = StereoFrame(timestamp_ns, value.left, value.right)
        began_ns = time.perf_counter_ns()
        ingest.frame(frame)
        return time.perf_counter_ns() - began_ns
    side = name.rpartition("_")[2]
    # A driver has just written what it hands over; old arrays would be timed from cold memory.
    first, second = value[0].copy(), value[1].copy()
    if isinstance(value, RawLegReading):
        began_ns = time.perf_counter_ns()
        ingest.leg(side, timestamp_ns, first, second)
    elif side == "head":
        began_ns = time.perf_counter_ns()
        ingest.head(timestamp_ns, first, second)
    else:
        began_ns = time.perf_counter_ns()
        ingest.controller(side, timestamp_ns, first, second)
    return time.perf_counter_ns() - began_ns


def _at_rate(samples: list[RecordedSample], rate_hz: float) -> Iterator[tuple[int, RawLegReading]]:
    readings = [(s.timestamp_ns, s.value) for s in samples if isinstance(s.value, RawLegReading)]
    if len(readings) < 2:
        return
    stamps = np.array([t for t, _ in readings], np.int64)
    passed_s = 1e-9 * (stamps - stamps[0])
    times_s = np.arange(0.0, passed_s[-1], 1.0 / rate_hz)
    turns = Slerp(passed_s, Rotation.from_quat([value.orientation_xyzw for _, value in readings]))
    orientations: NDArray[np.float64] = turns(times_s).as_quat()
    measured = np.array([value.acceleration for _, value in readings])
    accelerations = np.stack([np.interp(times_s, passed_s, axis) for axis in measured.T], axis=1)
    for time_s, orientation, acceleration in zip(times_s, orientations, accelerations, strict=True):
        yield int(stamps[0]) + round(1e9 * time_s), RawLegReading(orientation, acceleration)
