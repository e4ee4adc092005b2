"""A head whose tracker relocalises, or whose headset is recentred: the body keeps its shape."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from live_stream import SECOND, START_NS, head_position, live_events
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_runtime import PoseStatus, Reason, SamePoseTracker
from same_runtime.conventions import DEVICES
from same_runtime.ingestion.inputs import Ingest

MS = 1_000_000
JUMP_NS = START_NS + SECOND
NEVER_NS = 1 << 62


@dataclass
class MovedWorld:
    """A tracker's input methods, in a world that is turned and shifted from ``JUMP_NS`` on, for
    the legs from ``legs_from_ns`` on."""

    ingest: Ingest
    turn: Rotation
    shift: NDArray[np.float64]
    legs_from_ns: int = JUMP_NS

    def frame(self, frame):  # type: ignore[no-untyped-def]
        self.ingest.frame(frame)

    def head(self, t: int, position: np.ndarray, q: np.ndarray) -> None:
        self.ingest.head(t, *self._moved(t, position, q))

    def controller(self, side: str, t: int, position: np.ndarray, q: np.ndarray) -> None:
        self.ingest.controller(side, t, *self._moved(t, position, q))

    def leg(self, side: str, t: int, q: np.ndarray, acceleration: np.ndarray) -> None:
        if t >= self.legs_from_ns:
            q = (self.turn * Rotation.from_quat(q)).as_quat()
            acceleration = self.turn.apply(acceleration)
        self.ingest.leg(side, t, q, acceleration)

    def _moved(self, t: int, position: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if t < JUMP_NS:
            return position, q
        moved = self.turn.apply(position) + self.shift
        return moved, (self.turn * Rotation.from_quat(q)).as_quat()


def about_the_head(yaw_deg: float) -> tuple[Rotation, NDArray[np.float64]]:
    """A turn that leaves the head where it is: what a recentred headset may do."""
    turn, pivot = Rotation.from_euler("y", yaw_deg, degrees=True), head_position(1.0)
    return turn, pivot - turn.apply(pivot)


def side_by_side(
    bundle: Path, turn: Rotation, shift: NDArray[np.float64], legs_from_ns: int = JUMP_NS
) -> Iterator[tuple[SamePoseTracker, SamePoseTracker]]:
    """A tracker in a world that stays and one in the moved world, after each of their frames."""
    with SamePoseTracker(bundle) as still, SamePoseTracker(bundle) as jumping:
        moved = MovedWorld(jumping.ingest, turn, shift, legs_from_ns)
        for event in live_events(still.rig, 2.0):
            event.send(still.ingest)
            event.send(moved)  # type: ignore[arg-type]
            if event.stream == "frame":
                still.step()
                jumping.step()
                yield still, jumping


def left_leg(tracker: SamePoseTracker) -> Rotation:
    """The left leg's sensor in the head's world, at the newest frame."""
    return Rotation.from_quat(tracker.latest().device_orientations_world[DEVICES.index("leg_left")])


def test_the_body_keeps_its_shape(tiny_bundle: Path) -> None:
    turn, shift = Rotation.from_euler("y", 1.9), np.array((4.0, 0.3, -2.5))
    differences, marked = [], []
    for still, jumping in side_by_side(tiny_bundle, turn, shift):
        a, b = still.latest(), jumping.latest()
        marked.append(Reason.RELOCALISED in b.reasons)
        differences.append(np.abs(a.joints_cam_left - b.joints_cam_left).max())
        counts = still.stats().relocalisations, jumping.stats().relocalisations
    assert counts == (0, 1) and sum(marked) == 1 and marked.index(True) == 30
    assert max(differences[:30]) == 0
    # The shift upwards changes the head's height, which the network sees: not zero, but no jump.
    assert max(differences[30:]) < 0.15


@pytest.mark.parametrize("yaw_deg", [25.0, -100.0, 180.0])
@pytest.mark.parametrize(
    "legs_from_ns",
    [JUMP_NS, NEVER_NS, JUMP_NS - 120 * MS, JUMP_NS + 120 * MS],
    ids=["along", "on their own", "sooner", "later"],
)
def test_leg_sensors_follow_a_recentred_headset(
    tiny_bundle: Path, yaw_deg: float, legs_from_ns: int
) -> None:
    """Their own heading knows nothing of it, unless the application turns them along."""
    differences = []
    for still, jumping in side_by_side(tiny_bundle, *about_the_head(yaw_deg), legs_from_ns):
        a, b = still.latest(), jumping.latest()
        differences.append(np.abs(a.joints_cam_left - b.joints_cam_left).max())
        legs = left_leg(still), left_leg(jumping)
    assert jumping.stats().relocalisations == 1
    assert max(differences[-20:]) < 0.01
    expected = Rotation.from_euler("y", yaw_deg, degrees=True) * legs[0]
    assert math.degrees((legs[1] * expected.inv()).magnitude()) < 3


def test_a_turn_alone_is_noticed_between_frames(tiny_bundle: Path) -> None:
    turn, shift = about_the_head(60.0)
    with SamePoseTracker(tiny_bundle) as tracker:
        moved = MovedWorld(tracker.ingest, turn, shift)
        for event in live_events(tracker.rig, 1.02):
            event.send(moved)  # type: ignore[arg-type]
            if event.stream == "frame":
                tracker.step()
            if event.stream == "head":
                pose = tracker.at_time(event.timestamp_ns)
                jumped = Reason.RELOCALISED in pose.reasons
                assert jumped == (event.timestamp_ns >= JUMP_NS), event.timestamp_ns - JUMP_NS
                if jumped:
                    assert pose.status is not PoseStatus.VALID


def test_a_glitch_that_goes_back_leaves_no_turn(tiny_bundle: Path) -> None:
    """Legs that turn along there and back, as those of one tracking system do."""
    turn, shift = about_the_head(60.0)
    back_ns = JUMP_NS + 120 * MS
    with SamePoseTracker(tiny_bundle) as still, SamePoseTracker(tiny_bundle) as jumping:
        moved = MovedWorld(jumping.ingest, turn, shift)
        for event in live_events(still.rig, 2.0):
            event.send(still.ingest)
            event.send(moved if event.timestamp_ns < back_ns else jumping.ingest)  # type: ignore[arg-type]
            if event.stream == "frame":
                still.step()
                jumping.step()
        assert jumping.stats().relocalisations == 2
        apart = left_leg(jumping) * left_leg(still).inv()
    assert math.degrees(apart.magnitude()) < 3


@pytest.mark.parametrize("reset", [False, True])
def test_a_turn_is_kept_over_gaps_and_resets(tiny_bundle: Path, reset: bool) -> None:
    """Leg sensors go on facing where they did, whatever the tracker forgets."""
    turn, shift = about_the_head(90.0)
    with SamePoseTracker(tiny_bundle) as tracker:
        moved = MovedWorld(tracker.ingest, turn, shift, NEVER_NS)
        before = None
        for event in live_events(tracker.rig, 1.3):
            event.send(moved)  # type: ignore[arg-type]
            if event.stream == "frame":
                tracker.step()
                if before is None and event.timestamp_ns > JUMP_NS + 100 * MS:
                    before = left_leg(tracker)
                    if reset:
                        tracker.reset()
        assert before is not None
        turned_deg = math.degrees((left_leg(tracker) * before.inv()).magnitude())
    assert turned_deg < 45


def test_a_leg_that_comes_later_is_as_it_reads(tiny_bundle: Path) -> None:
    """Nobody knows which world a sensor is told in that was not there as the world turned."""
    turn, shift = about_the_head(90.0)
    with SamePoseTracker(tiny_bundle) as still, SamePoseTracker(tiny_bundle) as jumping:
        moved = MovedWorld(jumping.ingest, turn, shift, NEVER_NS)
        for event in live_events(still.rig, 1.5):
            if event.stream == "leg_left" and event.timestamp_ns < JUMP_NS + 200 * MS:
                continue
            event.send(still.ingest)
            event.send(moved)  # type: ignore[arg-type]
            if event.stream == "frame":
                still.step()
                jumping.step()
        apart = left_leg(jumping) * left_leg(still).inv()
    assert math.degrees(apart.magnitude()) < 3


def test_a_head_that_is_only_moved_turns_no_leg(tiny_bundle: Path) -> None:
    nowhere = Rotation.identity(), np.array((0.6, 0.0, -0.4))
    for still, jumping in side_by_side(tiny_bundle, *nowhere):
        legs = left_leg(still), left_leg(jumping)
        relocalisations = jumping.stats().relocalisations
    assert relocalisations == 1
    assert math.degrees((legs[1] * legs[0].inv()).magnitude()) < 0.01
