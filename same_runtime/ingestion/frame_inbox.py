"""Camera images on their way in: judged, paired and kept until the tracker takes the newest."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_choice
from same_runtime._core import ImageRing, Ingestion, PushStatus
from same_runtime.camera import CameraRig
from same_runtime.conventions import VIEWS
from same_runtime.ingestion.clock_sync import CAMERAS, STREAMS
from same_runtime.ingestion.stereo_pairing import Gray, StereoPairing
from same_runtime.ingestion.timestamps import stamp_error
from same_runtime.samples import StereoFrame, check_timestamp_ns

_log = logging.getLogger("same")

_SLOTS = 4
_CAMERA_STREAM = STREAMS.index(CAMERAS)
_GATES = {view: _CAMERA_STREAM + index for index, view in enumerate(VIEWS)}


@dataclass(frozen=True)
class FrameCounts:
    """What became of the frames that came in so far."""

    accepted: int
    dropped: int
    """Replaced by a newer one before the tracker took them."""
    unpaired: int
    """Images whose partner never came, came too late or is too far away in time."""
    late_images: int
    """Images whose partner had already gone on without them."""
    skewed: int
    """Images whose partner is there, but too far away in time (``max_view_skew_ns``)."""
    view_skew_ns: int
    """Right image's time minus the left's, newest two that belong together."""


class InboxFrame(NamedTuple):
    """A frame as the tracker takes it."""

    timestamp_ns: int
    """On the tracker's clock."""
    left: Gray | None
    right: Gray | None
    came_ns: int
    """``time.perf_counter_ns`` when it came in."""
    restarts: int
    """Times the frames had begun anew from an earlier time when it came in."""
    skewed: bool
    """The missing image is there, but too far away in time."""


class FrameInbox:
    """Stereo frames between the camera driver and the tracker: bounded, the newest wins.

    Every stamp is judged by its camera's gate before anything else. Images that come one by one
    are then paired when at most ``max_skew_ns`` apart. ``wake`` is called after each new frame.
    Any thread may call.
    """

    def __init__(
        self, ingestion: Ingestion, rig: CameraRig, max_skew_ns: int, wake: Callable[[], None]
    ) -> None:
        self._ingestion = ingestion
        self._shape = (rig.left.height, rig.left.width)
        self._ring = ImageRing(_SLOTS, *self._shape)
        self._pairing = StereoPairing(self._shape, max_skew_ns)
        self._wake = wake
        self._lock = threading.Lock()
        self._newest_ns: int | None = None
        self._notes: deque[InboxFrame] = deque(maxlen=2 * _SLOTS)
        self._skew_named = False
        self._images = 0
        self._last_image = dict.fromkeys(VIEWS, 0)
        self._last_restart = dict.fromkeys(VIEWS, 0)
        self.restarts = 0
        """Times the frames went on from an earlier time: the cameras' clock began anew."""

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
            mapped_ns = self._admit("frame", "left", frame.timestamp_ns, arrival_ns)
            self._push(mapped_ns, frame.left, frame.right)

    def put_image(self, view: str, timestamp_ns: int, image: Gray, arrival_ns: int | None) -> None:
        """Take one view's image; it is copied."""
        checked_choice("view", view, VIEWS)
        if image is None:
            raise InvalidInputError("image: expected a (height, width) uint8 array, got None")
        frame = StereoFrame(timestamp_ns, **{"left": None, "right": None, view: image})
        self.check(frame)
        timestamp_ns = check_timestamp_ns(f"{view} image", timestamp_ns)
        with self._lock:
            mapped_ns = self._admit(f"{view} image", view, timestamp_ns, arrival_ns)
            for ready in self._pairing.add(view, timestamp_ns, mapped_ns, image):
                self._name_skew()
                self._push(ready.timestamp_ns, ready.left, ready.right, ready.skewed)

    def newest(self) -> InboxFrame | None:
        """The newest frame; its images stay whole while they are held."""
        while (found := self._ring.newest()) is not None:
            timestamp_ns, left, right = found
            for note in reversed(tuple(self._notes)):
                if note.timestamp_ns == timestamp_ns:
                    return note._replace(left=left, right=right)
        return None

    def counts(self) -> FrameCounts:
        """Counters since the tracker opened."""
        pairing = self._pairing
        return FrameCounts(
            self._ring.accepted,
            self._ring.dropped,
            pairing.unpaired,
            pairing.late_images,
            pairing.skewed,
            pairing.view_skew_ns,
        )

    def clear(self) -> None:
        """Forget all frames; the counters stay."""
        with self._lock:
            self._begin_anew()

    def _begin_anew(self) -> None:
        self._ring.clear()
        self._pairing.clear()
        self._newest_ns = None

    def _admit(self, name: str, view: str, timestamp_ns: int, arrival_ns: int | None) -> int:
        """The stamp on the tracker's clock, or raise with nothing changed but the counters."""
        if arrival_ns is not None:
            arrival_ns = check_timestamp_ns("arrival_ns", arrival_ns)
        newest_ns = self._ingestion.newest_ns(_CAMERA_STREAM)
        code, mapped_ns, restarted = self._ingestion.admit(_GATES[view], timestamp_ns, arrival_ns)
        if code:
            raise stamp_error(name, PushStatus(code), newest_ns, timestamp_ns)
        self._images += 1
        if restarted:
            self._restart(view, mapped_ns)
        self._last_image[view] = self._images
        return mapped_ns

    def _restart(self, view: str, mapped_ns: int) -> None:
        """One camera's stamps go on from another time: so do the frames, unless they do already
        because the other camera has begun anew since this one's last image."""
        self._pairing.clear(view)
        self._last_restart[view] = self._images
        other = VIEWS[1 - VIEWS.index(view)]
        follows = self._last_restart[other] > self._last_image[view]
        if not follows and self._newest_ns is not None and mapped_ns <= self._newest_ns:
            self._begin_anew()
            self.restarts += 1

    def _name_skew(self) -> None:
        if self._pairing.skewed and not self._skew_named:
            self._skew_named = True
            _log.warning(
                "cameras: the right image is stamped %+.3g ms after the left one, too far apart "
                "for a stereo pair; each goes on alone. Synchronise the cameras, correct their "
                "stamps, or allow it by TrackerOptions.max_view_skew_ns",
                1e-6 * self._pairing.view_skew_ns,
            )

    def _push(
        self, timestamp_ns: int, left: Gray | None, right: Gray | None, skewed: bool = False
    ) -> None:
        came_ns = time.perf_counter_ns()
        note = InboxFrame(timestamp_ns, None, None, came_ns, self.restarts, skewed)
        self._notes.append(note)
        status = self._ring.push(timestamp_ns, left, right)
        if status is not PushStatus.ACCEPTED:
            raise stamp_error("frame", status, self._newest_ns, timestamp_ns)
        self._newest_ns = timestamp_ns
        self._wake()
