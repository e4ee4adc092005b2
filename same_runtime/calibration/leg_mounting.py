"""How the leg sensors are strapped on, from a short upright stand."""

import logging
import threading
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime._core import DeviceStates, Ingestion, LookupKind, floor_anchor
from same_runtime.calibration.state import CalibrationState
from same_runtime.conventions import DEVICES, LEG_DEVICES

_log = logging.getLogger("same")

_STAND_NS: Final = 1_500_000_000
_STILL_RAD: Final = np.deg2rad(8.0)
_OUTWARD_RAD: Final = {"leg_left": np.deg2rad(30.0), "leg_right": np.deg2rad(-30.0)}
"""Where on the shin the sensor sits, turned outward from straight ahead: mid of the training's."""


class LegMounting:
    """Measures both sensors' turn on the shin while the user stands; any thread may call."""

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion
        self._lock = threading.Lock()
        self._standing: list[tuple[int, float, dict[str, Rotation]]] = []
        self.state = CalibrationState.DEFAULT

    def start(self) -> None:
        """Begin a measurement, anew if one is under way."""
        with self._lock:
            self._standing = []
            self.state = CalibrationState.COLLECTING

    def update(self, states: DeviceStates) -> None:
        """Take the devices at one frame into a running measurement; the last one applies it."""
        with self._lock:
            if self.state is CalibrationState.COLLECTING:
                self._measure(states)

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
            self.state = CalibrationState.DONE
            self._standing = []

    def _fail(self, why: str) -> None:
        self.state = CalibrationState.FAILED
        _log.warning("leg calibration: %s", why)

    def _apply(self) -> None:
        headings = np.array([heading for _, heading, _ in self._standing])
        heading = float(np.angle(np.exp(1j * headings).mean()))
        for device in LEG_DEVICES:
            index = DEVICES.index(device)
            believed = Rotation.concatenate([legs[device] for _, _, legs in self._standing]).mean()
            expected = Rotation.from_euler("y", heading + _OUTWARD_RAD[device])
            yaw, mounting = self._ingestion.leg_correction(index)
            # What was believed already has the former correction in it.
            more = believed.inv() * expected
            self._ingestion.set_leg_correction(
                index, yaw, (Rotation.from_quat(mounting) * more).as_quat()
            )
