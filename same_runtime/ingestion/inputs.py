"""The input methods for live samples: one a kind of device, from any thread, at any rate."""

from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from same_engines.errors import InvalidInputError, TimestampError
from same_engines.field_checks import checked_choice
from same_engines.json_values import shown
from same_runtime._core import Ingestion, PushStatus
from same_runtime.conventions import DEVICES, POSE_DEVICES
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.timestamps import stamp_error
from same_runtime.samples import DevicePose, LegReading, StereoFrame, check_timestamp_ns

_SIDES = ("left", "right")
_CONTROLLERS = {side: DEVICES.index(f"ctrl_{side}") for side in _SIDES}
_LEGS = {side: DEVICES.index(f"leg_{side}") for side in _SIDES}


def _device(devices: dict[str, int], side: object) -> int:
    if not isinstance(side, str) or side not in devices:
        raise InvalidInputError(f"side: expected one of {_SIDES}, got {shown(side)}")
    return devices[side]


class Ingest:
    """Takes samples as devices deliver them; each call costs about a microsecond and never waits.

    Times are int64 nanoseconds on the device's clock (``TrackerOptions.clocks``); ``arrival_ns``
    is when the sample reached this machine, on the tracker's clock, None for now. Every method
    raises ``InvalidInputError`` for bad values and ``TimestampError`` for a stamp that is a
    duplicate, backwards, in another unit or seconds ahead; the sample is then counted, refused
    and nothing else changes. Stamps that keep coming on a new time line take the stream over, so
    that one bad stamp never silences a device. Once the tracker is closed, what a driver's thread
    still sends is taken and not used.
    """

    def __init__(self, ingestion: Ingestion, inbox: FrameInbox) -> None:
        self._ingestion = ingestion
        self._push_pose = ingestion.push_pose
        self._push_leg = ingestion.push_leg
        self._inbox = inbox

    def head(
        self,
        timestamp_ns: int,
        position: ArrayLike,
        orientation_xyzw: ArrayLike,
        arrival_ns: int | None = None,
    ) -> None:
        """A headset pose: (3,) metres and (4,) unit quaternion, head to world."""
        self._pose(0, timestamp_ns, position, orientation_xyzw, arrival_ns)

    def controller(
        self,
        side: str,
        timestamp_ns: int,
        position: ArrayLike,
        orientation_xyzw: ArrayLike,
        arrival_ns: int | None = None,
    ) -> None:
        """A controller's pose; ``side``: ``left`` or ``right``; otherwise as ``head``."""
        self._pose(
            _device(_CONTROLLERS, side), timestamp_ns, position, orientation_xyzw, arrival_ns
        )

    def leg(
        self,
        side: str,
        timestamp_ns: int,
        orientation_xyzw: ArrayLike,
        acceleration: ArrayLike,
        arrival_ns: int | None = None,
    ) -> None:
        """A leg IMU's reading: (4,) unit quaternion, sensor to world, and (3,) m/s^2, world
        frame, gravity removed (``LegReading.from_specific_force`` converts raw ones)."""
        self._leg(_device(_LEGS, side), timestamp_ns, orientation_xyzw, acceleration, arrival_ns)

    def sample(
        self,
        device: str,
        timestamp_ns: int,
        reading: DevicePose | LegReading,
        arrival_ns: int | None = None,
    ) -> None:
        """A checked reading of any device; ``device``: a name of ``conventions.DEVICES``."""
        checked_choice("device", device, DEVICES)
        kind = DevicePose if device in POSE_DEVICES else LegReading
        index = DEVICES.index(device)
        if not isinstance(reading, kind):
            self._ingestion.count_invalid(index)
            raise InvalidInputError(
                f"{device}: expected a {kind.__name__}, got {type(reading).__name__}"
            )
        if isinstance(reading, DevicePose):
            self._pose(index, timestamp_ns, reading.position, reading.orientation_xyzw, arrival_ns)
        else:
            self._leg(
                index, timestamp_ns, reading.orientation_xyzw, reading.acceleration, arrival_ns
            )

    def frame(self, frame: StereoFrame, arrival_ns: int | None = None) -> None:
        """A stereo pair for the worker (see ``SamePoseTracker.start``); the newest one wins."""
        self._inbox.put(frame, arrival_ns)

    def image(
        self,
        view: str,
        timestamp_ns: int,
        image: NDArray[np.uint8],
        arrival_ns: int | None = None,
    ) -> None:
        """One camera's image, (height, width) uint8, where the two come apart; ``view``:
        ``left`` or ``right``, ``timestamp_ns``: its mid-exposure. Left and right are paired when
        at most ``TrackerOptions.max_view_skew_ns`` apart."""
        self._inbox.put_image(view, timestamp_ns, image, arrival_ns)

    def _pose(
        self,
        device: int,
        timestamp_ns: int,
        position: ArrayLike,
        orientation_xyzw: ArrayLike,
        arrival_ns: int | None,
    ) -> None:
        try:
            code = self._push_pose(device, timestamp_ns, position, orientation_xyzw, arrival_ns)
        except (TypeError, ValueError) as error:
            self._bad_value(device, timestamp_ns, arrival_ns, error)
        if code:
            self._bad_stamp(device, timestamp_ns, code)

    def _leg(
        self,
        device: int,
        timestamp_ns: int,
        orientation_xyzw: ArrayLike,
        acceleration: ArrayLike,
        arrival_ns: int | None,
    ) -> None:
        try:
            code = self._push_leg(device, timestamp_ns, orientation_xyzw, acceleration, arrival_ns)
        except (TypeError, ValueError) as error:
            self._bad_value(device, timestamp_ns, arrival_ns, error)
        if code:
            self._bad_stamp(device, timestamp_ns, code)

    def _bad_value(
        self, device: int, timestamp_ns: object, arrival_ns: object, error: Exception
    ) -> NoReturn:
        name = DEVICES[device]
        if isinstance(error, TypeError):  # the core counts its own refusals, not wrong types
            self._ingestion.count_invalid(device)
        check_timestamp_ns(f"{name} timestamp_ns", timestamp_ns)
        if arrival_ns is not None:
            check_timestamp_ns(f"{name} arrival_ns", arrival_ns)
        raise InvalidInputError(f"{name}: {error}") from None

    def _bad_stamp(self, device: int, timestamp_ns: int, code: int) -> NoReturn:
        newest_ns = self._ingestion.newest_ns(device)
        error: TimestampError = stamp_error(
            DEVICES[device], PushStatus(code), newest_ns, timestamp_ns
        )
        raise error
