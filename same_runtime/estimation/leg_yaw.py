"""The cameras anchor the leg IMUs' heading, which no gyroscope and no gravity can hold."""

from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime._core import DeviceStates, How, Ingestion
from same_runtime.conventions import DEVICES, JOINT_NAMES
from same_runtime.pose import Pose

_LEGS: Final = tuple(
    (
        DEVICES.index(f"leg_{side}"),
        JOINT_NAMES.index(f"{side}_knee"),
        JOINT_NAMES.index(f"{side}_ankle"),
    )
    for side in ("left", "right")
)
_MIN_CONFIDENCE: Final = 0.6
_MIN_TILT: Final = 0.35
"""A shank nearer to the vertical than asin of this has no heading worth comparing."""
_GAIN_PER_S: Final = 0.3
_MAX_RATE_RADPS: Final = np.deg2rad(5.0)
_MAX_ERROR_RAD: Final = np.deg2rad(120.0)
"""Beyond this the two shanks oppose each other: a wrong detection rather than drift."""
_MAX_STEP_S: Final = 0.1


class LegYawCorrection:
    """Turns each leg sensor about the vertical, slowly, towards where the cameras see its shank.

    A sensor's y axis is taken to run up along the shank (see ``Calibration.start_legs``). Only
    shanks that the cameras see confidently and that lean enough to have a heading count.
    """

    def __init__(self, ingestion: Ingestion) -> None:
        self._ingestion = ingestion
        self._last_ns: int | None = None

    def update(self, pose: Pose, states: DeviceStates) -> None:
        """Compare the estimate with the sensors it was made from."""
        last_ns, self._last_ns = self._last_ns, pose.timestamp_ns
        if last_ns is None or pose.timestamp_ns <= last_ns:
            return
        step_s = min(1e-9 * (pose.timestamp_ns - last_ns), _MAX_STEP_S)
        for device, knee, ankle in _LEGS:
            seen = min(pose.joint_confidence[knee], pose.joint_confidence[ankle])
            if states.how[device] == How.MISSING or seen < _MIN_CONFIDENCE:
                continue
            shank = pose.joints_world[ankle] - pose.joints_world[knee]
            shank = shank / max(float(np.linalg.norm(shank)), 1e-6)
            sensed = Rotation.from_quat(states.orientation_xyzw(device)).apply((0.0, -1.0, 0.0))
            if min(np.hypot(*shank[[0, 2]]), np.hypot(*sensed[[0, 2]])) < _MIN_TILT:
                continue
            error = _yaw_of(shank) - _yaw_of(sensed)
            error = float(np.arctan2(np.sin(error), np.cos(error)))
            if abs(error) > _MAX_ERROR_RAD:
                continue
            rate = float(np.clip(_GAIN_PER_S * error, -_MAX_RATE_RADPS, _MAX_RATE_RADPS))
            yaw, mounting = self._ingestion.leg_correction(device)
            self._ingestion.set_leg_correction(device, yaw + rate * step_s, mounting)


def _yaw_of(direction: np.ndarray) -> float:
    return float(np.arctan2(direction[0], direction[2]))
