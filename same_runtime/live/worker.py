"""The live tracker's two threads: one runs the network, one gives poses out at display rate."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from same_engines.errors import SameError
from same_engines.field_checks import checked_choice, checked_number
from same_runtime.field_docs import with_field_docs
from same_runtime.live.publisher import Publisher
from same_runtime.pose import Pose
from same_runtime.samples import check_timestamp_ns
from same_runtime.stats import RollingFigures

_log = logging.getLogger("same")

BETWEEN_FRAMES: Final = ("reanchor", "image_free", "hold")


@with_field_docs
@dataclass(frozen=True)
class LiveOptions:
    """How a started tracker schedules its work. Raises ``InvalidInputError`` naming the field."""

    display_rate_hz: float = 90.0
    """Poses given out a second, 1..1000."""
    lead_ns: int = 0
    """How far ahead of now each pose is for: the time until its frame is seen."""
    between_frames: Literal["reanchor", "image_free", "hold"] = "reanchor"
    """Between camera frames: ``reanchor`` carries the newest estimate on and ties it to the head
    and controllers; ``image_free`` also runs the network on the newest device samples without
    images, whenever it is idle; ``hold`` repeats the newest estimate."""
    cameras_lost_after_ns: int = 100_000_000
    """Without a frame for this long, the network goes on without images, at ``lost_rate_hz``."""
    lost_rate_hz: float = 30.0
    """Estimates a second while the cameras are lost, 1..240."""
    max_wait_ns: int = 5_000_000
    """How long a frame waits for device samples as new as itself, so that they need not be
    extrapolated."""

    def __post_init__(self) -> None:
        checked_choice("between_frames", self.between_frames, BETWEEN_FRAMES)
        for name, highest in (("display_rate_hz", 1000.0), ("lost_rate_hz", 240.0)):
            rate_hz = checked_number(name, getattr(self, name), 1.0, highest, "Hz")
            object.__setattr__(self, name, rate_hz)
        for name in ("lead_ns", "cameras_lost_after_ns", "max_wait_ns"):
            object.__setattr__(self, name, check_timestamp_ns(name, getattr(self, name)))


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
    held_pose: Callable[[int], Pose]
    """The newest estimate as it is to be judged at a time."""
    given_out: Callable[[int, int], None]
    """Receives each pose given out; see ``Observer``."""


class LiveFigures:
    """What the worker counts; a tracker's sessions share one."""

    def __init__(self) -> None:
        self.output = RollingFigures()
        self.deadlines_missed = 0
        self.errors = 0


class Worker:
    """Runs until ``stop``. Whatever a task, a callback or the clock raises is counted, its first
    time logged, and never ends a thread."""

    def __init__(
        self,
        tasks: Tasks,
        frame_arrived: threading.Event,
        publisher: Publisher,
        figures: LiveFigures,
        options: LiveOptions,
        clock: Callable[[], int],
    ) -> None:
        self._tasks = tasks
        self._frame_arrived = frame_arrived
        self._publisher = publisher
        self._figures = figures
        self._options = options
        self._clock = clock
        self._session = 0
        self._stopping = threading.Event()
        # Daemons: a process that forgets to stop its tracker can still end.
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in (
                (self._run_network, "same-network"),
                (self._run_display, "same-display"),
            )
        ]

    def start(self) -> None:
        """Begin. Raises ``SameError`` when the system gives no more threads."""
        self._session = self._publisher.begin()
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:
            self.stop()
            raise SameError(f"the tracker cannot be started: {error}") from None

    def request_stop(self) -> None:
        """Let both threads end after what they are at."""
        self._stopping.set()
        self._frame_arrived.set()

    def stop(self) -> None:
        """End both threads; waits for a running estimate. Safe from a callback and twice."""
        self.request_stop()
        self._publisher.end()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join()

    def now_ns(self) -> int | None:
        """The application's clock; None, and counted, when it raises or gives no nanoseconds."""
        try:
            return check_timestamp_ns("clock()", self._clock())
        except BaseException:
            self._publisher.count_error("the clock")
            return None

    def _run_network(self) -> None:
        idle_s = 1.0 / self._options.display_rate_hz
        last_frame_ns = time.monotonic_ns()
        last_blind_ns = 0
        while True:
            arrived = self._frame_arrived.wait(idle_s)
            if self._stopping.is_set():
                return  # the event may be the next worker's
            self._frame_arrived.clear()
            try:
                now_ns = time.monotonic_ns()
                if arrived and self._tasks.estimate_newest(self._stopping):
                    last_frame_ns = time.monotonic_ns()
                elif now_ns - last_frame_ns > self._options.cameras_lost_after_ns:
                    if now_ns - last_blind_ns >= 1e9 / self._options.lost_rate_hz:
                        last_blind_ns = now_ns
                        self._tasks.estimate_without_images()
                elif self._options.between_frames == "image_free":
                    self._tasks.predict_without_images()
            except BaseException as error:
                self._count(error)

    def _run_display(self) -> None:
        period_ns = round(1e9 / self._options.display_rate_hz)
        due_ns = time.monotonic_ns()
        while True:
            due_ns += period_ns
            behind_ns = time.monotonic_ns() - due_ns
            if behind_ns > period_ns:
                skipped = behind_ns // period_ns
                self._figures.deadlines_missed += skipped
                due_ns += skipped * period_ns
            if self._stopping.wait(max(0.0, 1e-9 * (due_ns - time.monotonic_ns()))):
                return
            try:
                self._give_out(due_ns, period_ns)
            except BaseException as error:
                self._count(error)

    def _give_out(self, due_ns: int, period_ns: int) -> None:
        now_ns = self.now_ns()
        if now_ns is None:
            return
        if self._options.between_frames == "hold":
            pose = self._tasks.held_pose(now_ns)
        else:
            pose = self._tasks.pose_at(now_ns + self._options.lead_ns)
        ready_ns = time.monotonic_ns()
        self._figures.output.add(ready_ns, ready_ns - due_ns)
        self._tasks.given_out(ready_ns, ready_ns - due_ns)
        self._figures.deadlines_missed += ready_ns - due_ns > period_ns
        self._publisher.publish(self._session, pose)

    def _count(self, error: BaseException) -> None:
        if self._stopping.is_set() and isinstance(error, SameError):
            return  # the tracker is being closed
        self._figures.errors += 1
        if self._figures.errors == 1:
            _log.error(
                "the live tracker goes on after: %s; further errors are counted",
                error,
                exc_info=None if isinstance(error, SameError) else error,
            )
