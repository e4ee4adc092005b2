"""Images that come apart are paired, frames that nobody took are dropped and counted."""

import gc
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from same_bench.measuring.made_up_stream import START_NS
from same_engines import Bundle, EngineWrapper, open_engine
from same_engines.errors import InvalidInputError, TimestampError
from same_runtime import StereoFrame, _core
from same_runtime._core import Ingestion, Synchroniser, steady_ns
from same_runtime.camera import CameraRig
from same_runtime.ingestion.frame_inbox import FrameInbox

MS = 1_000_000


class InboxFrame(NamedTuple):
    """A frame as the core takes it."""

    timestamp_ns: int
    """On the tracker's clock."""
    left: np.ndarray | None
    right: np.ndarray | None
    came_ns: int
    """``steady_ns`` when it came in."""
    restarts: int
    """Times the frames had begun anew from an earlier time when it came in."""
    skewed: bool
    """The missing image is there, but too far away in time."""


class Inbox:
    def __init__(self, rig: CameraRig) -> None:
        self.shape = (rig.left.height, rig.left.width)
        self.core = _core.FrameInbox(Ingestion(Synchroniser()), *self.shape, 5 * MS)
        self.inbox = FrameInbox(self.core, rig)

    def image(self, view: str, ms: int, value: int) -> None:
        image = np.full(self.shape, value, np.uint8)
        self.inbox.put_image(view, START_NS + ms * MS, image, None)
        image[:] = 0  # the driver's buffer is its own again

    def newest_frame(self) -> InboxFrame | None:
        found = self.core.newest()
        return None if found is None else InboxFrame(*found)

    def newest(self) -> tuple[int, int | None, int | None]:
        found = self.newest_frame()
        assert found is not None
        stamp, left, right = found[:3]
        values = [None if image is None else int(image[3, 5]) for image in (left, right)]
        return (stamp - START_NS) // MS, values[0], values[1]


@pytest.fixture
def inbox(small_rig: CameraRig) -> Inbox:
    return Inbox(small_rig)


@pytest.mark.parametrize("first", ["left", "right"])
def test_images_two_milliseconds_apart_are_one_frame(inbox: Inbox, first: str) -> None:
    second = "right" if first == "left" else "left"
    inbox.image(first, 0, 7)
    assert inbox.inbox.counts().accepted == 0
    inbox.image(second, 2, 9)
    expected = (0, 7, 9) if first == "left" else (2, 9, 7)
    assert inbox.newest() == expected and inbox.inbox.counts().accepted == 1
    skew_ms = 2 if first == "left" else -2
    assert inbox.inbox.counts().view_skew_ns == skew_ms * MS


def test_an_image_without_partner_goes_alone_and_the_camera_may_come_back(inbox: Inbox) -> None:
    inbox.image("left", 0, 1)
    inbox.image("left", 33, 2)
    assert inbox.newest() == (0, 1, None)
    inbox.image("left", 66, 3)
    assert inbox.newest() == (66, 3, None)  # twice in a row: the other one is silent
    inbox.image("right", 68, 4)
    counts = inbox.inbox.counts()
    assert counts.late_images == 1
    inbox.image("left", 99, 5)
    inbox.image("right", 101, 6)
    assert inbox.newest() == (99, 5, 6)
    assert counts.unpaired == inbox.inbox.counts().unpaired


def test_the_newest_frame_wins_and_the_rest_is_counted(inbox: Inbox, small_rig: CameraRig) -> None:
    image = np.zeros(inbox.shape, np.uint8)
    for i in range(10):
        inbox.inbox.put(StereoFrame(START_NS + i * 33 * MS, image + i, None), None)
    assert inbox.newest() == (297, 9, None)
    counts = inbox.inbox.counts()
    assert (counts.accepted, counts.dropped) == (10, 9)


def test_bad_frames_are_refused_whole(inbox: Inbox) -> None:
    image = np.zeros(inbox.shape, np.uint8)
    inbox.inbox.put(StereoFrame(START_NS, image, image), None)
    for error, message, frame in (
        (TimestampError, "duplicate", StereoFrame(START_NS, image, image)),
        (TimestampError, "before the newest", StereoFrame(START_NS - 1, image, image)),
        (
            InvalidInputError,
            "frame.left: expected the rig's",
            StereoFrame(START_NS, image[1:], None),
        ),
        (InvalidInputError, "expected a StereoFrame", None),
    ):
        with pytest.raises(error, match=message):
            inbox.inbox.put(frame, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="view: expected one of"):
        inbox.image("up", 5, 1)
    assert inbox.inbox.counts().accepted == 1


def test_the_tracker_passes_images_on(tiny_bundle: Path) -> None:
    from same_runtime import SamePoseTracker

    with SamePoseTracker(tiny_bundle) as tracker:
        image = np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)
        tracker.ingest.image("left", START_NS, image)
        tracker.ingest.image("right", START_NS + 2 * MS, image)
        assert tracker.stats().frames.accepted == 1


