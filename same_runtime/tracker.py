"""``SamePoseTracker``: sensor samples and stereo frames in, full-body poses out."""

import atexit
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from same_engines import Engine
from same_engines.errors import InvalidInputError, SameError
from same_engines.field_checks import checked_flag, given_or_default
from same_runtime import _core
from same_runtime.calibration.calibration import Calibration
from same_runtime.calibration.profile import rig_name
from same_runtime.camera import CameraRig
from same_runtime.core_pose import from_core
from same_runtime.estimation.core_tracker import open_core_tracker
from same_runtime.ingestion.clock_sync import set_clock
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.inputs import Ingest
from same_runtime.live.fork_safety import keep_in_children
from same_runtime.live.options import LiveOptions
from same_runtime.live.publisher import Publisher
from same_runtime.observer import Observer
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose
from same_runtime.samples import DevicePose, ImuFrame, StereoFrame, check_timestamp_ns
from same_runtime.stats import TrackerStats, tracker_stats


class SamePoseTracker:
    """Track the 22 SMPL joints of a headset's wearer.

    ``bundle``: folder that ``same-export`` wrote. ``rig``: the headset's cameras; None takes
    the bundle's, which are an example headset's unless it was exported with ``--rig``.
    ``backend``: ``auto``, a name of ``same_engines.BACKENDS``, or an open engine of this bundle,
    which the tracker then owns alone. ``trusted_keys``: open only what one of these public keys
    signed (``same-export --sign``).

    Three ways lead to the same path. ``push(frame, imu)`` takes a frame with one reading of each
    device. ``ingest.head(...)``, ``ingest.leg(...)`` and so on take device samples at their own
    rates, and ``push_frame`` estimates the pose at a frame's time from what was ingested.
    ``start`` runs everything in the background: frames go in through ``ingest.frame`` or
    ``ingest.image``, poses come out at display rate through ``latest``, ``on_pose`` and ``poses``.
    ``at_time`` gives the pose at any time near the newest estimate. ``observer``: watches its work.

    A context manager; any thread may call any method. Raises ``BundleError``, ``EngineError`` or
    ``InvalidInputError`` when it cannot be opened as asked.
    """

    def __init__(
        self,
        bundle: str | Path,
        rig: CameraRig | None = None,
        backend: str | Engine = "auto",
        options: TrackerOptions | None = None,
        observer: Observer | None = None,
        trusted_keys: Sequence[str] | None = None,
    ) -> None:
        self._hints: list[str] = []
        self._core, self._engine, self._options, self._observer, self.rig = open_core_tracker(
            bundle, rig, backend, options, observer, trusted_keys, self._hints.append
        )
        keep_in_children(self._engine, self._core)
        self._process_id = os.getpid()
        self._publisher = Publisher()
        self._publishes = False
        self._exit_lock = threading.RLock()  # a signal handler may stop in the middle of a stop
        self._inbox = FrameInbox(self._core.inbox, self.rig)
        self.ingest = Ingest(self._core.ingestion, self._inbox)
        """Input methods for live samples."""
        for stream, clock in self._options.clocks.items():
            set_clock(self._core.ingestion, stream, clock)
        self.calibration = Calibration(
            self._core.calibration, rig_name(self.rig), self._core.check_open
        )
        """Height, leg straps, floor and forward direction, each with its state."""
        if self._options.profile is not None:
            self.calibration.use(self._options.profile)

    @property
    def backend(self) -> str:
        """Name of the backend that runs the network."""
        return self._engine.backend

    @property
    def options(self) -> TrackerOptions:
        """What it was opened with."""
        return self._options

    def push(self, frame: StereoFrame, imu: ImuFrame) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from a stereo frame and one reading of
        each device taken within a second of it (best: at the same time). Both times are brought
        onto the tracker's clock as ``TrackerOptions.clocks`` says for the cameras and each device.

        Raises ``InvalidInputError`` or ``TimestampError`` for bad input, in which case nothing
        has changed and the next good call works; ``EngineError`` if the backend fails.
        """
        if not isinstance(imu, ImuFrame):
            raise InvalidInputError(f"imu: expected an ImuFrame, got {type(imu).__name__}")
        self._inbox.check(frame)
        return from_core(self._of_this_process().push(frame, imu))

    def push_frame(self, frame: StereoFrame, arrival_ns: int | None = None) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from the ingested samples; see ``push``.
        ``arrival_ns``: as in ``ingest.frame``."""
        self._inbox.check(frame)
        if arrival_ns is not None:
            arrival_ns = check_timestamp_ns("arrival_ns", arrival_ns)
        return from_core(self._of_this_process().push_frame(frame, arrival_ns))

    def recentre(self, keep_place: bool = False) -> None:
        """Make where the head looks now forward (-z) and its place on the floor the origin of
        the poses that come out; ``keep_place`` resets the heading only. Raises
        ``InvalidInputError`` unless the head was tracked within the last second."""
        self._of_this_process().recentre(checked_flag("keep_place", keep_place))

    def reference_space_changed(
        self,
        timestamp_ns: int,
        position: ArrayLike,
        orientation_xyzw: ArrayLike,
        legs_too: bool = False,
    ) -> None:
        """Say that head and controllers are told in another space from ``timestamp_ns`` on, as a
        runtime's reference space changes when the user recentres the headset.

        ``position`` (3,) metres and ``orientation_xyzw`` (4,), a turn about y: where the new
        space's origin was in the one before (``XrEventDataReferenceSpaceChangePending``:
        ``changeTime``, on the tracker's clock, and ``poseInPreviousSpace``). It is of samples that
        come after the call, so call it before the new space's first ones. Poses of that time come
        out in the new space, of the same body in the same place. The floor stays where it is, and
        leg sensors face where they did, as IMUs do that know nothing of it; ``legs_too``: they are
        told in that space too, as what the same runtime tracks is. Raises ``InvalidInputError`` for
        a space that leans, ``TimestampError`` for a time before the last change, or over an hour
        away from now.
        """
        timestamp_ns = check_timestamp_ns("timestamp_ns", timestamp_ns)
        origin = DevicePose(position, orientation_xyzw)  # type: ignore[arg-type]
        self._of_this_process().reference_space_changed(
            timestamp_ns,
            origin.position,
            origin.orientation_xyzw,
            checked_flag("legs_too", legs_too),
        )

    def floor_from_controller(self) -> float:
        """Take the lower controller's height now as the floor's, and return it, metres. Raises
        ``InvalidInputError`` unless a controller was tracked within the last second, and for a
        height that is no floor's under the head."""
        return self._of_this_process().floor_from_controller()

    def step(self) -> Pose | None:
        """Estimate the pose for the newest frame of ``ingest.frame`` or ``ingest.image`` now, in
        this thread, for applications that bring their own; None when there is no new frame.
        Raises as ``push_frame`` does."""
        pose = self._of_this_process().step()
        return None if pose is None else from_core(pose)

    def at_time(self, timestamp_ns: int) -> Pose:
        """The pose at any time near the newest estimate, such as when the app's frame is seen.

        The newest estimate is carried on at its joints' velocity for at most
        ``max_prediction_ns`` and tied to the head and controller poses known for that time.
        Never waits for the network. LIMITED (STALE) more than ``stale_after_ns`` before or after
        the newest estimate, INVALID where no head is known and before the first estimate. Raises
        ``TimestampError`` for a time that is not integer nanoseconds or over an hour away.
        """
        timestamp_ns = check_timestamp_ns("timestamp_ns", timestamp_ns)
        return from_core(self._of_this_process().at_time(timestamp_ns))

    def start(
        self, options: LiveOptions | None = None, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Track in the background until ``stop``: the network on each newest frame of
        ``ingest.frame``, a pose at display rate. ``clock``: now on the tracker's clock, ns.
        Raises ``SameError`` when already started or closed, ``InvalidInputError`` for a wrong
        type. ``push`` is closed meanwhile.
        """
        options = given_or_default("options", options, LiveOptions)
        if not callable(clock):
            raise InvalidInputError(f"clock: expected a function, got {type(clock).__name__}")
        # The core's own clock is this one: its threads need not ask the interpreter.
        own = None if clock is time.monotonic_ns else self._publisher.checked_clock(clock)
        self._of_this_process().start(options, own)
        self._publisher.turn(lambda: self._core.started)
        with self._exit_lock:
            if self._core.started:
                # The core's threads must be gone before the interpreter takes its modules apart.
                atexit.register(self.stop)

    def stop(self) -> None:
        """End what ``start`` began, after the running estimate. Safe to call at any time; what the
        tracker itself has called, such as a callback, is not waited for."""
        if os.getpid() == self._process_id:  # threads do not come along through a fork
            self._core.stop()
            self._publisher.turn(lambda: self._core.started)
            self._outside(self._stopped)

    def latest(self) -> Pose:
        """The newest pose: the worker's while started, else the newest estimate; INVALID before
        the first. Never waits."""
        return from_core(self._core.latest())

    def on_pose(self, callback: Callable[[Pose], None]) -> Callable[[], None]:
        """Call ``callback`` with each pose that the worker gives out, in the worker's thread: it
        must be quick. What it raises is logged and counted. Returns what ends the calls."""
        self._publish()
        return self._publisher.listen(callback)

    def poses(self) -> AsyncIterator[Pose]:
        """``async for pose in tracker.poses()``: the newest pose each time there is one, until
        ``stop``. A slow reader misses poses; nothing queues up."""
        self._publish()
        return self._publisher.poses()

    def stats(self) -> TrackerStats:
        """Health, counters, rates and latencies since the tracker opened."""
        frames, errors = self._inbox.counts(), self._publisher.callback_errors
        lost_after_ns = self._options.max_gap_ns
        return tracker_stats(self._core, self.latest(), frames, lost_after_ns, errors, self._hints)

    def reset(self) -> None:
        """Forget all samples and carried state, as after opening; counters stay."""
        self._of_this_process().reset()

    def close(self) -> None:
        """Release the engine. Safe to call twice; called from inside by the tracker itself, as from
        a callback, the engine is released once that has returned."""
        if os.getpid() == self._process_id:
            self._core.close()
            self._publisher.turn(lambda: self._core.started)
            self._outside(self._closed)

    def __enter__(self) -> "SamePoseTracker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _publish(self) -> None:
        """Let the core's poses through, from the first listener on: nobody waits for a callback
        that is under way, as to replace it would."""
        core = self._of_this_process()
        if not self._publishes:
            self._publishes = True
            core.on_pose(self._publisher.publish_of_core())

    def _outside(self, end: Callable[[], None]) -> None:
        """Call ``end``, which waits for the core; another thread does where the core waits for
        this one. It keeps the tracker, and the process, until then."""
        if self._core.is_inside:
            # Said, since a thread that one of the core's starts is a daemon otherwise.
            threading.Thread(target=end, name="same-ending", daemon=False).start()
        else:
            end()

    def _stopped(self) -> None:
        self._core.await_stop()
        with self._exit_lock:
            if not self._core.started:
                atexit.unregister(self.stop)

    def _closed(self) -> None:
        self._core.close()
        self._stopped()
        self._engine.close()

    def _of_this_process(self) -> _core.Tracker:
        if os.getpid() != self._process_id:
            # The backend's threads did not come along through the fork: running would hang.
            raise SameError("the tracker was opened before a fork; open one in each process")
        return self._core
