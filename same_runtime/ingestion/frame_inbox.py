"""Camera images on their way in: judged and paired; the core keeps them and takes the newest."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_choice
from same_runtime import _core
from same_runtime.camera import CameraRig
from same_runtime.conventions import VIEWS
from same_runtime.ingestion.timestamps import stamp_error
from same_runtime.samples import StereoFrame, check_timestamp_ns

_log = logging.getLogger("same")

Gray = NDArray[np.uint8]


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


class FrameInbox:
    """Stereo frames between the camera driver and the tracker: bounded, the newest wins.

    Every stamp is judged by its camera's gate before anything else. Images that come one by one
    are then paired. Any thread may put images.
    """

    def __init__(self, inbox: _core.FrameInbox, rig: CameraRig) -> None:
        self._rig = rig
        self._inbox = inbox

    def check(self, frame: StereoFrame) -> None:
        """Raise ``InvalidInputError`` unless ``frame`` is one of the rig's frames."""
        if not isinstance(frame, StereoFrame):
            raise InvalidInputError(f"frame: expected a StereoFrame, got {type(frame).__name__}")
        self._rig.check_frame(frame)

    def put(self, frame: StereoFrame, arrival_ns: int | None) -> None:
        """Take a stereo frame; its images are copied."""
        self.check(frame)
        arrival_ns = _checked_arrival(arrival_ns)
        self._tell(
            "frame", self._inbox.put(frame.timestamp_ns, frame.left, frame.right, arrival_ns)
        )

    def put_image(self, view: str, timestamp_ns: int, image: Gray, arrival_ns: int | None) -> None:
        """Take one view's image; it is copied."""
        checked_choice("view", view, VIEWS)
        if image is None:
            raise InvalidInputError("image: expected a (height, width) uint8 array, got None")
        frame = StereoFrame(timestamp_ns, **{"left": None, "right": None, view: image})
        self.check(frame)
        arrival_ns = _checked_arrival(arrival_ns)
        push = self._inbox.put_image(VIEWS.index(view), frame.timestamp_ns, image, arrival_ns)
        self._tell(f"{view} image", push)

    def counts(self) -> FrameCounts:
        """Counters since the tracker opened."""
        return FrameCounts(*self._inbox.counts())

    def _tell(self, name: str, push: _core.FramePush) -> None:
        """Name the first skew, raise where a stamp was refused."""
        if push.first_skew:
            _log.warning(
                "cameras: the right image is stamped %+.3g ms after the left one, too far apart "
                "for a stereo pair; each goes on alone. Synchronise the cameras, correct their "
                "stamps, or allow it by TrackerOptions.max_view_skew_ns",
                1e-6 * self.counts().view_skew_ns,
            )
        if push.status is not _core.PushStatus.ACCEPTED:
            refused = name if push.at_gate else "frame"
            raise stamp_error(refused, push.status, push.newest_ns, push.refused_ns)


def _checked_arrival(arrival_ns: int | None) -> int | None:
    return None if arrival_ns is None else check_timestamp_ns("arrival_ns", arrival_ns)
