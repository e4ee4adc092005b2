"""Faults to inject into a replay: what breaks such systems in the field, one function a fault."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_runtime.recording.mcap_format import FRAME_STREAM, RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

Samples = Iterator[RecordedSample]
Fault = Callable[[Samples, np.random.Generator], Samples]
Value = TypeVar("Value", RawPose, RawLegReading, StereoFrame)
Sensed = TypeVar("Sensed", RawPose, RawLegReading)

_SECOND_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_START_NS: Final = 1_500_000_000
"""Faults that begin once or last for a while begin this long after the recording's start."""
_GAP_NS: Final = 1_000_000_000
_EVERY: Final = 25
"""Faults that come again and again strike every so many samples of a device."""
_EPOCH_NS: Final = 1_700_000_000 * _SECOND_NS
_DRIFT_RADPS: Final = np.deg2rad(2.0)
"""Far more than a sensor drifts, so that seconds of recording show what minutes do."""
_LASTING_NS: Final = 4_000_000_000
"""For faults that are told from people's motion only after seconds."""
_TABLE_NS: Final = 7_000_000_000
_TABLE_M: Final = (0.0, 0.75, 0.0)
_TABLE_JITTER_M: Final = 0.0003
"""What tracking trembles by while the headset rests."""
_JUMP_M: Final = (3.0, 0.0, -2.0)
_JUMP_YAW_RAD: Final = 1.2


def inject(samples: Samples, fault: str, seed: int = 0) -> Samples:
    """The samples with one fault of ``FAULTS``, in the order of their (new) arrival.

    Raises ``InvalidInputError`` for an unknown fault. The same seed gives the same samples.
    """
    if fault not in FAULTS:
        raise InvalidInputError(f"fault: expected one of {', '.join(FAULTS)}; got {fault!r}")
    return _by_arrival(FAULTS[fault](samples, np.random.default_rng(seed)))


def _by_arrival(samples: Samples, horizon_ns: int = _SECOND_NS) -> Samples:
    waiting: list[tuple[int, int, RecordedSample]] = []
    for index, sample in enumerate(samples):
        heapq.heappush(waiting, (sample.arrival_ns, index, sample))
        while waiting[0][0] < sample.arrival_ns - horizon_ns:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _is_device(sample: RecordedSample) -> bool:
    return isinstance(sample.value, RawPose | RawLegReading)


def _every(strike: Callable[[RecordedSample], RecordedSample]) -> Fault:
    """All samples, and after every ``_EVERY``th of a device its faulty double."""

    def fault(samples: Samples, random: np.random.Generator) -> Samples:
        seen: dict[str, int] = {}
        for sample in samples:
            yield sample
            if _is_device(sample):
                seen[sample.stream] = seen.get(sample.stream, 0) + 1
                if seen[sample.stream] % _EVERY == 0:
                    yield strike(sample)

    return fault


def _during(
    strike: Callable[[RecordedSample], RecordedSample | None], length_ns: int = _GAP_NS
) -> Fault:
    """``strike`` replaces (or with None drops) the samples of a while."""

    def fault(samples: Samples, random: np.random.Generator) -> Samples:
        start_ns: int | None = None
        for sample in samples:
            if start_ns is None:
                start_ns = sample.arrival_ns + _START_NS
            struck = sample
            if start_ns <= sample.arrival_ns < start_ns + length_ns:
                found = strike(sample)
                if found is None:
                    continue
                struck = found
            yield struck

    return fault


def _timed(time_ns: Callable[[int], int]) -> Fault:
    """Doubles of another time."""
    return _every(lambda s: replace(s, timestamp_ns=time_ns(s.timestamp_ns)))


def _gap(stream: str) -> Fault:
    return _during(lambda sample: None if sample.stream == stream else sample)


