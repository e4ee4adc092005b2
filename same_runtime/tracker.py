"""``SamePoseTracker``: sensor samples and stereo frames in, full-body poses out."""

import atexit
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from same_engines import Bundle, Engine, open_engine
from same_engines.bundle.config import BundleConfig
from same_engines.errors import InvalidInputError, SameError
from same_engines.field_checks import checked_flag, given_or_default
from same_runtime._core import DeviceStates, Ingestion, Reach, Synchroniser, steady_ns
from same_runtime.calibration.recent_states import recent_states
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES
from same_runtime.estimation.pipeline import ONE_SECOND_NS, Pipeline
from same_runtime.estimation.prediction import judged, pose_at
from same_runtime.estimation.signatures import check_bundle
from same_runtime.ingestion.clock_sync import set_clock
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.inputs import Ingest
from same_runtime.ingestion.timestamps import check_same_clock
from same_runtime.live.fork_safety import keep_in_children
from same_runtime.live.publisher import Publisher
from same_runtime.live.worker import LiveFigures, LiveOptions, Tasks, Worker
from same_runtime.observer import Observer
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, Reason
from same_runtime.samples import ImuFrame, StereoFrame, check_timestamp_ns
from same_runtime.stats import TrackerStats, newest_status, stream_stats

_ONE_HOUR_NS = 3600 * ONE_SECOND_NS


