"""Left and right images that come one by one: which of them belong together."""

from collections import deque
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import VIEWS

Gray = NDArray[np.uint8]

_MAX_LAG: Final = 3
"""Most frames that one camera's images may come later than the other's and still be waited for."""
_SILENT_AFTER: Final = 2
"""Images without partner in a row after which the other camera is not waited for."""
_LAG_MEMORY: Final = 32
"""Pairs from which it is known how late the other camera's images come."""


class PairedFrame(NamedTuple):
    """A frame that need not wait any longer; None where the other camera gave no image."""

    timestamp_ns: int
    """Of the left image, or of the only one."""
    left: Gray | None
    right: Gray | None
    skewed: bool
    """The other camera's image is there, but too far away in time."""


class _Waiting(NamedTuple):
    timestamp_ns: int
    mapped_ns: int
    image: Gray


class _View:
    """What is known of one camera."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.recent_ns: deque[int] = deque(maxlen=_MAX_LAG + 2)
        """Stamps of the newest images, waiting or gone."""
        self.lags: deque[int] = deque(maxlen=_LAG_MEMORY)
        """How many later images came before the partner of each."""
        self.free = [np.zeros(shape, np.uint8) for _ in range(_MAX_LAG + 2)]

    @property
    def lag(self) -> int:
        return min(max(self.lags, default=0), _MAX_LAG)

    def add(self, timestamp_ns: int, mapped_ns: int, image: Gray) -> None:
        buffer = self.free.pop()
        np.copyto(buffer, image)
        self.waiting.append(_Waiting(timestamp_ns, mapped_ns, buffer))

    def take(self, index: int = 0) -> _Waiting:
        """An image that waits no longer; its pixels stay until the next image is added."""
        waiting = self.waiting[index]
        del self.waiting[index]
        self.free.insert(0, waiting.image)
        return waiting

    def clear(self) -> None:
        while self.waiting:
            self.take()
        self.recent_ns.clear()
        self.lags.clear()

    def newer_than(self, timestamp_ns: int) -> int:
        return sum(recent > timestamp_ns for recent in self.recent_ns)


class StereoPairing:
    """Pairs images that are at most ``max_skew_ns`` apart; a pair has its left image's time.

    An image waits for its partner for as many frames as partners came late before, and goes
    alone after that. For one thread at a time; memory is bounded.
    """

    def __init__(self, shape: tuple[int, int], max_skew_ns: int) -> None:
        self._max_skew_ns = max_skew_ns
        self._views = {view: _View(shape) for view in VIEWS}
        self._lone_view: str | None = None
        self._alone_in_a_row = 0
        self.unpaired = 0
        """Images whose partner never came, came too late or is too far away in time."""
        self.late_images = 0
        """Images whose partner had already gone on without them."""
        self.skewed = 0
        """Images whose partner is there, but too far away in time."""
        self.view_skew_ns = 0
        """Right image's time minus the left's, newest two that belong together."""

    def add(self, view: str, timestamp_ns: int, mapped_ns: int, image: Gray) -> list[PairedFrame]:
        """Take one image, stamped by the cameras' clock and on the tracker's; it is copied.

        Returns the frames that are complete or will never be, in the order of their times; their
        pixels are valid until the next call. ``timestamp_ns`` must follow the view's last one.
        """
        this, other = self._views[view], self._views[_other(view)]
        this.recent_ns.append(timestamp_ns)
        partner = self._partner(other, timestamp_ns)
        if partner is not None:
            return [self._pair(view, _Waiting(timestamp_ns, mapped_ns, image), partner)]
        gone_ns = min(other.recent_ns, key=lambda t: abs(t - timestamp_ns), default=None)
        if gone_ns is not None and abs(gone_ns - timestamp_ns) <= self._max_skew_ns:
            other.lags.append(other.newer_than(gone_ns))
            self.late_images += 1
            self._alone_in_a_row = 0  # this camera is back
            return []
        this.add(timestamp_ns, mapped_ns, image)
        ready = []
        while this.waiting and (len(this.waiting) > 1 + this.lag or self._goes_alone(view)):
            ready.append(self._alone(view, this.take()))
        return ready

    def clear(self, view: str | None = None) -> None:
        """Forget the images of one view, or of both; the counters stay."""
        for name in VIEWS if view is None else (view,):
            self._views[name].clear()
        self._lone_view = None
        self._alone_in_a_row = 0

    def _goes_alone(self, view: str) -> bool:
        return self._lone_view == view and self._alone_in_a_row >= _SILENT_AFTER

    def _partner(self, other: _View, timestamp_ns: int) -> int | None:
        apart_ns = [abs(waiting.timestamp_ns - timestamp_ns) for waiting in other.waiting]
        nearest = min(range(len(apart_ns)), key=apart_ns.__getitem__, default=None)
        return nearest if nearest is not None and apart_ns[nearest] <= self._max_skew_ns else None

    def _pair(self, view: str, image: _Waiting, partner: int) -> PairedFrame:
        other = self._views[_other(view)]
        waited = other.take(partner)
        other.lags.append(other.newer_than(waited.timestamp_ns))
        self._views[view].lags.append(0)
        left, right = (image, waited) if view == "left" else (waited, image)
        self.view_skew_ns = right.timestamp_ns - left.timestamp_ns
        self._lone_view = None
        self._drop_older(left.timestamp_ns)
        return PairedFrame(left.mapped_ns, left.image, right.image, False)

    def _alone(self, view: str, image: _Waiting) -> PairedFrame:
        self._alone_in_a_row = self._alone_in_a_row + 1 if view == self._lone_view else 1
        self._lone_view = view
        self.unpaired += 1
        self._drop_older(image.timestamp_ns)
        skewed = self._is_skewed(view, image.timestamp_ns)
        views = {"left": None, "right": None, view: image.image}
        return PairedFrame(image.mapped_ns, views["left"], views["right"], skewed)

    def _is_skewed(self, view: str, timestamp_ns: int) -> bool:
        """Whether the other camera took an image less than half a frame away."""
        this, other = self._views[view], self._views[_other(view)]
        if len(this.recent_ns) < 2 or not other.recent_ns:
            return False
        steps_ns = np.diff(np.array(this.recent_ns))
        nearest_ns = min(other.recent_ns, key=lambda t: abs(t - timestamp_ns))
        apart_ns = nearest_ns - timestamp_ns
        if abs(apart_ns) > steps_ns.min() / 2:
            return False
        self.skewed += 1
        self.view_skew_ns = apart_ns if view == "left" else -apart_ns
        return True

    def _drop_older(self, timestamp_ns: int) -> None:
        """Frames are given out in the order of time: what is older now has missed its turn."""
        for view in self._views.values():
            while view.waiting and view.waiting[0].timestamp_ns < timestamp_ns:
                view.take()
                self.unpaired += 1


def _other(view: str) -> str:
    return VIEWS[1 - VIEWS.index(view)]
