"""Faults to inject into a replay: what breaks such systems in the field, one function a fault."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError
from same_runtime.recording.mcap_format import FRAME_STREAM, RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

Samples = Iterator[RecordedSample]

_SECOND_NS: Final = 1_000_000_000
_MS_NS: Final = 1_000_000
_START_NS: Final = 1_500_000_000
"""Faults that begin once or last for a while begin this long after the recording's start."""
_GAP_NS: Final = 1_000_000_000
_EVERY: Final = 25
"""Faults that come again and again strike every so many samples of a device."""
_DRIFT_RADPS: Final = np.deg2rad(2.0)
"""Far more than a sensor drifts, so that seconds of recording show what minutes do."""
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


def _during(samples: Samples, strike: Callable[[RecordedSample], RecordedSample | None],
            length_ns: int = _GAP_NS) -> Samples:  # fmt: skip
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


def _view_skew(samples: Samples, random: np.random.Generator) -> Samples:
    for sample in samples:
        frame = sample.value
        if not isinstance(frame, StereoFrame) or frame.left is None or frame.right is None:
            yield sample
            continue
        yield replace(sample, value=StereoFrame(frame.timestamp_ns, frame.left, None))
        later_ns = frame.timestamp_ns + 2 * _MS_NS
        yield RecordedSample(
            FRAME_STREAM, later_ns, StereoFrame(later_ns, None, frame.right),
            sample.arrival_ns + 2 * _MS_NS,
        )  # fmt: skip


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


FAULTS: Final[dict[str, Callable[[Samples, np.random.Generator], Samples]]] = {
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
    "view-skew": _view_skew,
    "acceleration-spike": _acceleration_spike,
    "clock-offset": _clock_offset,
    "leg-drift": _leg_drift,
    "relocalisation": _relocalisation,
}
"""Name -> what it does to the samples of a recording."""
