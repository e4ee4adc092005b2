"""Faults to inject into a replay: what breaks such systems in the field, one function a fault."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_runtime.recording.mcap_format import FRAME_STREAM, RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

Samples = Iterator[RecordedSample]
Fault = Callable[[Samples, np.random.Generator], Samples]

_SECOND_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_START_NS: Final = 1_500_000_000
"""Faults that begin once or last for a while begin this long after the recording's start."""
_GAP_NS: Final = 1_000_000_000
_EVERY: Final = 25
"""Faults that come again and again strike every so many samples of a device."""
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


def _every(samples: Samples, strike: Callable[[RecordedSample], RecordedSample]) -> Samples:
    """All samples, and after every ``_EVERY``th of a device its faulty double."""
    seen: dict[str, int] = {}
    for sample in samples:
        yield sample
        if _is_device(sample):
            seen[sample.stream] = seen.get(sample.stream, 0) + 1
            if seen[sample.stream] % _EVERY == 0:
                yield strike(sample)


def _during(
    samples: Samples,
    strike: Callable[[RecordedSample], RecordedSample | None],
    length_ns: int = _GAP_NS,
) -> Samples:
    """``strike`` replaces (or with None drops) the samples of a while."""
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


def _duplicate(samples: Samples, random: np.random.Generator) -> Samples:
    return _every(samples, lambda sample: sample)


def _backwards(samples: Samples, random: np.random.Generator) -> Samples:
    return _every(samples, lambda s: replace(s, timestamp_ns=max(0, s.timestamp_ns - 20 * _MS_NS)))


