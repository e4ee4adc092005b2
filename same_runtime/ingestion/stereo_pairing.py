"""Camera images on their way in: paired, judged and kept until the tracker takes the newest."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_runtime._core import ImageRing, Ingestion, PushStatus
from same_runtime.camera import CameraRig
from same_runtime.conventions import VIEWS
from same_runtime.ingestion.clock_sync import CAMERAS, STREAMS
from same_runtime.ingestion.timestamps import stamp_error
from same_runtime.samples import StereoFrame, check_timestamp_ns

_SLOTS = 4
_SILENT_AFTER = 2
"""Images without partner in a row after which the other camera is not waited for."""
_CAMERA_STREAM = STREAMS.index(CAMERAS)


@dataclass(frozen=True)
class FrameCounts:
    """What became of the frames that came in so far."""

    accepted: int
    dropped: int
    """Replaced by a newer one before the tracker took them."""
    unpaired: int
    """Frames whose second image never came."""
    late_images: int
    """Images whose partner had already gone on without them."""
    view_skew_ns: int
    """Right image's time minus the left's, newest pair that came as two images."""


class FrameInbox:
    """Stereo frames between the camera driver and the tracker: bounded, the newest wins.

    Images that come one by one are paired when at most ``max_skew_ns`` apart; a pair has its
    left image's time. ``wake`` is called after each new frame. Any thread may call.
    """

    def __init__(
        self, ingestion: Ingestion, rig: CameraRig, max_skew_ns: int, wake: Callable[[], None]
    ) -> None:
        self._ingestion = ingestion
        self._shape = (rig.left.height, rig.left.width)
        self._ring = ImageRing(_SLOTS, *self._shape)
        self._max_skew_ns = max_skew_ns
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting = np.zeros(self._shape, np.uint8)
        self._waiting_view: str | None = None
        self._waiting_ns = 0
        self._lone_view: str | None = None
        self._alone_in_a_row = 0
        self._gone_ns = -1
        self._unpaired = self._late_images = self._view_skew_ns = 0
        self.newest_came_ns = 0
        """``time.perf_counter_ns`` when the newest frame came in."""

    def check(self, frame: StereoFrame) -> None:
        """Raise ``InvalidInputError`` unless ``frame`` is one of the rig's frames."""
        if not isinstance(frame, StereoFrame):
            raise InvalidInputError(f"frame: expected a StereoFrame, got {type(frame).__name__}")
        for view in VIEWS:
            image = getattr(frame, view)
            if image is not None and image.shape != self._shape:
                raise InvalidInputError(
                    f"frame.{view}: expected the rig's (height, width) {self._shape}, "
                    f"got {image.shape}"
                )

    def put(self, frame: StereoFrame, arrival_ns: int | None) -> None:
        """Take a stereo frame; its images are copied."""
        self.check(frame)
        with self._lock:
            self._push(frame.timestamp_ns, frame.left, frame.right, arrival_ns)

    def put_image(
        self, view: str, timestamp_ns: int, image: NDArray[np.uint8], arrival_ns: int | None
    ) -> None:
        """Take one view's image; it is copied."""
        if view not in VIEWS:
            raise InvalidInputError(f"view: expected one of {VIEWS}, got {view!r}")
        frame = StereoFrame(timestamp_ns, **{"left": None, "right": None, view: image})
        self.check(frame)
        timestamp_ns = check_timestamp_ns(f"{view} image", timestamp_ns)
        with self._lock:
            self._pair(view, timestamp_ns, image, arrival_ns)

    def newest(
        self,
    ) -> tuple[int, NDArray[np.uint8] | None, NDArray[np.uint8] | None] | None:
        """Time and views of the newest frame, which stay whole while they are held."""
        return self._ring.newest()

    def counts(self) -> FrameCounts:
        """Counters since the tracker opened."""
        return FrameCounts(
            self._ring.accepted,
            self._ring.dropped,
            self._unpaired,
            self._late_images,
            self._view_skew_ns,
        )

    def clear(self) -> None:
        """Forget all frames; the counters stay."""
        with self._lock:
            self._ring.clear()
            self._waiting_view = self._lone_view = None
            self._gone_ns = -1

    def _pair(
        self, view: str, timestamp_ns: int, image: NDArray[np.uint8], arrival_ns: int | None
    ) -> None:
        if abs(timestamp_ns - self._gone_ns) <= self._max_skew_ns and self._lone_view != view:
            self._late_images += 1
            self._alone_in_a_row = 0  # the other camera is back
            return
        if self._waiting_view is not None:
            apart_ns = timestamp_ns - self._waiting_ns
            if self._waiting_view != view and abs(apart_ns) <= self._max_skew_ns:
                self._view_skew_ns = apart_ns if view == "right" else -apart_ns
                pair = {view: image, self._waiting_view: self._waiting}
                left_ns = timestamp_ns if view == "left" else self._waiting_ns
                self._waiting_view = self._lone_view = None
                self._push(left_ns, pair["left"], pair["right"], arrival_ns)
                return
            if apart_ns <= 0:
                self._late_images += 1
                raise stamp_error(
                    f"{view} image", PushStatus.BACKWARDS, self._waiting_ns, timestamp_ns
                )
            self._send_alone(self._waiting_view, self._waiting_ns, self._waiting, arrival_ns)
        if self._lone_view == view and self._alone_in_a_row >= _SILENT_AFTER:
            self._send_alone(view, timestamp_ns, image, arrival_ns)
            return
        np.copyto(self._waiting, image)
        self._waiting_view, self._waiting_ns = view, timestamp_ns

    def _send_alone(
        self, view: str, timestamp_ns: int, image: NDArray[np.uint8], arrival_ns: int | None
    ) -> None:
        self._alone_in_a_row = self._alone_in_a_row + 1 if view == self._lone_view else 1
        self._lone_view, self._waiting_view, self._gone_ns = view, None, timestamp_ns
        self._unpaired += 1
        views = {"left": None, "right": None, view: image}
        self._push(timestamp_ns, views["left"], views["right"], arrival_ns)

    def _push(
        self,
        timestamp_ns: int,
        left: NDArray[np.uint8] | None,
        right: NDArray[np.uint8] | None,
        arrival_ns: int | None,
    ) -> None:
        newest_ns = self._ingestion.newest_ns(_CAMERA_STREAM)
        code, mapped_ns = self._ingestion.admit(_CAMERA_STREAM, timestamp_ns, arrival_ns)
        if code:
            raise stamp_error("frame", PushStatus(code), newest_ns, timestamp_ns)
        if newest_ns is not None and mapped_ns <= newest_ns:
            self._ring.clear()  # the cameras' clock began anew
        status = self._ring.push(mapped_ns, left, right)
        if status is not PushStatus.ACCEPTED:
            raise stamp_error("frame", status, newest_ns, mapped_ns)
        self.newest_came_ns = time.perf_counter_ns()
        self._wake()
