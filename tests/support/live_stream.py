"""The made-up stream as separate devices with their own rates, for live tests."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime import StereoFrame
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES
from same_runtime.ingestion.inputs import Ingest

SECOND = 1_000_000_000
START_NS = 5 * SECOND
RATES_HZ = {"head": 90, "ctrl_left": 90, "ctrl_right": 90, "leg_left": 200, "leg_right": 200}
CAMERA_HZ = 30


class Event(NamedTuple):
    """One sample, in the order of time; ``send`` puts it through a tracker's input methods."""

    timestamp_ns: int
    stream: str
    send: Callable[[Ingest], None]


def _turn(t: float, *rates: float) -> np.ndarray:
    return Rotation.from_euler("yxz", 0.5 * np.sin(np.multiply(rates, t))).as_quat()


def head_position(t: float) -> np.ndarray:
    """Where the made-up head is ``t`` seconds after the start, metres."""
    return np.array((0.3 * np.sin(t), 1.6 + 0.02 * np.sin(5 * t), 0.2 * t))


def device_event(device: str, timestamp_ns: int) -> Event:
    """A device's sample at one time."""
    t = (timestamp_ns - START_NS) / SECOND
    side = device.rpartition("_")[2]
    sign = 1 if side == "left" else -1
    if device == "head":
        position, turn = head_position(t), _turn(t, 0.7, 0.3, 0)
        return Event(timestamp_ns, device, lambda i: i.head(timestamp_ns, position, turn))
    if device.startswith("ctrl"):
        hand = np.array((-0.3 * sign, 1.0 + sign * 0.2 * np.sin(3 * t), 0.2 * t - 0.3))
        turn = _turn(t, 2, 1, 1)
        return Event(timestamp_ns, device, lambda i: i.controller(side, timestamp_ns, hand, turn))
    push = (0.0, 3.0 * sign * np.sin(6 * t), 1.0)
    turn = _turn(t, 0.5, 3 * sign, 0)
    return Event(timestamp_ns, device, lambda i: i.leg(side, timestamp_ns, turn, push))


def live_events(rig: CameraRig, seconds: float, seed: int = 0) -> Iterator[Event]:
    """Samples of all devices and frames for so long, ordered by time."""
    random = np.random.default_rng(seed)
    shape = (rig.left.height, rig.left.width)
    image = random.integers(0, 255, shape).astype(np.uint8)

    def frame_event(timestamp_ns: int, shift: int) -> Event:
        moved = np.roll(image, shift, axis=0)
        frame = StereoFrame(timestamp_ns, moved, np.roll(moved, 3, axis=1))
        return Event(timestamp_ns, "frame", lambda i: i.frame(frame))

    events = []
    for device in DEVICES:
        period_ns = SECOND // RATES_HZ[device]
        events += [
            device_event(device, START_NS + k * period_ns)
            for k in range(int(seconds * RATES_HZ[device]))
        ]
    period_ns = SECOND // CAMERA_HZ
    events += [
        frame_event(START_NS + k * period_ns + period_ns // 2, k)
        for k in range(int(seconds * CAMERA_HZ))
    ]
    yield from sorted(events, key=lambda event: event.timestamp_ns)
