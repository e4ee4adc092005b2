"""What goes in: stereo frames and sensor readings, validated once at this edge."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError, TimestampError
from same_engines.field_checks import checked_number
from same_engines.json_values import float_vector, shown
from same_runtime._core import (
    MAX_ACCELERATION,
    MAX_NORM_ERROR,
    MAX_POSITION_M,
    MAX_TIMESTAMP_NS,
)


def check_timestamp_ns(name: str, value: object) -> int:
    """Return ``value`` as an int; ``TimestampError`` unless it is integer nanoseconds >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TimestampError(
            f"{name}: expected integer nanoseconds, got {shown(value)} ({type(value).__name__}); "
            "multiply seconds by 1e9 and round"
        )
    if not 0 <= value < MAX_TIMESTAMP_NS:
        raise TimestampError(f"{name}: expected 0 <= nanoseconds < 2**62, got {shown(value)}")
    return int(value)


def _vector(name: str, value: object, size: int, limit: float) -> NDArray[np.float64]:
    vector = float_vector(name, value, size)
    if not np.isfinite(vector).all() or np.abs(vector).max() > limit:
        raise InvalidInputError(
            f"{name}: expected finite values within +-{limit:g}, got {vector.tolist()}"
        )
    vector.setflags(write=False)
    return vector


def _quaternion(name: str, value: object) -> NDArray[np.float64]:
    quaternion = _vector(name, value, 4, 1e3)
    norm = float(np.linalg.norm(quaternion))
    if abs(norm - 1.0) > MAX_NORM_ERROR:
        raise InvalidInputError(f"{name}: expected a unit quaternion (xyzw), got norm {norm:.4g}")
    quaternion = quaternion / norm
    quaternion.setflags(write=False)
    return quaternion


@dataclass(frozen=True, eq=False)
class DevicePose:
    """6DOF pose of the headset or of a controller in the world frame (OpenXR axes).

    Raises ``InvalidInputError`` for wrong shapes, non-finite values or a quaternion whose
    norm is not within 1 % of 1 (a zero quaternion is how trackers say 'lost': pass None).
    """

    position: NDArray[np.float64]
    """(3,) metres, world frame."""
    orientation_xyzw: NDArray[np.float64]
    """(4,) unit quaternion, device to world."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "position", _vector("position", self.position, 3, MAX_POSITION_M))
        object.__setattr__(
            self, "orientation_xyzw", _quaternion("orientation_xyzw", self.orientation_xyzw)
        )


@dataclass(frozen=True, eq=False)
class LegReading:
    """3DOF reading of a leg IMU: orientation and linear acceleration in the world frame.

    Raises ``InvalidInputError`` as ``DevicePose`` does.
    """

    orientation_xyzw: NDArray[np.float64]
    """(4,) unit quaternion, sensor to world."""
    acceleration: NDArray[np.float64]
    """(3,) m/s^2, world frame, gravity removed."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "orientation_xyzw", _quaternion("orientation_xyzw", self.orientation_xyzw)
        )
        object.__setattr__(
            self,
            "acceleration",
            _vector("acceleration", self.acceleration, 3, MAX_ACCELERATION),
        )

    @classmethod
    def from_specific_force(
        cls, orientation_xyzw: object, specific_force: object, gravity: float = 9.80665
    ) -> "LegReading":
        """Build a reading from a raw accelerometer.

        ``orientation_xyzw``: (4,) sensor to world. ``specific_force``: (3,) m/s^2 in sensor
        axes (about +9.81 upward at rest). ``gravity``: m/s^2. World acceleration is
        R f - g up.
        """
        gravity = checked_number("gravity", gravity, 0.0, 100.0, "m/s^2")
        x, y, z, w = _quaternion("orientation_xyzw", orientation_xyzw)
        force = _vector("specific_force", specific_force, 3, MAX_ACCELERATION)
        axis = np.array([x, y, z])
        turned = force + 2.0 * np.cross(axis, np.cross(axis, force) + w * force)
        return cls(np.array([x, y, z, w]), turned - np.array([0.0, gravity, 0.0]))


@dataclass(frozen=True, eq=False)
class ImuFrame:
    """One reading of each worn device at one time; None marks a device without a reading."""

    timestamp_ns: int
    """int64 nanoseconds, monotonic."""
    head: DevicePose | None
    ctrl_left: DevicePose | None = None
    ctrl_right: DevicePose | None = None
    leg_left: LegReading | None = None
    leg_right: LegReading | None = None

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "timestamp_ns", check_timestamp_ns("ImuFrame.timestamp_ns", self.timestamp_ns)
        )
        for name, kind in (
            ("head", DevicePose),
            ("ctrl_left", DevicePose),
            ("ctrl_right", DevicePose),
            ("leg_left", LegReading),
            ("leg_right", LegReading),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise InvalidInputError(
                    f"ImuFrame.{name}: expected {kind.__name__} or None, got {type(value).__name__}"
                )


@dataclass(frozen=True, eq=False)
class StereoFrame:
    """One stereo pair; None marks a camera that gave no image.

    Images are not copied: they must not change until ``push`` returns.
    """

    timestamp_ns: int
    """int64 nanoseconds: the mid-exposure time, on the clock of the device poses."""
    left: NDArray[np.uint8] | None
    """(height, width) uint8 gray."""
    right: NDArray[np.uint8] | None
    """(height, width) uint8 gray."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "timestamp_ns", check_timestamp_ns("StereoFrame.timestamp_ns", self.timestamp_ns)
        )
        for name in ("left", "right"):
            image = getattr(self, name)
            if image is None:
                continue
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 2:
                came = (
                    f"{image.dtype} {image.shape}"
                    if isinstance(image, np.ndarray)
                    else type(image).__name__
                )
                raise InvalidInputError(
                    f"StereoFrame.{name}: expected a (height, width) uint8 array, got {came}"
                )
