"""An observer sees a tracker's parts, estimates and poses, and changes none of them."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from same_bench.measuring.made_up_stream import made_up_stream
from same_runtime import Observer, SamePoseTracker
from same_runtime.observer import PARTS


class Noting(Observer):
    def __init__(self) -> None:
        self.parts: list[dict[str, int]] = []
        self.estimates: list[tuple[int, int]] = []
        self.late_ns: list[int] = []
        self.enough = threading.Event()

    def parts_done(self, part_ns: Mapping[str, int]) -> None:
        self.parts.append(dict(part_ns))

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        self.estimates.append((timestamp_ns, latency_ns))

    def given_out(self, ready_ns: int, late_ns: int) -> None:
        self.late_ns.append(late_ns)
        if len(self.late_ns) >= 3:
            self.enough.set()


def test_every_part_of_a_push_is_seen_and_the_pose_is_the_same(tiny_bundle: Path) -> None:
    observer = Noting()
    with (
        SamePoseTracker(tiny_bundle) as plain,
        SamePoseTracker(tiny_bundle, observer=observer) as watched,
    ):
        for index, sample in enumerate(made_up_stream(plain.rig, 6)):
            expected, pose = plain.push(*sample), watched.push(*sample)
            np.testing.assert_array_equal(pose.joints_world, expected.joints_world)
            part_ns = observer.parts[index]
            assert part_ns.keys() == set(PARTS) and min(part_ns.values()) > 0
            assert sum(part_ns.values()) < pose.latency_ns
            assert observer.estimates[index] == (pose.timestamp_ns, pose.latency_ns)


def test_poses_that_a_started_tracker_gives_out_are_seen(tiny_bundle: Path) -> None:
    observer = Noting()
    with SamePoseTracker(tiny_bundle, observer=observer) as tracker:
        tracker.start()
        assert observer.enough.wait(10)
    assert all(late_ns >= 0 for late_ns in observer.late_ns)
