"""Stereo pairs of recorded images whose two cameras do not stamp alike."""

from collections.abc import Iterable, Iterator
from typing import Final

from same_runtime.recording.mcap_format import FRAME_STREAM, RecordedSample
from same_runtime.samples import StereoFrame

_MOST_WAITING: Final = 4
"""Images of one camera that may wait for the other's: as many as wait on the live path."""


def with_pairs(samples: Iterable[RecordedSample], max_skew_ns: int) -> Iterator[RecordedSample]:
    """``samples``, where a left and a right image at most ``max_skew_ns`` apart come as one frame
    at the left one's time, when the later of them arrived.

    A recording already gives images of one time as one frame. One whose partner does not come
    goes alone, before whatever frame follows it; other samples wait for nothing.
    """
    waiting: list[RecordedSample] = []
    for sample in samples:
        if sample.stream != FRAME_STREAM:
            yield sample
            continue
        near = [other for other in waiting if _fits(sample, other, max_skew_ns)]
        if near:
            partner = min(near, key=lambda other: abs(other.timestamp_ns - sample.timestamp_ns))
            yield from waiting[: waiting.index(partner)]
            del waiting[: waiting.index(partner) + 1]
            yield _joined(partner, sample)
            continue
        waiting.append(sample)
        if _is_whole(sample):
            yield from waiting
            waiting.clear()
        elif len(waiting) > _MOST_WAITING:
            yield waiting.pop(0)
    yield from waiting


def _images(sample: RecordedSample) -> StereoFrame:
    assert isinstance(sample.value, StereoFrame)
    return sample.value


def _is_whole(sample: RecordedSample) -> bool:
    return _images(sample).left is not None and _images(sample).right is not None


def _fits(a: RecordedSample, b: RecordedSample, max_skew_ns: int) -> bool:
    others_view = (_images(a).left is None) != (_images(b).left is None)
    return not _is_whole(a) and others_view and abs(a.timestamp_ns - b.timestamp_ns) <= max_skew_ns


def _joined(a: RecordedSample, b: RecordedSample) -> RecordedSample:
    left, right = (a, b) if _images(a).left is not None else (b, a)
    frame = StereoFrame(left.timestamp_ns, _images(left).left, _images(right).right)
    arrival_ns = max(a.arrival_ns, b.arrival_ns)
    return RecordedSample(FRAME_STREAM, left.timestamp_ns, frame, arrival_ns)
