"""How the leg sensors are strapped on: from a short upright stand, or given; and whether they
still are."""

import logging
import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_runtime._core import DeviceStates, Ingestion, LookupKind, floor_anchor
from same_runtime.calibration.height import HIGHEST_M, LOWEST_M
from same_runtime.calibration.mount_watch import OUTWARD_RAD, mount_watches
from same_runtime.calibration.profile import LegStraps
from same_runtime.calibration.state import CalibrationState
from same_runtime.conventions import DEVICES, LEG_DEVICES

_log = logging.getLogger("same")

_STAND_NS: Final = 1_500_000_000
_STILL_RAD: Final = np.deg2rad(8.0)
_HEAD_HEIGHTS_M: Final = (LOWEST_M / 2, HIGHEST_M)


class LegMounting:
    """Measures both sensors' turn on the shin while the user stands; any thread may call."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion
        self._lock = threading.Lock()
        self._standing: list[tuple[int, float, dict[str, Rotation]]] = []
        self._head_ys_m: list[float] = []
        self._given: LegStraps | None = None
        # Head's height in the world and mountings: the floor may be told after the stand.
        self._measured: tuple[float, dict[str, NDArray[np.float64]]] | None = None
        self._watches = mount_watches()
        self.state = CalibrationState.DEFAULT

    def straps(self, ground_y_m: float) -> LegStraps | None:
        """As measured or given; None before. The floor is at ``ground_y_m``."""
        with self._lock:
            if self._measured is None:
                return self._given
            head_y_m, mountings = self._measured
            return LegStraps(float(np.clip(head_y_m - ground_y_m, *_HEAD_HEIGHTS_M)), mountings)

    @property
    def changed(self) -> bool:
        """Whether a sensor sits otherwise than it was measured or given."""
        return any(watch.changed for watch in self._watches)

    def give(self, straps: LegStraps) -> None:
        """Take what was measured before."""
        with self._lock:
            for device, mounting in straps.mountings_xyzw.items():
                index = DEVICES.index(device)
                yaw_rad, _ = self._ingestion.leg_correction(index)
                self._ingestion.set_leg_correction(index, yaw_rad, mounting)
            self._given, self._measured = straps, None
            self._begin(CalibrationState.GIVEN)

    def start(self) -> None:
        """Begin a measurement, anew if one is under way."""
        with self._lock:
            self._standing, self._head_ys_m = [], []
            self.state = CalibrationState.COLLECTING

    def update(self, states: DeviceStates, ground_y_m: float) -> None:
        """Take the devices at one frame into a running measurement; the last one applies it. The
        floor is at ``ground_y_m``."""
        with self._lock:
            if self.state is CalibrationState.COLLECTING:
                self._head_ys_m.append(float(states.position(0)[1]))
                self._measure(states)
            elif (stood_m := self._stood_m(ground_y_m)) is not None:
                share = (float(states.position(0)[1]) - ground_y_m) / stood_m
                for watch in self._watches:
                    watch.update(states, share)

    def _stood_m(self, ground_y_m: float) -> float | None:
        """The head's height in the stand; None where there was none, or its floor is not told."""
        if self._measured is None:
            return None if self._given is None else self._given.head_height_m
        height_m = self._measured[0] - ground_y_m
        return height_m if height_m >= _HEAD_HEIGHTS_M[0] else None

    def _measure(self, states: DeviceStates) -> None:
        legs = {
            device: Rotation.from_quat(states.orientation_xyzw(DEVICES.index(device)))
            for device in LEG_DEVICES
            if states.how[DEVICES.index(device)] != LookupKind.MISSING
        }
        if len(legs) < len(LEG_DEVICES):
            self._fail("a leg tracker is not there")
            return
        T = floor_anchor(states.position(0), states.orientation_xyzw(0), 0.0)
        heading = float(np.arctan2(T[0, 2], T[0, 0]))
        self._standing.append((states.timestamp_ns, heading, legs))
        first_ns, _, first = self._standing[0]
        if any((first[d].inv() * legs[d]).magnitude() > _STILL_RAD for d in LEG_DEVICES):
            self._fail("the legs moved")
            return
        if states.timestamp_ns - first_ns >= _STAND_NS:
            self._apply()
            self._standing, self._head_ys_m = [], []

    def _begin(self, state: CalibrationState) -> None:
        self.state = state
        for watch in self._watches:
            watch.reset()

    def _fail(self, why: str) -> None:
        self.state = CalibrationState.FAILED
        _log.warning("leg calibration: %s", why)

    def _apply(self) -> None:
        headings = np.array([heading for _, heading, _ in self._standing])
        heading = float(np.angle(np.exp(1j * headings).mean()))
        mountings = {}
        for device in LEG_DEVICES:
            index = DEVICES.index(device)
            believed = Rotation.concatenate([legs[device] for _, _, legs in self._standing]).mean()
            expected = Rotation.from_euler("y", heading + OUTWARD_RAD[device])
            yaw, mounting = self._ingestion.leg_correction(index)
            # What was believed already has the former correction in it.
            more = believed.inv() * expected
            mountings[device] = (Rotation.from_quat(mounting) * more).as_quat()
            self._ingestion.set_leg_correction(index, yaw, mountings[device])
        self._measured = float(np.median(self._head_ys_m)), mountings
        self._begin(CalibrationState.DONE)