@pytest.mark.parametrize("late", [1, 2])
def test_a_camera_whose_images_come_frames_late_is_still_paired(inbox: Inbox, late: int) -> None:
    lone = []
    for i in range(60):
        inbox.image("left", 33 * i, 1)
        if i >= late:
            inbox.image("right", 33 * (i - late), 2)
        if i > 10 and None in inbox.newest():
            lone.append(i)
    assert lone == []
    assert inbox.inbox.counts().accepted >= 60 - 2 * late
    inbox.image("left", 2000, 1)  # and when it stops, its images are not waited for for ever
    for i in range(2, 10):
        inbox.image("left", 2000 + 33 * i, i)
    assert inbox.newest() == (2297, 9, None)


@pytest.mark.parametrize("ahead_ms", [300, 1000, 3000, 1_700_000_000_000])
def test_one_bad_image_stamp_costs_a_few_images(inbox: Inbox, ahead_ms: int) -> None:
    refused = 0
    for i in range(100):
        for view in ("left", "right"):
            bad = i == 30 and view == "left"
            try:
                inbox.image(view, 33 * i + (ahead_ms if bad else 0), i)
            except TimestampError:
                refused += 1
    assert refused <= 8
    assert inbox.newest() == (33 * 99, 99, 99)
    assert inbox.inbox.counts().unpaired <= 9


@pytest.mark.parametrize("back_ms", [300, 500, 2000, 4000])
@pytest.mark.parametrize("whole", [True, False])
def test_frames_go_on_when_the_cameras_clock_is_set_back(
    inbox: Inbox, back_ms: int, whole: bool
) -> None:
    image, refused = np.zeros(inbox.shape, np.uint8), 0
    for i in range(100):
        for view in ("left",) if whole else ("left", "right"):
            # The clock is set back between a left and a right image.
            back = back_ms if i > 50 or (i == 50 and view == "right") else 0
            stamp_ms = 5000 + 33 * i - back
            try:
                if whole:
                    frame = StereoFrame(START_NS + stamp_ms * MS, image, image)
                    inbox.inbox.put(frame, None)
                else:
                    inbox.image(view, stamp_ms, i)
            except TimestampError:
                refused += 1
    assert refused <= (7 if whole else 14)
    newest = inbox.newest()
    assert newest[0] == 5000 + 33 * 99 - back_ms and None not in newest
    assert inbox.core.restarts == 1


def test_latency_counts_from_the_frame_that_is_estimated(tiny_bundle: Path) -> None:
    from same_runtime import SamePoseTracker

    class Overtaken(EngineWrapper):
        def run(self, stage: str) -> None:
            if stage == "fusion" and image.any():
                time.sleep(0.1)
                tracker.ingest.frame(StereoFrame(START_NS + 33 * MS, image, image))
            super().run(stage)

    image = np.zeros((0, 0), np.uint8)
    engine = Overtaken(open_engine(Bundle.open(tiny_bundle), "onnxruntime"))
    with SamePoseTracker(tiny_bundle, backend=engine) as tracker:
        image = np.full((tracker.rig.left.height, tracker.rig.left.width), 9, np.uint8)
        tracker.ingest.head(START_NS, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
        tracker.ingest.frame(StereoFrame(START_NS, image, image))
        pose = tracker.step()
        assert pose is not None and pose.timestamp_ns == START_NS
        assert pose.latency_ns >= 100 * MS


def test_held_images_stay_whole_when_newer_ones_come_and_the_inbox_is_gone(
    small_rig: CameraRig,
) -> None:
    inbox = Inbox(small_rig)
    before_ns = steady_ns()
    inbox.image("left", 0, 7)
    inbox.image("right", 0, 9)
    held = inbox.newest_frame()
    assert held is not None and held.left is not None and held.right is not None
    assert before_ns <= held.came_ns <= steady_ns()
    for i in range(1, 12):
        inbox.image("left", 33 * i, 1)
        inbox.image("right", 33 * i, 2)
    assert inbox.newest() == (33 * 11, 1, 2)
    del inbox
    gc.collect()
    assert (held.left == 7).all() and (held.right == 9).all()
    assert not held.left.flags.writeable


def test_frames_are_refused_without_a_wake_while_every_slot_is_held(inbox: Inbox) -> None:
    image = np.zeros(inbox.shape, np.uint8)
    held = []
    for i in range(4):
        inbox.inbox.put(StereoFrame(START_NS + i * 33 * MS, image, image), None)
        held.append(inbox.newest_frame())
    with pytest.raises(TimestampError, match=r"frame: .* refused: FULL"):
        inbox.inbox.put(StereoFrame(START_NS + 200 * MS, image, image), None)
    assert inbox.inbox.counts().accepted == 4
    held.clear()
    inbox.inbox.put(StereoFrame(START_NS + 233 * MS, image, image), None)
    assert inbox.newest() == (233, 0, 0)


def test_two_skewed_cameras_are_named_once(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(6):
        inbox.image("left", 33 * i, 1)
        inbox.image("right", 33 * i + 9, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "cameras: the right image is stamped +9 ms after the left one, too far apart for a stereo "
        "pair; each goes on alone. Synchronise the cameras, correct their stamps, or allow it by "
        "TrackerOptions.max_view_skew_ns"
    ]
    assert inbox.inbox.counts().skewed > 1
    newest = inbox.newest_frame()
    assert newest is not None and newest.skewed
