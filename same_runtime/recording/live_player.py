"""Live replay: a recording goes through a started tracker in real time, as devices would do it."""

import logging
import queue
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_number
from same_runtime.ingestion.inputs import Ingest
from same_runtime.recording.mcap_format import TRUTH_STREAM, RecordedSample
from same_runtime.recording.replay import ingest_sample
from same_runtime.samples import StereoFrame

_READ_AHEAD = 64
_READ_AHEAD_BYTES = 64 << 20
SPEEDS: Final = (0.01, 100.0)
"""Slowest and fastest, times real time."""
_LONGEST_WAIT_S = 10.0
_WAIT_AFTER_SKIP_S = 0.5
_LEAD_IN_NS = 200_000_000
"""Time for the first samples to be decoded before the first one is due."""

_log = logging.getLogger("same")


class _ReadAhead(queue.Queue["RecordedSample | BaseException | None"]):
    """Samples that wait; full also when their images take a lot of memory."""

    _image_bytes = 0

    def _put(self, item: RecordedSample | BaseException | None) -> None:
        super()._put(item)
        self._image_bytes += _image_bytes(item)

    def _get(self) -> RecordedSample | BaseException | None:
        item = super()._get()
        self._image_bytes -= _image_bytes(item)
        return item

    def _qsize(self) -> int:
        return self.maxsize if self._image_bytes > _READ_AHEAD_BYTES else super()._qsize()


def _image_bytes(item: RecordedSample | BaseException | None) -> int:
    if not isinstance(item, RecordedSample) or not isinstance(item.value, StereoFrame):
        return 0
    images = (item.value.left, item.value.right)
    return sum(image.nbytes for image in images if image is not None)


class LivePlayer:
    """Sends recorded samples when they arrived, ``speed`` times as fast, and is their clock.

    ``samples``: in the order of arrival. ``start_ns``: when the recording begins. Samples are
    read and decoded ahead in a thread of their own. Raises ``InvalidInputError`` for a speed
    outside 0.01..100.
    """

    def __init__(
        self, samples: Iterable[RecordedSample], start_ns: int, speed: float = 1.0
    ) -> None:
        self._samples = iter(samples)
        self._start_ns = start_ns
        self._speed = checked_number("speed", speed, *SPEEDS, "times real time")
        self._began_ns = time.monotonic_ns() + _LEAD_IN_NS
        self.refused: Counter[str] = Counter()
        """Stream -> samples that the tracker refused."""
        self.truth: list[tuple[int, NDArray[np.float64]]] = []
        """Times and joints (22, 3) of the recording's truth so far."""

    def now_ns(self) -> int:
        """The recording's time now: the clock for ``SamePoseTracker.start``."""
        passed_ns = time.monotonic_ns() - self._began_ns
        return max(0, self._start_ns + round(passed_ns * self._speed))

    def play(self, ingest: Ingest) -> Iterator[RecordedSample]:
        """Send each sample when it is due, then yield it."""
        for sample in self._read_ahead():
            wait_s = 1e-9 * (sample.arrival_ns - self.now_ns()) / self._speed
            if wait_s > _LONGEST_WAIT_S:
                self._skip(wait_s)
            elif wait_s > 0:
                time.sleep(wait_s)
            if sample.stream == TRUTH_STREAM:
                assert isinstance(sample.value, np.ndarray)
                self.truth.append((sample.timestamp_ns, sample.value))
            else:
                try:
                    send(ingest, sample)
                except InvalidInputError:
                    self.refused[sample.stream] += 1
            yield sample

    def _skip(self, wait_s: float) -> None:
        """Let the recording's clock jump to shortly before the next sample."""
        _log.warning("live: nothing recorded for %.0f s; going on with what comes then", wait_s)
        self._began_ns -= round(1e9 * (wait_s - _WAIT_AFTER_SKIP_S))
        time.sleep(_WAIT_AFTER_SKIP_S)

    def _read_ahead(self) -> Iterator[RecordedSample]:
        ready = _ReadAhead(_READ_AHEAD)
        given_up = threading.Event()

        def put(item: RecordedSample | BaseException | None) -> bool:
            while not given_up.is_set():
                try:
                    ready.put(item, timeout=0.1)
                    return True
                except queue.Full:
                    continue
            return False

        def read() -> None:
            try:
                for sample in self._samples:
                    if not put(sample):
                        return
                put(None)
            except BaseException as error:  # the player's thread raises it
                put(error)

        reader = threading.Thread(target=read, name="same-reader", daemon=True)
        reader.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            given_up.set()
            reader.join()


def send(ingest: Ingest, sample: RecordedSample) -> None:
    """Put a recorded sample through the input method of its device."""
    frame = sample.value
    if not isinstance(frame, StereoFrame):
        ingest_sample(ingest, sample, sample.arrival_ns)
    elif frame.left is not None and frame.right is not None:
        ingest.frame(frame, sample.arrival_ns)
    elif frame.left is not None:
        ingest.image("left", frame.timestamp_ns, frame.left, sample.arrival_ns)
    elif frame.right is not None:
        ingest.image("right", frame.timestamp_ns, frame.right, sample.arrival_ns)


def truth_at(
    truth: Sequence[tuple[int, NDArray[np.float64]]], timestamp_ns: int
) -> NDArray[np.float64] | None:
    """True joints (22, 3) metres between two recorded times; None outside of them."""
    after = bisect_left(truth, timestamp_ns, key=itemgetter(0))
    if after < len(truth) and truth[after][0] == timestamp_ns:
        return truth[after][1]  # alone: what is before it may be unknown
    if after == 0 or after == len(truth):
        return None
    (t0, joints0), (t1, joints1) = truth[after - 1], truth[after]
    share = (timestamp_ns - t0) / (t1 - t0)
    return np.asarray(joints0 + share * (joints1 - joints0))
