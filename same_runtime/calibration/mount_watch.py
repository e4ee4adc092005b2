"""Notices that a leg sensor does not sit any more as it was calibrated."""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime._core import DeviceStates, LookupKind, floor_anchor
from same_runtime.conventions import DEVICES, LEG_DEVICES
from same_runtime.skeleton.quaternions import about, multiply, rotate

_UP: Final = np.array((0.0, 1.0, 0.0))
OUTWARD_RAD: Final = {"leg_left": np.deg2rad(30.0), "leg_right": np.deg2rad(-30.0)}
"""Where on the shin a sensor sits, turned outward from straight ahead: mid of the training's."""

_STANDING_SHARE: Final = 0.97
"""Of the head's height in the calibration's stand: higher, the legs are straight, and near enough
upright."""
_TALLEST_SHARE: Final = 1.1
"""Nobody stands still so much higher: a profile's height was taken over another floor."""
_STILL_FOR_NS: Final = 400_000_000
_STILL_COS_HALF: Final = np.cos(np.deg2rad(8.0) / 2)
_TAKE_EVERY_NS: Final = 100_000_000
_TILT_SAMPLES, _TURN_SAMPLES = 40, 80
"""Seconds, times ten, of standing still that must agree."""
_AGREE: Final = 0.9
# Of 26 recordings, standing still: the shin's tilt stays within 8 degrees of its own median, a
# head looks up to 73 degrees aside.
_TILTED, _TILTED_NO_MORE = np.deg2rad(25.0), np.deg2rad(15.0)
_TURNED, _TURNED_NO_MORE = np.deg2rad(90.0), np.deg2rad(60.0)


class MountWatch:
    """One calibrated leg sensor, frame after frame; for one thread at a time.

    While the head is as high as it was in the calibration's stand and the sensor still, the sensor
    must be about as upright as then, and look about where the head looks.
    """

    def __init__(self, device: str) -> None:
        self._device = DEVICES.index(device)
        self._outward = about(_UP, OUTWARD_RAD[device])
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the sensor was calibrated anew."""
        self.changed = False
        self._recent: deque[tuple[int, NDArray[np.float64]]] = deque()
        self._due_ns = 0
        self._tilts: deque[float] = deque(maxlen=_TILT_SAMPLES)
        self._turns: deque[float] = deque(maxlen=_TURN_SAMPLES)

    def update(self, states: DeviceStates, head_share: float) -> None:
        """Take the devices at one frame. ``head_share``: of the head's height as it stood."""
        if states.how[self._device] == LookupKind.MISSING:
            self._recent.clear()
            return
        now_ns, sensor = states.timestamp_ns, states.orientation_xyzw(self._device)
        if self._recent and not 0 < now_ns - self._recent[-1][0] < _STILL_FOR_NS:
            self._recent.clear()
        self._recent.append((now_ns, sensor))
        while now_ns - self._recent[0][0] > _STILL_FOR_NS + _TAKE_EVERY_NS:
            self._recent.popleft()
        since_ns, then = self._recent[0]
        still = abs(float(sensor @ then)) >= _STILL_COS_HALF
        stands = _STANDING_SHARE <= head_share <= _TALLEST_SHARE
        if now_ns - since_ns < _STILL_FOR_NS or not still or not stands:
            return
        if 0 < self._due_ns - now_ns <= _TAKE_EVERY_NS:
            return
        on_time = 0 <= now_ns - self._due_ns < _TAKE_EVERY_NS
        self._due_ns = (self._due_ns if on_time else now_ns) + _TAKE_EVERY_NS
        self._judge(states, sensor)

    def _judge(self, states: DeviceStates, sensor: NDArray[np.float64]) -> None:
        T = floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        heading = about(_UP, np.arctan2(T[0, 2], T[0, 0]))
        expected = multiply(heading, self._outward)
        off = multiply(sensor, expected * (-1.0, -1.0, -1.0, 1.0))  # in the world
        self._tilts.append(float(np.arccos(np.clip(rotate(off, _UP)[1], -1.0, 1.0))))
        self._turns.append(2.0 * float(np.arctan2(abs(off[1]), abs(off[3]))))
        if self.changed:
            self.changed = not (
                _mostly_below(self._tilts, _TILTED_NO_MORE)
                and _mostly_below(self._turns, _TURNED_NO_MORE)
            )
        else:
            self.changed = _mostly_above(self._tilts, _TILTED) or _mostly_above(
                self._turns, _TURNED
            )


def mount_watches() -> tuple[MountWatch, ...]:
    """One for each leg sensor."""
    return tuple(MountWatch(device) for device in LEG_DEVICES)


def _mostly_above(samples: deque[float], limit: float) -> bool:
    return len(samples) == samples.maxlen and float(np.quantile(samples, 1.0 - _AGREE)) > limit


def _mostly_below(samples: deque[float], limit: float) -> bool:
    return float(np.quantile(list(samples)[-_TILT_SAMPLES:], _AGREE)) < limit