class SamePoseTracker:
    """Track the 22 SMPL joints of a headset's wearer.

    ``bundle``: folder that ``same-export`` wrote. ``rig``: the headset's cameras; None takes
    the bundle's default rig. ``backend``: ``auto``, a name of ``same_engines.BACKENDS``, or an
    open engine of this bundle, which the tracker then owns. ``trusted_keys``: open only what one
    of these public keys signed (``same-export --sign``).

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
        engine = backend if isinstance(backend, Engine) else None
        try:
            options = given_or_default("options", options, TrackerOptions)
            opened = Bundle.open(bundle)
            check_bundle(opened, trusted_keys)
            if rig is not None and not isinstance(rig, CameraRig):
                raise InvalidInputError(f"rig: expected a CameraRig, got {type(rig).__name__}")
            self.rig = rig if rig is not None else CameraRig.from_dict(opened.manifest.rig)
            if not isinstance(backend, Engine):
                engine = open_engine(opened, backend, options.precision, options.threads)
            assert engine is not None
            self._engine = engine
            self._observer = given_or_default("observer", observer, Observer)
            self._connect(opened.manifest.config, options)
            self._engine.warm_up()
        except BaseException:
            if engine is not None:
                engine.close()
            raise
        keep_in_children(self._engine)

    def _connect(self, config: BundleConfig, options: TrackerOptions) -> None:
        self._synchroniser = Synchroniser(
            options.ring_capacity, options.max_gap_ns, options.max_extrapolation_ns, False
        )
        self._options = options
        self._reach = Reach(
            options.max_extrapolation_ns, options.max_prediction_ns, options.stale_after_ns
        )
        self._ingestion = Ingestion(self._synchroniser)
        for stream, clock in options.clocks.items():
            set_clock(self._ingestion, stream, clock)
        self._frame_arrived = threading.Event()
        self._inbox = FrameInbox(
            self._ingestion, self.rig, options.max_view_skew_ns, self._frame_arrived.set
        )
        self.ingest = Ingest(self._ingestion, self._inbox)
        """Input methods for live samples."""
        self._pipeline = Pipeline(
            self._engine,
            self.rig,
            config,
            options,
            self._ingestion,
            self._synchroniser,
            self._inbox,
            self._observer,
        )
        self.calibration = self._pipeline.calibration
        """Height, leg straps, floor and forward direction, each with its state."""
        self._closed = False
        self._process_id = os.getpid()
        self._lock = threading.Lock()
        self._publisher = Publisher()
        self._live_figures = LiveFigures()
        self._live_lock = threading.Lock()  # of whether a worker runs; never held while one ends
        self._worker: Worker | None = None

    @property
    def backend(self) -> str:
        """Name of the backend that runs the network."""
        return self._engine.backend

    def push(self, frame: StereoFrame, imu: ImuFrame) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from a stereo frame and one reading of
        each device taken within a second of it (best: at the same time). Both times are brought
        onto the tracker's clock as ``TrackerOptions.clocks`` says for the cameras and each device.

        Raises ``InvalidInputError`` or ``TimestampError`` for bad input, in which case nothing
        has changed and the next good call works; ``EngineError`` if the backend fails.
        """
        started_ns = steady_ns()
        if not isinstance(imu, ImuFrame):
            raise InvalidInputError(f"imu: expected an ImuFrame, got {type(imu).__name__}")
        self._inbox.check(frame)
        readings = [
            (index, reading)
            for index, device in enumerate(DEVICES)
            if (reading := getattr(imu, device)) is not None
        ]
        arrival_ns = steady_ns()
        with self._running():
            self._check_not_started()
            frame_ns, restarted = self._pipeline.judge_frame(frame.timestamp_ns, arrival_ns)
            self._pipeline.check_readings(
                self._ingestion, imu.timestamp_ns, arrival_ns, readings, frame_ns, restarted
            )
            frame_ns = self._pipeline.admit_frame(frame.timestamp_ns, arrival_ns)
            if restarted:
                self._pipeline.clear_samples()
            self._pipeline.store_readings(self._ingestion, imu.timestamp_ns, arrival_ns, readings)
            return self._pipeline.estimate(frame_ns, frame.left, frame.right, started_ns)

    def push_frame(self, frame: StereoFrame, arrival_ns: int | None = None) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from the ingested samples; see ``push``.
        ``arrival_ns``: as in ``ingest.frame``."""
        started_ns = steady_ns()
        self._inbox.check(frame)
        if arrival_ns is None:
            arrival_ns = steady_ns()
        arrival_ns = check_timestamp_ns("arrival_ns", arrival_ns)
        with self._running():
            self._check_not_started()
            frame_ns, _ = self._pipeline.judge_frame(frame.timestamp_ns, arrival_ns)
            head_ns = self._synchroniser.newest_ns(0)
            check_same_clock("frame.timestamp_ns", frame_ns, "head", head_ns, _ONE_HOUR_NS)
            frame_ns = self._pipeline.admit_frame(frame.timestamp_ns, arrival_ns)
            return self._pipeline.estimate(frame_ns, frame.left, frame.right, started_ns)

    def recentre(self, keep_place: bool = False) -> None:
        """Make where the head looks now forward (-z) and its place on the floor the origin of
        the poses that come out; ``keep_place`` resets the heading only. Raises
        ``InvalidInputError`` unless the head was tracked within the last second."""
        keep_place = checked_flag("keep_place", keep_place)
        self.calibration.recentre(self._recent_states("recentre", "head"), keep_place)

    def floor_from_controller(self) -> float:
        """Take the lower controller's height now as the floor's, and return it, metres. Raises
        ``InvalidInputError`` unless a controller was tracked within the last second, and for a
        height that is no floor's under the head."""
        states = self._recent_states("floor", "ctrl_left", "ctrl_right")
        return self.calibration.floor_from_controller(states)

    def _recent_states(self, asked: str, *devices: str) -> DeviceStates:
        return recent_states(asked, devices, self._synchroniser, self._now_ns())

    def _now_ns(self) -> int:
        """Now, by the clock while started, else by the newest sample of any stream and by how
        long ago the newest frame was tracked."""
        now_ns = self._clock_now_ns()
        if now_ns is not None:
            return now_ns
        tracked_ns = self._pipeline.tracked_ns
        idle_ns = 0 if tracked_ns is None else time.monotonic_ns() - tracked_ns
        return self._pipeline.clock_watch.newest_ns() + idle_ns

    def _clock_now_ns(self) -> int | None:
        worker = self._worker
        return worker.now_ns() if worker is not None else None

    def step(self) -> Pose | None:
        """Estimate the pose for the newest frame of ``ingest.frame`` or ``ingest.image`` now, in
        this thread, for applications that bring their own; None when there is no new frame.
        Raises as ``push_frame`` does."""
        with self._running():
            self._check_not_started()
        return self._pipeline.newest_pose if self._estimate_newest(0, None) else None

    def at_time(self, timestamp_ns: int) -> Pose:
        """The pose at any time near the newest estimate, such as when the app's frame is seen.

        The newest estimate is carried on at its joints' velocity for at most
        ``max_prediction_ns`` and tied to the head and controller poses known for that time.
        Never waits for the network. LIMITED (STALE) more than ``stale_after_ns`` before or after
        the newest estimate, INVALID where no head is known and before the first estimate. Raises
        ``TimestampError`` for a time that is not integer nanoseconds or over an hour away.
        """
        return self._pose_at(timestamp_ns, keep=False)

    def _pose_at(self, timestamp_ns: int, keep: bool = True) -> Pose:
        """``keep``: the pose is one of the stream that a started tracker gives out."""
        started_ns = steady_ns()
        self._check_open()
        timestamp_ns = check_timestamp_ns("timestamp_ns", timestamp_ns)
        newest = self._pipeline.predicted or self._pipeline.newest
        if newest is None:
            tried = self._pipeline.newest_pose  # without a head, as it is for every frame so far
            reasons = tried.reasons if tried is not None else (Reason.WARMING_UP,)
            return Pose(timestamp_ns=timestamp_ns, reasons=reasons)
        newest_ns = newest.pose.timestamp_ns
        check_same_clock("timestamp_ns", timestamp_ns, "newest estimate", newest_ns, _ONE_HOUR_NS)
        T_head_cam = self.rig.left.T_head_cam
        ahead = pose_at(timestamp_ns, newest, self._synchroniser, T_head_cam, self._reach)
        pipeline = self._pipeline
        started = self._worker is not None
        finisher = pipeline.display_finisher if started else pipeline.finisher
        return replace(finisher.finish(ahead, keep), latency_ns=steady_ns() - started_ns)

    def start(
        self, options: LiveOptions | None = None, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Track in the background until ``stop``: the network on each newest frame of
        ``ingest.frame``, a pose at display rate. ``clock``: now on the tracker's clock, ns.
        Raises ``SameError`` when already started or closed, ``InvalidInputError`` for a wrong
        type. ``push`` is closed meanwhile.
        """
        live_options = given_or_default("options", options, LiveOptions)
        if not callable(clock):
            raise InvalidInputError(f"clock: expected a function, got {type(clock).__name__}")
        tasks = Tasks(
            lambda stopping: self._estimate_newest(live_options.max_wait_ns, stopping),
            self._estimate_without_images,
            self._predict_without_images,
            self._pose_at,
            self._held_pose,
            self._observer.given_out,
        )
        self._check_open()
        with self._live_lock:
            self._check_open()
            self._check_not_started()
            worker = Worker(
                tasks, self._frame_arrived, self._publisher, self._live_figures, live_options, clock
            )
            worker.start()
            self._worker = worker
            # The worker's threads must be gone before the interpreter takes its modules apart.
            atexit.register(self.stop)

    def stop(self) -> None:
        """End what ``start`` began, after the running estimate. Safe to call at any time."""
        if os.getpid() != self._process_id:
            self._worker = None  # its threads did not come along through the fork
            return
        with self._live_lock:
            worker, self._worker = self._worker, None
            atexit.unregister(self.stop)
        if worker is not None:
            worker.stop()
        else:
            self._publisher.end()

    def latest(self) -> Pose:
        """The newest pose: the worker's while started, else the newest estimate; INVALID before
        the first. Never waits."""
        pose = self._publisher.newest if self._worker is not None else self._pipeline.newest_pose
        return pose or Pose()

    def on_pose(self, callback: Callable[[Pose], None]) -> Callable[[], None]:
        """Call ``callback`` with each pose that the worker gives out, in the worker's thread: it
        must be quick. What it raises is logged and counted. Returns what ends the calls."""
        return self._publisher.listen(callback)

    def poses(self) -> AsyncIterator[Pose]:
        """``async for pose in tracker.poses()``: the newest pose each time there is one, until
        ``stop``. A slow reader misses poses; nothing queues up."""
        return self._publisher.poses()

    def stats(self) -> TrackerStats:
        """Health, counters, rates and latencies since the tracker opened."""
        now_ns = self._clock_now_ns()
        off_clock = self._pipeline.clock_watch.off_clock(now_ns)
        status, reasons, joint_confidence = newest_status(self.latest())
        return TrackerStats(
            status=status,
            reasons=reasons,
            joint_confidence=joint_confidence,
            streams=stream_stats(self._ingestion, self._options.max_gap_ns, off_clock, now_ns),
            frames=self._inbox.counts(),
            estimates=self._pipeline.estimates.figures(),
            output=self._live_figures.output.figures(),
            deadlines_missed=self._live_figures.deadlines_missed,
            frames_too_late=self._pipeline.frames_too_late,
            relocalisations=self._pipeline.relocalisations,
            engine_failures=self._pipeline.engine_failures,
            worker_errors=self._live_figures.errors,
            callback_errors=self._publisher.callback_errors,
            hints=self._pipeline.hints,
        )

    def reset(self) -> None:
        """Forget all samples and carried state, as after opening; counters stay."""
        with self._running():
            self._pipeline.restart()
            self._publisher.clear()

    def close(self) -> None:
        """Release the engine. Safe to call twice."""
        if os.getpid() == self._process_id:
            with self._live_lock:
                if self._worker is not None:
                    self._worker.request_stop()
                self._closed = True
            self.stop()
            with self._lock:
                self._engine.close()

    def __enter__(self) -> "SamePoseTracker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Hold the lock under which the network runs; raises ``SameError`` when closed."""
        self._check_open()  # a forked child may have inherited the lock as it was held
        with self._lock:
            self._check_open()
            yield

    def _check_open(self) -> None:
        if self._closed:
            raise SameError("the tracker is closed; open a new one")
        if os.getpid() != self._process_id:
            # The backend's threads did not come along through the fork: running would hang.
            raise SameError("the tracker was opened before a fork; open one in each process")

    def _check_not_started(self) -> None:
        if self._worker is not None:
            raise SameError("the tracker is started: give frames to ingest.frame, or stop it first")

    def _estimate_newest(self, max_wait_ns: int, stopping: threading.Event | None) -> bool:
        newest = self._inbox.newest()
        if newest is None:
            return False
        if self._pipeline.newest_frame_ns == newest.timestamp_ns:
            return False
        self._pipeline.await_samples(newest.timestamp_ns, max_wait_ns, stopping)
        with self._running():
            return self._pipeline.estimate_frame(newest)

    def _estimate_without_images(self) -> None:
        with self._running():
            self._pipeline.estimate_without_images()

    def _predict_without_images(self) -> None:
        with self._running():
            self._pipeline.predict_without_images()

    def _held_pose(self, now_ns: int) -> Pose:
        pose = self._pipeline.newest_pose
        if pose is None:
            return Pose(reasons=(Reason.WARMING_UP,))
        return judged(pose, now_ns, self._synchroniser.newest_ns(0), self._reach)
