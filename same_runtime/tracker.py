"""``SamePoseTracker``: sensor samples and stereo frames in, full-body poses out."""

import atexit
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from same_engines import Bundle, Engine, open_engine
from same_engines.errors import BundleError, InvalidInputError, SameError
from same_runtime._core import DeviceStates, Ingestion, PushStatus, Synchroniser
from same_runtime.calibration.calibration import Calibration
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, JOINT_NAMES
from same_runtime.estimation.estimator import Estimator, Image
from same_runtime.estimation.leg_yaw import LegYawCorrection
from same_runtime.estimation.prediction import Estimate, Reach, pose_at
from same_runtime.ingestion.clock_sync import CAMERAS, STREAMS, set_clock
from same_runtime.ingestion.inputs import Ingest
from same_runtime.ingestion.stereo_pairing import FrameInbox
from same_runtime.ingestion.timestamps import check_follows, check_same_clock, stamp_error
from same_runtime.live.fork_safety import keep_in_children
from same_runtime.live.publisher import PoseFeed
from same_runtime.live.worker import LiveOptions, Tasks, Worker
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, Reason
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame, check_timestamp_ns
from same_runtime.stats import (
    RollingFigures,
    TrackerStats,
    newest_status,
    stream_stats,
)

_ONE_SECOND_NS = 1_000_000_000
_ONE_HOUR_NS = 3600 * _ONE_SECOND_NS
_SAMPLE_POLL_S = 0.0005
_CAMERA_STREAM = STREAMS.index(CAMERAS)