def _milliseconds(samples: Samples, random: np.random.Generator) -> Samples:
    return _every(samples, lambda s: replace(s, timestamp_ns=s.timestamp_ns // _MS_NS))


def _epoch(samples: Samples, random: np.random.Generator) -> Samples:
    epoch_ns = 1_700_000_000 * _SECOND_NS
    return _every(samples, lambda s: replace(s, timestamp_ns=s.timestamp_ns + epoch_ns))


def _zero_quaternion(samples: Samples, random: np.random.Generator) -> Samples:
    def spoil(sample: RecordedSample) -> RecordedSample:
        value = sample.value
        later_ns = sample.timestamp_ns + _MS_NS
        if isinstance(value, RawPose):
            return replace(sample, timestamp_ns=later_ns, value=RawPose(np.zeros(3), np.zeros(4)))
        return replace(sample, timestamp_ns=later_ns, value=RawLegReading(np.zeros(4), np.zeros(3)))

    return _every(samples, spoil)


def _leg_gap(samples: Samples, random: np.random.Generator) -> Samples:
    return _during(samples, lambda s: None if s.stream == "leg_left" else s)


def _head_gap(samples: Samples, random: np.random.Generator) -> Samples:
    return _during(samples, lambda s: None if s.stream == "head" else s)


def _controller_gap(samples: Samples, random: np.random.Generator) -> Samples:
    return _during(samples, lambda s: None if s.stream == "ctrl_right" else s)


def _no_images(samples: Samples, random: np.random.Generator) -> Samples:
    return _during(samples, lambda s: None if s.stream == FRAME_STREAM else s)


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


def _camera_covered(samples: Samples, random: np.random.Generator) -> Samples:
    def cover(sample: RecordedSample) -> RecordedSample:
        if isinstance(sample.value, StereoFrame):
            frame = StereoFrame(sample.timestamp_ns, sample.value.left, None)
            return replace(sample, value=frame)
        return sample

    return _during(samples, cover)


def _flat_images(grey: int) -> Fault:
    def strike(samples: Samples, random: np.random.Generator) -> Samples:
        return _during(samples, lambda sample: _with_flat_images(sample, grey))

    return strike


def _with_flat_images(sample: RecordedSample, grey: int) -> RecordedSample:
    frame = sample.value
    if not isinstance(frame, StereoFrame):
        return sample
    left, right = (
        None if image is None else np.full_like(image, grey) for image in (frame.left, frame.right)
    )
    return replace(sample, value=StereoFrame(frame.timestamp_ns, left, right))


def _left_black(samples: Samples, random: np.random.Generator) -> Samples:
    def cover(sample: RecordedSample) -> RecordedSample:
        frame = sample.value
        if not isinstance(frame, StereoFrame) or frame.left is None:
            return sample
        black = StereoFrame(frame.timestamp_ns, np.zeros_like(frame.left), frame.right)
        return replace(sample, value=black)

    return _during(samples, cover)


def _head_moved(move: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Fault:
    def strike(samples: Samples, random: np.random.Generator) -> Samples:
        def misplace(sample: RecordedSample) -> RecordedSample:
            if sample.stream != "head" or not isinstance(sample.value, RawPose):
                return sample
            return replace(
                sample, value=sample.value._replace(position=move(sample.value.position))
            )

        return _during(samples, misplace, _LASTING_NS)

    return strike


def _controller_millimetres(samples: Samples, random: np.random.Generator) -> Samples:
    def misread(sample: RecordedSample) -> RecordedSample:
        if sample.stream != "ctrl_left" or not isinstance(sample.value, RawPose):
            return sample
        return replace(sample, value=sample.value._replace(position=1000.0 * sample.value.position))

    return _during(samples, misread, _LASTING_NS)


def _leg_gravity(samples: Samples, random: np.random.Generator) -> Samples:
    def leave_in(sample: RecordedSample) -> RecordedSample:
        if not isinstance(sample.value, RawLegReading):
            return sample
        acceleration = sample.value.acceleration + (0.0, 9.80665, 0.0)
        return replace(sample, value=sample.value._replace(acceleration=acceleration))

    return _during(samples, leave_in, _LASTING_NS)


def _wxyz(kind: type[RawPose] | type[RawLegReading]) -> Fault:
    def strike(samples: Samples, random: np.random.Generator) -> Samples:
        def misorder(sample: RecordedSample) -> RecordedSample:
            if not isinstance(sample.value, kind):
                return sample
            wxyz = np.roll(sample.value.orientation_xyzw, 1)
            return replace(sample, value=sample.value._replace(orientation_xyzw=wxyz))

        return _during(samples, misorder, _LASTING_NS)

    return strike


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
        return _with_flat_images(sample, 0)

    return _during(samples, put_down, _TABLE_NS)


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
    def spike(sample: RecordedSample) -> RecordedSample:
        if not isinstance(sample.value, RawLegReading):
            return sample
        blow = random.choice((-157.0, 157.0), 3)  # a 16 g sensor at its stops
        return replace(sample, value=RawLegReading(sample.value.orientation_xyzw, blow))

    return _during(samples, spike, 100 * _MS_NS)


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


def _relocalisation(samples: Samples, random: np.random.Generator) -> Samples:
    turn = Rotation.from_euler("y", _JUMP_YAW_RAD)

    def move(sample: RecordedSample) -> RecordedSample:
        if isinstance(sample.value, RawPose):
            turned = (turn * Rotation.from_quat(sample.value.orientation_xyzw)).as_quat()
            position = turn.apply(sample.value.position) + _JUMP_M
            return replace(sample, value=RawPose(position, turned))
        return sample

    return _during(samples, move, 1 << 62)


FAULTS: Final[dict[str, Fault]] = {
    "duplicate": _duplicate,
    "backwards": _backwards,
    "milliseconds": _milliseconds,
    "epoch": _epoch,
    "zero-quaternion": _zero_quaternion,
    "leg-gap": _leg_gap,
    "head-gap": _head_gap,
    "controller-gap": _controller_gap,
    "no-images": _no_images,
    "dropped-frames": _dropped_frames,
    "late-frames": _late_frames,
    "jitter": _jitter,
    "camera-covered": _camera_covered,
    "black-images": _flat_images(0),
    "white-images": _flat_images(255),
    "one-black-image": _left_black,
    "view-skew": _view_skew,
    "acceleration-spike": _acceleration_spike,
    "clock-offset": _clock_offset,
    "leg-drift": _leg_drift,
    "relocalisation": _relocalisation,
    "head-millimetres": _head_moved(lambda position: 1000.0 * position),
    "head-below-floor": _head_moved(lambda position: position - (0.0, 4.6, 0.0)),
    "head-local-space": _head_moved(lambda position: position - (0.0, 1.6, 0.0)),
    "controller-millimetres": _controller_millimetres,
    "leg-gravity": _leg_gravity,
    "poses-wxyz": _wxyz(RawPose),
    "legs-wxyz": _wxyz(RawLegReading),
    "on-table": _on_table,
}
"""Name -> what it does to the samples of a recording."""
