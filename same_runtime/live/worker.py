"""The live tracker's two threads: one runs the network, one gives poses out at display rate."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from same_engines.errors import InvalidInputError, SameError
from same_runtime.live.publisher import PoseFeed
from same_runtime.pose import Pose
from same_runtime.samples import check_timestamp_ns
from same_runtime.stats import RollingFigures

_log = logging.getLogger("same")

BETWEEN_FRAMES: Final = ("reanchor", "image_free", "hold")


@dataclass(frozen=True)
class LiveOptions:
    """How a started tracker schedules its work."""

    display_rate_hz: float = 90.0
    """Poses given out a second."""
    lead_ns: int = 0
    """How far ahead of now each pose is for: the time until its frame is seen."""
    between_frames: Literal["reanchor", "image_free", "hold"] = "reanchor"
    """Between camera frames: ``reanchor`` carries the newest estimate on and ties it to the head
    and controllers; ``image_free`` also runs the network on the newest device samples without
    images, whenever it is idle; ``hold`` repeats the newest estimate."""
    cameras_lost_after_ns: int = 100_000_000
    """Without a frame for this long, the network goes on without images, at ``lost_rate_hz``."""
    lost_rate_hz: float = 30.0
    """Estimates a second while the cameras are lost."""
    max_wait_ns: int = 5_000_000
    """How long a frame waits for device samples as new as itself, so that they need not be
    extrapolated."""

    def __post_init__(self) -> None:
        if self.between_frames not in BETWEEN_FRAMES:
            raise InvalidInputError(
                f"between_frames: expected one of {BETWEEN_FRAMES}, got {self.between_frames!r}"
            )
        for name, highest in (("display_rate_hz", 1000.0), ("lost_rate_hz", 240.0)):
            if not 1.0 <= getattr(self, name) <= highest:
                raise InvalidInputError(
                    f"{name}: expected 1..{highest:g} Hz, got {getattr(self, name)}"
                )
        for name in ("lead_ns", "cameras_lost_after_ns", "max_wait_ns"):
            check_timestamp_ns(name, getattr(self, name))


@dataclass(frozen=True)
class Tasks:
    """What the threads run; each returns quickly or is the network itself."""

    estimate_newest: Callable[[threading.Event], bool]
    """Run the network on the newest frame, not waiting for samples once the event is set; False
    when there is no new one."""
    estimate_without_images: Callable[[], None]
    predict_without_images: Callable[[], None]
    """Run the network on the newest device samples, without a trace in its state."""
    pose_at: Callable[[int], Pose]
    held_pose: Callable[[], Pose]


class Worker:
    """Runs until ``stop``; an error in a task or callback is logged and counted, never fatal."""

    def __init__(
        self,
        tasks: Tasks,
        frame_arrived: threading.Event,
        feed: PoseFeed,
        options: LiveOptions,
        clock: Callable[[], int],
    ) -> None:
        self._tasks = tasks
        self._frame_arrived = frame_arrived
        self._feed = feed
        self._options = options
        self._clock = clock
        self._stopping = threading.Event()
        self.output = RollingFigures()
        self.deadlines_missed = 0
        self.failures = 0
        # Daemons: a process that forgets to stop its tracker can still end.
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in (
                (self._run_network, "same-network"),
                (self._run_display, "same-display"),
            )
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; waits for a running estimate. Safe from a callback and twice."""
        self._stopping.set()
        self._frame_arrived.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        self._feed.publish(None)

    def _run_network(self) -> None:
        options = self._options
        idle_s = 1.0 / options.display_rate_hz
        last_frame_ns = time.monotonic_ns()
        last_blind_ns = 0
        while not self._stopping.is_set():
            arrived = self._frame_arrived.wait(idle_s)
            self._frame_arrived.clear()
            if self._stopping.is_set():
                return
            now_ns = time.monotonic_ns()
            try:
                if arrived and self._tasks.estimate_newest(self._stopping):
                    last_frame_ns = time.monotonic_ns()
                elif now_ns - last_frame_ns > options.cameras_lost_after_ns:
                    if now_ns - last_blind_ns >= 1e9 / options.lost_rate_hz:
                        last_blind_ns = now_ns
                        self._tasks.estimate_without_images()
                elif options.between_frames == "image_free":
                    self._tasks.predict_without_images()
            except SameError as error:
                self._note(error)

    def _run_display(self) -> None:
        options = self._options
        period_ns = round(1e9 / options.display_rate_hz)
        due_ns = time.monotonic_ns()
        while not self._stopping.is_set():
            due_ns += period_ns
            behind_ns = time.monotonic_ns() - due_ns
            if behind_ns > period_ns:
                skipped = behind_ns // period_ns
                self.deadlines_missed += skipped
                due_ns += skipped * period_ns
            if self._stopping.wait(max(0.0, 1e-9 * (due_ns - time.monotonic_ns()))):
                return
            try:
                if options.between_frames == "hold":
                    pose = self._tasks.held_pose()
                else:
                    pose = self._tasks.pose_at(self._clock() + options.lead_ns)
            except SameError as error:
                self._note(error)
                continue
            ready_ns = time.monotonic_ns()
            self.output.add(ready_ns, ready_ns - due_ns)
            self.deadlines_missed += ready_ns - due_ns > period_ns
            self._feed.publish(pose)

    def _note(self, error: SameError) -> None:
        self.failures += 1
        if self.failures == 1:
            _log.error("the live tracker goes on after: %s; further errors are counted", error)