class SamePoseTracker:
    """Track the 22 SMPL joints of a headset's wearer.

    ``bundle``: folder that ``same-export`` wrote. ``rig``: the headset's cameras; None takes
    the bundle's default rig. ``backend``: ``auto``, a name of ``same_engines.BACKENDS``, or an
    open engine of this bundle, which the tracker then owns.

    Three doors lead to the same path. ``push(frame, imu)`` takes a frame with one reading of each
    device. ``ingest.head(...)``, ``ingest.leg(...)`` and so on take device samples at their own
    rates, and ``push_frame`` estimates the pose at a frame's time from what was ingested.
    ``start`` runs everything in the background: frames go in through ``ingest.frame`` or
    ``ingest.image``, poses come out at display rate through ``latest``, ``on_pose`` and ``poses``.
    ``at_time`` gives the pose at any time near the newest estimate.

    A context manager; any thread may call any method. Raises ``BundleError``, ``EngineError`` or
    ``InvalidInputError`` when it cannot be opened as asked.
    """

    def __init__(
        self,
        bundle: str | Path,
        rig: CameraRig | None = None,
        backend: str | Engine = "auto",
        options: TrackerOptions | None = None,
    ) -> None:
        options = options or TrackerOptions()
        opened = Bundle.open(bundle)
        manifest = opened.manifest
        if manifest.joint_names != JOINT_NAMES:
            raise BundleError(
                f"{opened.path}: expected the {len(JOINT_NAMES)} SMPL joints, got "
                f"{len(manifest.joint_names)}: {', '.join(map(str, manifest.joint_names[:3]))}..."
            )
        if rig is not None and not isinstance(rig, CameraRig):
            raise InvalidInputError(f"rig: expected a CameraRig, got {type(rig).__name__}")
        self.rig = rig if rig is not None else CameraRig.from_dict(manifest.rig)
        self._engine = (
            backend
            if isinstance(backend, Engine)
            else open_engine(opened, backend, options.precision, options.threads)
        )
        try:
            self._connect(manifest.config, options)
            self._engine.warm_up()
        except BaseException:
            self._engine.close()
            raise
        keep_in_children(self._engine)
        self._closed = False
        self._process_id = os.getpid()
        self._lock = threading.Lock()
        self._newest_frame_ns: int | None = None
        self._newest: Estimate | None = None
        self._ahead: Estimate | None = None
        self._dropped = self._frames_too_late = 0
        self._feed = PoseFeed()
        self._worker: Worker | None = None
        self._newest_pose: Pose | None = None
        self._estimates = RollingFigures()
        self._engine_failures = 0

    def _connect(self, config: Mapping[str, Any], options: TrackerOptions) -> None:
        self._estimator = Estimator(self._engine, self.rig, config, options.ground_y_m)
        self._synchroniser = Synchroniser(
            options.ring_samples, options.max_gap_ns, options.max_extrapolation_ns, False
        )
        self._options = options
        self._ingestion = Ingestion(self._synchroniser)
        for stream, clock in options.clocks.items():
            set_clock(self._ingestion, stream, clock)
        self._frame_came = threading.Event()
        self._inbox = FrameInbox(
            self._ingestion, self.rig, options.max_view_skew_ns, self._frame_came.set
        )
        self.ingest = Ingest(self._ingestion, self._inbox)
        """Doors for live samples."""
        self.calibration = Calibration(
            self._estimator.assembler, self._ingestion, options.hold_bone_lengths
        )
        """Height, leg straps, floor and forward direction, each with its state."""
        self._leg_yaw = LegYawCorrection(self._ingestion)

    @property
    def backend(self) -> str:
        """Name of the backend that runs the network."""
        return self._engine.backend

    def push(self, frame: StereoFrame, imu: ImuFrame) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from a stereo frame and one reading of
        each device taken within a second of it (best: at the same time).

        Raises ``InvalidInputError`` or ``TimestampError`` for bad input, in which case nothing
        has changed and the next good call works; ``EngineError`` if the backend fails.
        """
        started_ns = time.perf_counter_ns()
        self._check_open()
        if not isinstance(imu, ImuFrame):
            raise InvalidInputError(f"imu: expected an ImuFrame, got {type(imu).__name__}")
        self._inbox.check(frame)
        check_same_clock(
            "imu.timestamp_ns", imu.timestamp_ns, "frame", frame.timestamp_ns, _ONE_SECOND_NS
        )
        readings = [
            (index, reading)
            for index, device in enumerate(DEVICES)
            if (reading := getattr(imu, device)) is not None
        ]
        with self._lock:
            self._check_not_started()
            if self._newest_frame_ns is None or frame.timestamp_ns > self._newest_frame_ns:
                for index, _ in readings:
                    newest_ns = self._synchroniser.newest_ns(index)
                    check_follows(DEVICES[index], newest_ns, imu.timestamp_ns)
            if self._admit_frame(frame.timestamp_ns):
                self._synchroniser.clear()
                for index in range(len(DEVICES)):
                    self._ingestion.reopen(index)
            for index, reading in readings:
                self._store(index, imu.timestamp_ns, reading)
            return self._estimate(frame.timestamp_ns, frame.left, frame.right, started_ns)

    def push_frame(self, frame: StereoFrame) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from the ingested samples; see ``push``."""
        started_ns = time.perf_counter_ns()
        self._check_open()
        self._inbox.check(frame)
        head_ns = self._synchroniser.newest_ns(0)
        check_same_clock("frame.timestamp_ns", frame.timestamp_ns, "head", head_ns, _ONE_HOUR_NS)
        with self._lock:
            self._check_not_started()
            self._admit_frame(frame.timestamp_ns)
            return self._estimate(frame.timestamp_ns, frame.left, frame.right, started_ns)

    def recentre(self, keep_place: bool = False) -> None:
        """Make where the head looks now forward (-z) and its place on the floor the origin of
        the poses that come out; ``keep_place`` resets the heading only. Raises
        ``InvalidInputError`` while the head is not tracked."""
        self.calibration.recentre(self._newest_states(), keep_place)

    def floor_from_controller(self) -> float:
        """Take the lower controller's height now as the floor's, and return it, metres. Raises
        ``InvalidInputError`` when no controller is tracked."""
        return self.calibration.floor_from_controller(self._newest_states())

    def _newest_states(self) -> DeviceStates:
        newest = [self._synchroniser.newest_ns(index) or 0 for index in range(len(DEVICES))]
        return self._synchroniser.lookup(newest[0] or max(newest))

    def step(self) -> Pose | None:
        """Estimate the pose for the newest frame of ``ingest.frame`` or ``ingest.image`` now, in
        this thread, for applications that bring their own; None when there is no new frame.
        Raises as ``push_frame`` does."""
        self._check_open()
        self._check_not_started()
        return self._newest_pose if self._estimate_newest(0) else None

    def at_time(self, timestamp_ns: int) -> Pose:
        """The pose at any time near the newest estimate, such as when the app's frame is seen.

        The newest estimate is carried on at its joints' velocity for at most
        ``max_prediction_ns`` and tied to the head and controller poses known for that time.
        Never waits for the network. INVALID before the first estimate. Raises
        ``TimestampError`` for a time that is not integer nanoseconds or over an hour away.
        """
        started_ns = time.perf_counter_ns()
        self._check_open()
        timestamp_ns = check_timestamp_ns("timestamp_ns", timestamp_ns)
        newest = self._ahead or self._newest
        if newest is None:
            return Pose(timestamp_ns=timestamp_ns, reasons=(Reason.WARMING_UP,))
        check_same_clock(
            "timestamp_ns", timestamp_ns, "the newest estimate", newest.pose.timestamp_ns,
            _ONE_HOUR_NS,
        )  # fmt: skip
        options = self._options
        pose = pose_at(
            timestamp_ns,
            newest,
            self._synchroniser,
            self.rig.left.T_head_cam,
            Reach(options.max_extrapolation_ns, options.max_prediction_ns, options.stale_after_ns),
        )
        latency_ns = time.perf_counter_ns() - started_ns
        return self.calibration.in_user_frame(replace(pose, latency_ns=latency_ns))

    def start(
        self, options: LiveOptions | None = None, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Track in the background until ``stop``: the network on each newest frame of
        ``ingest.frame``, a pose at display rate. ``clock``: now on the tracker's clock, ns.
        Raises ``SameError`` when already started or closed. ``push`` is closed meanwhile.
        """
        self._check_open()
        with self._lock:
            self._check_not_started()
            options = options or LiveOptions()
            tasks = Tasks(
                lambda: self._estimate_newest(options.max_wait_ns),
                self._estimate_without_images,
                self._look_ahead,
                self.at_time,
                self._held_pose,
            )
            self._worker = Worker(tasks, self._frame_came, self._feed, options, clock)
            self._worker.start()
        # The worker's threads must be gone before the interpreter takes its modules apart.
        atexit.register(self.stop)

    def stop(self) -> None:
        """End what ``start`` began, after the running estimate. Safe to call at any time."""
        worker, self._worker = self._worker, None
        if worker is not None and os.getpid() == self._process_id:
            atexit.unregister(self.stop)
            worker.stop()

    def latest(self) -> Pose:
        """The newest pose: the worker's while started, else the newest estimate; INVALID before
        the first. Never waits."""
        pose = self._feed.newest if self._worker is not None else self._newest_pose
        return pose or Pose()

    def on_pose(self, callback: Callable[[Pose], None]) -> Callable[[], None]:
        """Call ``callback`` with each pose that the worker gives out, in the worker's thread: it
        must be quick. What it raises is logged and counted. Returns what ends the calls."""
        return self._feed.listen(callback)

    def poses(self) -> AsyncIterator[Pose]:
        """``async for pose in tracker.poses()``: the newest pose each time there is one, until
        ``stop``. A slow reader misses poses; nothing queues up."""
        return self._feed.poses()

    def stats(self) -> TrackerStats:
        """Health, counters, rates and latencies since the tracker opened."""
        worker = self._worker
        status, reasons, joint_confidence = newest_status(self._newest_pose)
        return TrackerStats(
            status=status,
            reasons=reasons,
            joint_confidence=joint_confidence,
            streams=stream_stats(self._ingestion, self._options.max_gap_ns),
            frames=self._inbox.counts(),
            estimates=self._estimates.figures(),
            output=worker.output.figures() if worker else RollingFigures().figures(),
            deadlines_missed=worker.deadlines_missed if worker else 0,
            frames_too_late=self._frames_too_late,
            relocalisations=self._estimator.assembler.relocalisations,
            engine_failures=self._engine_failures,
            callback_errors=self._feed.callback_errors,
        )

    def reset(self) -> None:
        """Forget all samples and carried state, as after opening; counters stay."""
        self._check_open()
        with self._lock:
            self._restart()

    def close(self) -> None:
        """Release the engine. Safe to call twice."""
        if os.getpid() == self._process_id:
            self.stop()
            with self._lock:
                self._closed = True
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

    def _check_open(self) -> None:
        if self._closed:
            raise SameError("the tracker is closed; open a new one")
        if os.getpid() != self._process_id:
            # The backend's threads did not come along through the fork: running would hang.
            raise SameError("the tracker was opened before a fork; open one in each process")

    def _check_not_started(self) -> None:
        if self._worker is not None:
            raise SameError("the tracker is started: give frames to ingest.frame, or stop it first")

    def _restart(self) -> None:
        self._forget()
        self._synchroniser.clear()
        for stream in range(len(STREAMS)):
            self._ingestion.reopen(stream)
        self._inbox.clear()

    def _forget(self) -> None:
        self._estimator.forget()
        self._newest_frame_ns = None
        self._newest = self._ahead = None
        self._newest_pose = None

    def _admit_frame(self, timestamp_ns: int) -> bool:
        """Take a frame's stamp, or raise with nothing changed. True when time begins anew."""
        newest_ns = self._newest_frame_ns
        code, _ = self._ingestion.admit(_CAMERA_STREAM, timestamp_ns, timestamp_ns, True)
        if code:
            raise stamp_error("frame", PushStatus(code), newest_ns, timestamp_ns)
        if newest_ns is not None and timestamp_ns <= newest_ns:
            self._forget()
            return True
        return False

    def _store(self, index: int, timestamp_ns: int, reading: DevicePose | LegReading) -> None:
        if isinstance(reading, DevicePose):
            code = self._ingestion.push_pose(
                index, timestamp_ns, reading.position, reading.orientation_xyzw, timestamp_ns, True
            )
        else:
            code = self._ingestion.push_leg(
                index, timestamp_ns, reading.orientation_xyzw, reading.acceleration, timestamp_ns,
                True,
            )  # fmt: skip
        if code:
            newest_ns = self._ingestion.newest_ns(index)
            raise stamp_error(DEVICES[index], PushStatus(code), newest_ns, timestamp_ns)

    def _estimate(self, timestamp_ns: int, left: Image, right: Image, started_ns: int) -> Pose:
        states = self._synchroniser.lookup(timestamp_ns)
        self._newest_frame_ns = timestamp_ns
        self._ahead = None
        dropped = self._inbox.counts().dropped
        overloaded = dropped != self._dropped
        try:
            estimate = self._estimator.estimate(
                states, (left, right), (Reason.OVERLOADED,) if overloaded else (), started_ns
            )
        except BaseException:
            self._engine_failures += 1
            self._restart()  # a half-run frame has torn the carried state
            raise
        if estimate is None:
            return self._headless_pose(timestamp_ns, started_ns)
        self._dropped = dropped
        self._newest, pose = estimate, estimate.pose
        self._newest_pose = self.calibration.in_user_frame(pose)
        self._estimates.add(timestamp_ns, pose.latency_ns)
        self.calibration.update(pose, states)
        if self._options.correct_leg_yaw:
            self._leg_yaw.update(pose, states)
        return self._newest_pose

    def _estimate_newest(self, max_wait_ns: int) -> bool:
        newest = self._inbox.newest()
        if newest is None:
            return False
        timestamp_ns, left, right = newest
        if self._newest_frame_ns == timestamp_ns:
            return False
        self._await_samples(timestamp_ns, max_wait_ns)
        with self._lock:
            if self._newest_frame_ns is not None and timestamp_ns <= self._newest_frame_ns:
                # Either the cameras' clock began anew, or image-free estimates went past the frame.
                if self._newest_frame_ns - timestamp_ns < _ONE_SECOND_NS:
                    self._frames_too_late += 1
                    return False
                self._forget()
            self._estimate(timestamp_ns, left, right, self._inbox.newest_came_ns)
        return True

    def _await_samples(self, timestamp_ns: int, max_wait_ns: int) -> None:
        give_up_ns = time.monotonic_ns() + max_wait_ns
        while time.monotonic_ns() < give_up_ns:
            newest = [self._synchroniser.newest_ns(index) for index in range(len(DEVICES))]
            awaited = (
                t for t in newest if t is not None and timestamp_ns - t < self._options.max_gap_ns
            )
            if all(t >= timestamp_ns for t in awaited):
                return
            time.sleep(_SAMPLE_POLL_S)

    def _estimate_without_images(self) -> None:
        started_ns = time.perf_counter_ns()
        with self._lock:
            head_ns = self._synchroniser.newest_ns(0)
            if head_ns is None or head_ns <= (self._newest_frame_ns or 0):
                return
            self._estimate(head_ns, None, None, started_ns)

    def _look_ahead(self) -> None:
        started_ns = time.perf_counter_ns()
        with self._lock:
            base, head_ns = self._newest, self._synchroniser.newest_ns(0)
            if base is None or head_ns is None or head_ns <= base.pose.timestamp_ns:
                return
            states = self._synchroniser.lookup(head_ns)
            self._ahead = self._estimator.look_ahead(base, states, started_ns)

    def _held_pose(self) -> Pose:
        return self._newest_pose or Pose(reasons=(Reason.WARMING_UP,))

    def _headless_pose(self, timestamp_ns: int, started_ns: int) -> Pose:
        last = self._newest.pose if self._newest is not None else Pose()
        pose = Pose(
            timestamp_ns=timestamp_ns,
            reasons=(Reason.HEAD_LOST,),
            joints_world=last.joints_world,
            joints_cam_left=last.joints_cam_left,
            T_world_cam_left=last.T_world_cam_left,
            latency_ns=time.perf_counter_ns() - started_ns,
        )
        self._newest_pose = self.calibration.in_user_frame(pose)
        return self._newest_pose
