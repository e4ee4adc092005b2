"""A template for a device driver: where your headset's samples go into a started tracker.

It runs as it is, with a recording in the devices' place: ``python examples/driver_template.py``. To
make it yours, write a class like ``RecordedHeadset`` whose methods give your device's samples, and
give it to ``drive``. Rules: a timestamp is the sample's own time in integer nanoseconds, all on one
clock (else see ``TrackerOptions.clocks``); what is not tracked is not sent; a refused sample is
counted, not fatal. ``openxr_driver.py`` is a driver of real devices.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_runtime import CameraRig, Pose, Recording, SamePoseTracker, StereoFrame, TrackerOptions
from same_runtime.cli.command import run_command
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.live.options import LiveOptions

_log = logging.getLogger("same")

Pose6D = tuple[int, NDArray[np.float64], NDArray[np.float64]]
"""Time (ns), position (3,) metres, orientation (4,) xyzw: OpenXR axes, world y up."""
LegSample = tuple[int, NDArray[np.float64], NDArray[np.float64]]
"""Time (ns), orientation (4,) xyzw, acceleration (3,) m/s^2 in the world without gravity:
``LegReading.from_specific_force`` makes it of what an accelerometer measures."""


class Headset(Protocol):
    """Your device. Each method gives one stream's samples as they arrive, and ends with it."""

    rig: CameraRig
    """From the factory's calibration of the two cameras."""

    def clock_ns(self) -> int:
        """Now, on the clock of the timestamps."""

    def heads(self) -> Iterator[Pose6D]:
        """The headset's poses, while it is tracked."""

    def controllers(self, side: str) -> Iterator[Pose6D]:
        """A controller's grip poses, while it is tracked; ``side``: left, right."""

    def legs(self, side: str) -> Iterator[LegSample]:
        """A leg sensor's readings."""

    def frames(self) -> Iterator[StereoFrame]:
        """Stereo frames at their mid-exposure time, (height, width) uint8."""


class RecordedHeadset:
    """A recording in real time, in the place of devices."""

    def __init__(self, path: Path) -> None:
        self._recording = Recording(path)
        if self._recording.rig is None:
            raise InvalidInputError(f"{path}: has no cameras")
        self.rig = self._recording.rig
        self._began_ns = time.monotonic_ns() + 300_000_000

    def clock_ns(self) -> int:
        return max(0, self._recording.start_ns + time.monotonic_ns() - self._began_ns)

    def heads(self) -> Iterator[Pose6D]:
        return self._poses("head")

    def controllers(self, side: str) -> Iterator[Pose6D]:
        return self._poses(f"ctrl_{side}")

    def legs(self, side: str) -> Iterator[LegSample]:
        for sample in self._due(f"leg_{side}"):
            yield sample.timestamp_ns, sample.value.orientation_xyzw, sample.value.acceleration

    def frames(self) -> Iterator[StereoFrame]:
        for sample in self._due("frame"):
            yield sample.value

    def _poses(self, stream: str) -> Iterator[Pose6D]:
        for sample in self._due(stream):
            yield sample.timestamp_ns, sample.value.position, sample.value.orientation_xyzw

    def _due(self, stream: str) -> Iterator:
        for sample in self._recording.samples((stream,)):
            time.sleep(max(0.0, 1e-9 * (sample.arrival_ns - self.clock_ns())))
            yield sample


def drive(headset: Headset, tracker: SamePoseTracker, on_pose: Callable[[Pose], None]) -> None:
    """Track until every stream has ended, each in a thread of its own."""
    ingest = tracker.ingest

    def controller(side: str) -> Callable[..., None]:
        return lambda *sample: ingest.controller(side, *sample)

    def leg(side: str) -> Callable[..., None]:
        return lambda *sample: ingest.leg(side, *sample)

    streams: list[tuple[Iterator, Callable[..., None]]] = [
        (headset.heads(), ingest.head),
        (((frame,) for frame in headset.frames()), ingest.frame),
    ]
    for side in ("left", "right"):
        streams.append((headset.controllers(side), controller(side)))
        streams.append((headset.legs(side), leg(side)))

    threads = [threading.Thread(target=_pump, args=stream, daemon=True) for stream in streams]
    forget = tracker.on_pose(on_pose)
    tracker.start(LiveOptions(display_rate_hz=90.0), headset.clock_ns)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        tracker.stop()
        forget()


def _pump(samples: Iterator, send: Callable[..., None]) -> None:
    try:
        for sample in samples:
            try:
                send(*sample)
            except InvalidInputError as error:
                _log.debug("%s", error)  # counted in tracker.stats()
    except Exception:
        _log.exception("a stream ended")  # the others go on; stats() shows it as LOST


@dataclass(frozen=True)
class TemplateCommand:
    """Track with the devices of this template and tell how it went."""

    recording: Path | None = None
    """MCAP recording that stands for the devices; default: the one that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""


def main(command: TemplateCommand) -> None:
    """Run the command."""
    headset = RecordedHeadset(command.recording or demo_recording())
    poses: list[Pose] = []
    options = TrackerOptions(solve_rotations=True)
    with SamePoseTracker(command.bundle or demo_bundle(), headset.rig, options=options) as tracker:
        drive(headset, tracker, poses.append)
        stats = tracker.stats()
    for name, stream in stats.streams.items():
        print(f"{name}: {stream.accepted} samples, {stream.refused} refused")
    if poses:
        print(f"{len(poses)} poses, the last {poses[-1].status.value}")


if __name__ == "__main__":
    raise SystemExit(run_command("driver_template", TemplateCommand, main))
