"""One reading of each device beside a frame: judged together, so that a bad one changes nothing."""

from collections.abc import Sequence
from typing import Final

from same_engines.errors import TimestampError
from same_runtime._core import Ingestion, PushStatus
from same_runtime.conventions import DEVICES
from same_runtime.ingestion.clock_sync import CAMERAS, STREAMS
from same_runtime.ingestion.timestamps import check_same_clock, stamp_error
from same_runtime.samples import DevicePose, LegReading

_ONE_SECOND_NS: Final = 1_000_000_000

Readings = Sequence[tuple[int, DevicePose | LegReading]]
"""Readings of devices, by their index in ``conventions.DEVICES``."""


def check_readings(
    ingestion: Ingestion,
    imu_ns: int,
    arrival_ns: int,
    readings: Readings,
    frame_ns: int,
    restarted: bool,
) -> None:
    """Raise ``TimestampError`` unless readings, stamped ``imu_ns`` by their devices' clocks, are
    close to a frame and follow what came before; only counters change then.

    ``frame_ns``: the frame's time on the tracker's clock. ``restarted``: the frames' time line
    begins anew, and the devices' with it.
    """
    refused = []
    for device, _ in readings:
        code, mapped_ns, _ = ingestion.consider(device, imu_ns, arrival_ns, True)
        name = f"imu.timestamp_ns ({DEVICES[device]})"
        check_same_clock(name, mapped_ns, "frame", frame_ns, _ONE_SECOND_NS)
        if code and (not restarted or code == PushStatus.OUT_OF_RANGE):
            refused.append(device)
    errors = [refusal(ingestion, device, imu_ns, arrival_ns) for device in refused]
    if errors:
        raise errors[0]


def store_readings(ingestion: Ingestion, imu_ns: int, arrival_ns: int, readings: Readings) -> None:
    """Take readings that ``check_readings`` has passed."""
    for device, reading in readings:
        if isinstance(reading, DevicePose):
            code = ingestion.push_pose(
                device, imu_ns, reading.position, reading.orientation_xyzw, arrival_ns, True
            )
        else:
            code = ingestion.push_leg(
                device, imu_ns, reading.orientation_xyzw, reading.acceleration, arrival_ns, True
            )
        if code:
            raise stamp_error(
                DEVICES[device], PushStatus(code), ingestion.newest_ns(device), imu_ns
            )


def refusal(
    ingestion: Ingestion, stream: int, timestamp_ns: int, arrival_ns: int
) -> TimestampError:
    """Count a stamp that its gate refuses, so that a clock that began anew is believed in the
    end; returns the error that names it."""
    newest_ns = ingestion.newest_ns(stream)
    code, _, _ = ingestion.admit(stream, timestamp_ns, arrival_ns, True)
    name = "frame" if STREAMS[stream] == CAMERAS else STREAMS[stream]
    return stamp_error(name, PushStatus(code), newest_ns, timestamp_ns)
