"""Recorded images of cameras that do not stamp alike become pairs, in the order of time."""

from dataclasses import dataclass

import numpy as np
import pytest

from same_runtime import SamePoseTracker, StereoFrame
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import FRAME_STREAM, RecordedSample, Recording
from same_runtime.recording.replay import Replay
from same_runtime.recording.view_pairs import with_pairs

MS = 1_000_000
IMAGE = np.zeros((2, 2), np.uint8)


def image(views: str, at_ms: int) -> RecordedSample:
    frame = StereoFrame(at_ms * MS, *(IMAGE if view in views else None for view in "LR"))
    return RecordedSample(FRAME_STREAM, at_ms * MS, frame, at_ms * MS + 7)


def paired(*samples: tuple[str, int]) -> list[tuple[str, int]]:
    found = with_pairs([image(*sample) for sample in samples], 5 * MS)
    return [
        ("L" * (s.value.left is not None) + "R" * (s.value.right is not None), s.timestamp_ns // MS)
        for s in found
    ]


@pytest.mark.parametrize(
    ("came", "frames"),
    [
        ([("LR", 0), ("LR", 33)], [("LR", 0), ("LR", 33)]),
        ([("L", 0), ("R", 1), ("L", 33), ("R", 34)], [("LR", 0), ("LR", 33)]),
        ([("R", 0), ("L", 1), ("R", 33), ("L", 34)], [("LR", 1), ("LR", 34)]),
        ([("L", 0), ("L", 33), ("R", 1), ("L", 66), ("R", 34)], [("LR", 0), ("LR", 33), ("L", 66)]),
        ([("LR", 0), ("L", 33), ("LR", 66)], [("LR", 0), ("L", 33), ("LR", 66)]),
        ([("L", 0), ("R", 9), ("L", 33), ("R", 42)], [("L", 0), ("R", 9), ("L", 33), ("R", 42)]),
        ([("L", 0), ("R", 30), ("L", 33)], [("L", 0), ("LR", 33)]),
        ([("L", 33 * i) for i in range(9)], [("L", 33 * i) for i in range(9)]),
    ],
)
def test_images_become_pairs(came: list[tuple[str, int]], frames: list[tuple[str, int]]) -> None:
    assert paired(*came) == frames


def test_a_pair_arrives_with_its_later_image_and_nothing_else_waits() -> None:
    head = RecordedSample("head", 2 * MS, IMAGE.astype(float), 2 * MS)
    pair = list(with_pairs([image("L", 0), head, image("R", 1)], 5 * MS))
    assert [sample.stream for sample in pair] == ["head", FRAME_STREAM]
    assert pair[1].arrival_ns == MS + 7


@dataclass
class Skewed:
    """The demo recording's first frames, with the right camera's stamps later."""

    skew_ns: int
    frames: int = 12

    def __post_init__(self) -> None:
        self.path, self.rig = demo_recording(), Recording(demo_recording()).rig

    def samples(self, streams: tuple[str, ...] | None = None):
        count = 0
        for sample in Recording(self.path).samples(streams):
            if sample.stream != FRAME_STREAM:
                yield sample
                continue
            time, frame = sample.timestamp_ns, sample.value
            for stamp, views in (
                (time, (frame.left, None)),
                (time + self.skew_ns, (None, frame.right)),
            ):
                arrival = sample.arrival_ns + stamp - time
                yield RecordedSample(FRAME_STREAM, stamp, StereoFrame(stamp, *views), arrival)
            if (count := count + 1) == self.frames:
                return


def test_a_replay_tracks_with_both_cameras_of_such_a_recording() -> None:
    with SamePoseTracker(demo_bundle(), Recording(demo_recording()).rig) as tracker:
        replay = Replay(Skewed(MS), tracker)  # type: ignore[arg-type]
        poses = [replayed.pose for replayed in replay]
    assert len(poses) == 12 and not replay.refused
    assert not any("CAMERA_LOST" in pose.reasons for pose in poses)