def _misread(
    kind: type[Value], misread: Callable[[Value], Value], length_ns: int = _LASTING_NS
) -> Fault:
    """Every value of one kind read wrongly for a while."""

    def strike(sample: RecordedSample) -> RecordedSample:
        value = sample.value
        return replace(sample, value=misread(value)) if isinstance(value, kind) else sample

    return _during(strike, length_ns)


def _seen(see: Callable[[StereoFrame], StereoFrame]) -> Fault:
    return _misread(StereoFrame, see, _GAP_NS)


def _moved(stream: str, move: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Fault:
    def strike(sample: RecordedSample) -> RecordedSample:
        if sample.stream != stream or not isinstance(sample.value, RawPose):
            return sample
        return replace(sample, value=sample.value._replace(position=move(sample.value.position)))

    return _during(strike, _LASTING_NS)


def _zero_quaternion(sample: RecordedSample) -> RecordedSample:
    later_ns = sample.timestamp_ns + _MS_NS
    if isinstance(sample.value, RawPose):
        return replace(sample, timestamp_ns=later_ns, value=RawPose(np.zeros(3), np.zeros(4)))
    return replace(sample, timestamp_ns=later_ns, value=RawLegReading(np.zeros(4), np.zeros(3)))


def _dropped_frames(samples: Samples, random: np.random.Generator) -> Samples:
    return (s for s in samples if s.stream != FRAME_STREAM or random.random() > 0.3)


def _late_frames(samples: Samples, random: np.random.Generator) -> Samples:
    for sample in samples:
        late_ns = round(random.uniform(0, 120) * _MS_NS) if sample.stream == FRAME_STREAM else 0
        yield replace(sample, arrival_ns=sample.arrival_ns + late_ns)


def _jitter(samples: Samples, random: np.random.Generator) -> Samples:
    for sample in samples:
        late_ns = round(random.exponential(8.0) * _MS_NS)
        yield replace(sample, arrival_ns=sample.arrival_ns + late_ns)


def _flat(image: NDArray[np.uint8] | None, grey: int) -> NDArray[np.uint8] | None:
    return None if image is None else np.full_like(image, grey)


def _both_flat(frame: StereoFrame, grey: int) -> StereoFrame:
    return replace(frame, left=_flat(frame.left, grey), right=_flat(frame.right, grey))


def _gravity_left_in(reading: RawLegReading) -> RawLegReading:
    return reading._replace(acceleration=reading.acceleration + (0.0, 9.80665, 0.0))


def _wxyz(value: Sensed) -> Sensed:
    return value._replace(orientation_xyzw=np.roll(value.orientation_xyzw, 1))


def _on_table(samples: Samples, random: np.random.Generator) -> Samples:
    """Everything lies on a table, the headset on its cameras."""
    poses: dict[str, RawPose] = {}
    legs: dict[str, RawLegReading] = {}

    def put_down(sample: RecordedSample) -> RecordedSample:
        value = sample.value
        if isinstance(value, RawPose):
            position = value.position * (1.0, 0.0, 1.0) + _TABLE_M
            pose = poses.setdefault(sample.stream, value._replace(position=position))
            jitter = random.normal(0.0, _TABLE_JITTER_M, 3)
            return replace(sample, value=pose._replace(position=pose.position + jitter))
        if isinstance(value, RawLegReading):
            resting = value._replace(acceleration=np.zeros(3))
            return replace(sample, value=legs.setdefault(sample.stream, resting))
        return (
            replace(sample, value=_both_flat(value, 0))
            if isinstance(value, StereoFrame)
            else sample
        )

    return _during(put_down, _TABLE_NS)(samples, random)


def _view_skew(samples: Samples, random: np.random.Generator) -> Samples:
    for sample in samples:
        frame = sample.value
        if not isinstance(frame, StereoFrame) or frame.left is None or frame.right is None:
            yield sample
            continue
        yield replace(sample, value=StereoFrame(frame.timestamp_ns, frame.left, None))
        later_ns = frame.timestamp_ns + 2 * _MS_NS
        yield RecordedSample(
            FRAME_STREAM,
            later_ns,
            StereoFrame(later_ns, None, frame.right),
            sample.arrival_ns + 2 * _MS_NS,
        )


def _acceleration_spike(samples: Samples, random: np.random.Generator) -> Samples:
    def spike(reading: RawLegReading) -> RawLegReading:
        blow = random.choice((-157.0, 157.0), 3)  # a 16 g sensor at its stops
        return reading._replace(acceleration=blow)

    return _misread(RawLegReading, spike, 100 * _MS_NS)(samples, random)


def _leg_drift(samples: Samples, random: np.random.Generator) -> Samples:
    start_ns: int | None = None
    for sample in samples:
        if start_ns is None:
            start_ns = sample.timestamp_ns
        if isinstance(sample.value, RawLegReading):
            sign = 1.0 if sample.stream == "leg_left" else -1.0
            angle = sign * _DRIFT_RADPS * 1e-9 * (sample.timestamp_ns - start_ns)
            turn = Rotation.from_euler("y", angle)
            turned = (turn * Rotation.from_quat(sample.value.orientation_xyzw)).as_quat()
            value = RawLegReading(turned, turn.apply(sample.value.acceleration))
            sample = replace(sample, value=value)
        yield sample


def _clock_offset(samples: Samples, random: np.random.Generator) -> Samples:
    for sample in samples:
        if sample.stream.startswith("leg"):
            sample = replace(sample, timestamp_ns=sample.timestamp_ns + 3600 * _SECOND_NS)
        yield sample


def _relocalised(pose: RawPose) -> RawPose:
    turn = Rotation.from_euler("y", _JUMP_YAW_RAD)
    turned = (turn * Rotation.from_quat(pose.orientation_xyzw)).as_quat()
    return RawPose(turn.apply(pose.position) + _JUMP_M, turned)


FAULTS: Final[dict[str, Fault]] = {
    "duplicate": _every(lambda sample: sample),
    "backwards": _timed(lambda time_ns: max(0, time_ns - 20 * _MS_NS)),
    "milliseconds": _timed(lambda time_ns: time_ns // _MS_NS),
    "epoch": _timed(lambda time_ns: time_ns + _EPOCH_NS),
    "zero-quaternion": _every(_zero_quaternion),
    "leg-gap": _gap("leg_left"),
    "head-gap": _gap("head"),
    "controller-gap": _gap("ctrl_right"),
    "no-images": _gap(FRAME_STREAM),
    "dropped-frames": _dropped_frames,
    "late-frames": _late_frames,
    "jitter": _jitter,
    "camera-covered": _seen(lambda frame: replace(frame, right=None)),
    "black-images": _seen(lambda frame: _both_flat(frame, 0)),
    "white-images": _seen(lambda frame: _both_flat(frame, 255)),
    "one-black-image": _seen(lambda frame: replace(frame, left=_flat(frame.left, 0))),
    "view-skew": _view_skew,
    "acceleration-spike": _acceleration_spike,
    "clock-offset": _clock_offset,
    "leg-drift": _leg_drift,
    "relocalisation": _misread(RawPose, _relocalised, 1 << 62),
    "head-millimetres": _moved("head", lambda position: 1000.0 * position),
    "head-below-floor": _moved("head", lambda position: position - (0.0, 4.6, 0.0)),
    "head-local-space": _moved("head", lambda position: position - (0.0, 1.6, 0.0)),
    "controller-millimetres": _moved("ctrl_left", lambda position: 1000.0 * position),
    "leg-gravity": _misread(RawLegReading, _gravity_left_in),
    "poses-wxyz": _misread(RawPose, _wxyz),
    "legs-wxyz": _misread(RawLegReading, _wxyz),
    "on-table": _on_table,
}
"""Name -> what it does to the samples of a recording."""
