"""``SamePoseTracker``: sensor samples and stereo frames in, full-body poses out."""

import atexit
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from same_engines import Bundle, Engine, open_engine
from same_engines.errors import BundleError, InvalidInputError, SameError
from same_runtime._core import (
    DeviceStates,
    FrameAssembler,
    How,
    ImagePreprocessor,
    Ingestion,
    PushStatus,
    Synchroniser,
)
from same_runtime.at_time import VELOCITY_FRAMES, Estimate, continued
from same_runtime.calibration import Calibration
from same_runtime.camera import CameraRig
from same_runtime.clocks import CAMERAS, STREAMS, EstimatedClock, GivenClock, set_clock
from same_runtime.conventions import DEVICES, JOINT_NAMES
from same_runtime.forks import keep_in_children
from same_runtime.frame_inbox import FrameInbox
from same_runtime.ingest import Ingest
from same_runtime.leg_yaw import LegYawCorrection
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.pose_feed import PoseFeed
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame, check_timestamp_ns
from same_runtime.stamps import check_follows, check_same_clock, stamp_error
from same_runtime.stats import (
    RollingFigures,
    TrackerStats,
    newest_status,
    stream_stats,
)
from same_runtime.worker import LiveOptions, Tasks, Worker

_ONE_SECOND_NS = 1_000_000_000
_ONE_HOUR_NS = 3600 * _ONE_SECOND_NS
_SAMPLE_POLL_S = 0.0005
_CAMERA_STREAM = STREAMS.index(CAMERAS)
_Image = NDArray[np.uint8] | None


@dataclass(frozen=True)
class TrackerOptions:
    """Settings of a tracker; the defaults suit a headset with 72-120 Hz poses."""

    precision: str = "fp32"
    """Which graphs of the bundle run: fp32 or fp16."""
    threads: int | None = None
    """CPU threads for the visual stage; None takes what the process may use, four at most."""
    ground_y_m: float = 0.0
    """Height of the floor in the world frame, metres."""
    ring_capacity: int = 256
    """Samples each device's ring holds; the newest win. Or give ``ring_seconds``."""
    ring_seconds: float | None = None
    """History each device's ring holds, seconds, at up to 1000 samples a second."""
    max_gap_ns: int = 100_000_000
    """Longest gap between two samples that is bridged by interpolation."""
    max_extrapolation_ns: int = 50_000_000
    """Furthest beyond a device's newest sample that its motion is continued."""
    max_prediction_ns: int = 100_000_000
    """Furthest beyond the newest estimate that ``at_time`` continues the body's motion."""
    stale_after_ns: int = 200_000_000
    """Age of the newest estimate from which ``at_time`` calls its poses LIMITED (STALE)."""
    max_view_skew_ns: int = 5_000_000
    """Furthest apart in time that a left and a right image are still one stereo pair."""
    clocks: Mapping[str, GivenClock | EstimatedClock] = field(default_factory=dict)
    """Clocks of streams (``conventions.DEVICES``, ``cameras``) that do not share the tracker's."""
    correct_leg_yaw: bool = False
    """Let the cameras turn leg sensors whose heading drifts, slowly, while they see the leg."""
    hold_bone_lengths: bool = False
    """Give every pose the bone lengths of ``calibration``, for applications that need a body that
    never stretches. The mean joint error stays as it is."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.ground_y_m):
            raise InvalidInputError(f"ground_y_m: expected metres, got {self.ground_y_m}")
        if not 2 <= self.ring_capacity <= 1 << 20:
            raise InvalidInputError(
                f"ring_capacity: expected 2..{1 << 20}, got {self.ring_capacity}"
            )
        if self.ring_seconds is not None and not 0.01 <= self.ring_seconds <= 600.0:
            raise InvalidInputError(
                f"ring_seconds: expected 0.01..600 seconds, got {self.ring_seconds}"
            )
        for name in (
            "max_gap_ns", "max_extrapolation_ns", "max_prediction_ns", "stale_after_ns",
            "max_view_skew_ns",
        ):  # fmt: skip
            check_timestamp_ns(name, getattr(self, name))

    @property
    def ring_samples(self) -> int:
        """Samples each device's ring holds, however its size was given."""
        if self.ring_seconds is None:
            return self.ring_capacity
        return max(2, round(1000 * self.ring_seconds))


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
        engine, camera = self._engine, self.rig.left
        self._images = engine.host_input("images")
        self._view_valid = engine.host_input("view_valid")
        self._imu_features = engine.host_input("imu_features")
        self._T_anchor_cam = engine.host_input("T_anchor_cam")
        self._time_offset_s = engine.host_input("time_offset_s")
        self._window_valid = engine.host_input("window_valid")
        self._joints_anchor = engine.host_output("joints_anchor")
        self._joint_confidence = engine.host_output("joint_confidence")
        self._window = len(self._time_offset_s)
        feature_height, feature_width = engine.host_input("rays").shape[-2:]
        rays, origins, axes = self.rig.ray_map(feature_width, feature_height, config["depth_mode"])
        engine.host_input("rays")[:] = rays
        engine.host_input("origins")[:] = origins
        if config["depth_mode"] == "z":
            engine.host_input("axes")[:] = axes
        height, width = self._images.shape[-2:]
        if camera.width < width or camera.height < height:
            raise InvalidInputError(
                f"rig: its {camera.width}x{camera.height} images are smaller than the "
                f"{width}x{height} the network takes; use a bundle of a smaller preset"
            )
        self._preprocess = ImagePreprocessor(
            camera.height, camera.width, height, width,
            config["image_mean"], config["image_std"],
        )  # fmt: skip
        self._synchroniser = Synchroniser(
            options.ring_samples, options.max_gap_ns, options.max_extrapolation_ns, False
        )
        self._assembler, self._assembler_ahead = (
            FrameAssembler(self.rig.left.T_head_cam, options.ground_y_m, self._window, True)
            for _ in range(2)
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
        self.calibration = Calibration(self._assembler, self._ingestion, options.hold_bone_lengths)
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
        pose = newest.pose
        check_same_clock(
            "timestamp_ns", timestamp_ns, "the newest estimate", pose.timestamp_ns, _ONE_HOUR_NS
        )
        head_ns = self._synchroniser.newest_ns(0)
        # Where the head can no longer be told the body waits with it: moved on alone it would
        # be pulled apart.
        last_ns = timestamp_ns if head_ns is None else head_ns + self._options.max_extrapolation_ns
        states = self._synchroniser.lookup(min(timestamp_ns, last_ns))
        joints_world = continued(
            newest,
            states,
            1e-9 * (states.timestamp_ns - pose.timestamp_ns),
            1e-9 * self._options.max_prediction_ns,
        )
        T_world_cam_left = pose.T_world_cam_left
        if states.how[0] != How.MISSING:
            T_world_cam_left = states.T_world_device(0) @ self.rig.left.T_head_cam
        reasons, status = pose.reasons, pose.status
        if timestamp_ns - pose.timestamp_ns > self._options.stale_after_ns:
            reasons = (*reasons, Reason.STALE)
            status = PoseStatus.LIMITED
        if head_ns is None or timestamp_ns - head_ns > self._options.stale_after_ns:
            reasons = (Reason.HEAD_LOST, *reasons)
            status = PoseStatus.INVALID
        pose = Pose(
            timestamp_ns=timestamp_ns,
            status=status,
            reasons=reasons,
            joints_world=joints_world,
            joints_cam_left=(joints_world - T_world_cam_left[:3, 3]) @ T_world_cam_left[:3, :3],
            joint_confidence=pose.joint_confidence.copy(),
            T_world_cam_left=T_world_cam_left,
            latency_ns=time.perf_counter_ns() - started_ns,
        )
        return self.calibration.shown(pose)

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
            joint_confidence=joint_confidence.copy(),
            streams=stream_stats(self._ingestion, self._options.max_gap_ns),
            frames=self._inbox.counts(),
            estimates=self._estimates.figures(),
            output=worker.output.figures() if worker else RollingFigures().figures(),
            deadlines_missed=worker.deadlines_missed if worker else 0,
            frames_too_late=self._frames_too_late,
            relocalisations=self._assembler.relocalisations,
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
        self._engine.reset_state()
        self._assembler.reset()
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

    def _estimate(self, timestamp_ns: int, left: _Image, right: _Image, started_ns: int) -> Pose:
        states = self._synchroniser.lookup(timestamp_ns)
        self._newest_frame_ns = timestamp_ns
        relocalisations = self._assembler.relocalisations
        self._ahead = None
        if not self._assembler.assemble(
            timestamp_ns, states, self._imu_features, self._T_anchor_cam, self._time_offset_s,
            self._window_valid,
        ):  # fmt: skip
            return self._headless_pose(timestamp_ns, started_ns)
        try:
            self._run_network(left, right)
        except BaseException:
            self._engine_failures += 1
            self._restart()  # a half-run frame has torn the carried state
            raise
        relocalised = self._assembler.relocalisations != relocalisations
        reasons = self._reasons((left, right), states.how, relocalised)
        self._newest = self._read_out(self._assembler, timestamp_ns, states, reasons, started_ns)
        pose = self._newest.pose
        self._newest_pose = self.calibration.shown(pose)
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
            self._assembler_ahead.copy_from(self._assembler)
            if not self._assembler_ahead.assemble(
                head_ns, states, self._imu_features, self._T_anchor_cam, self._time_offset_s,
                self._window_valid,
            ):  # fmt: skip
                return
            self._view_valid.fill(0)
            for stage in ("inertial", "fusion", "temporal"):
                self._engine.peek(stage)
            ahead = self._read_out(
                self._assembler_ahead, head_ns, states, base.pose.reasons, started_ns
            )
            pose = replace(ahead.pose, joint_confidence=base.pose.joint_confidence)
            self._ahead = replace(ahead, pose=pose)

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
        self._newest_pose = self.calibration.shown(pose)
        return self._newest_pose

    def _read_out(
        self,
        assembler: FrameAssembler,
        timestamp_ns: int,
        states: DeviceStates,
        reasons: tuple[Reason, ...],
        started_ns: int,
    ) -> Estimate:
        rows = min(VELOCITY_FRAMES, self._window, assembler.frames)
        recent_world = assembler.joints_to_world(self._joints_anchor[-rows:].reshape(-1, 3))
        recent_world = recent_world.reshape(rows, -1, 3)
        joints_world = recent_world[-1].copy()
        T_world_cam_left = assembler.T_world_cam_left
        pose = Pose(
            timestamp_ns=timestamp_ns,
            status=PoseStatus.LIMITED if reasons else PoseStatus.VALID,
            reasons=reasons,
            joints_world=joints_world,
            joints_cam_left=(joints_world - T_world_cam_left[:3, 3]) @ T_world_cam_left[:3, :3],
            joint_confidence=self._joint_confidence.copy(),
            T_world_cam_left=T_world_cam_left,
            latency_ns=time.perf_counter_ns() - started_ns,
        )
        recent_s = self._time_offset_s[-rows:].astype(np.float64)
        return Estimate(pose, states, recent_s, recent_world)

    def _run_network(self, left: _Image, right: _Image) -> None:
        any_image = False
        for index, image in enumerate((left, right)):
            self._view_valid[index] = image is not None
            if image is None:
                self._images[index].fill(0)
            else:
                self._preprocess(image, self._images[index, 0])
                any_image = True
        self._engine.run_frame(with_images=any_image)

    def _reasons(
        self, images: tuple[_Image, _Image], how: tuple[How, ...], relocalised: bool
    ) -> tuple[Reason, ...]:
        reasons = []
        dropped = self._inbox.counts().dropped
        if dropped != self._dropped:
            self._dropped = dropped
            reasons.append(Reason.OVERLOADED)
        if relocalised:
            reasons.append(Reason.RELOCALISED)
        if self._assembler.frames < self._window:
            reasons.append(Reason.WARMING_UP)
        missing_views = sum(image is None for image in images)
        if missing_views:
            reasons.append(Reason.NO_IMAGES if missing_views == 2 else Reason.CAMERA_LOST)
        if How.MISSING in how[1:3]:
            reasons.append(Reason.CONTROLLER_LOST)
        if How.MISSING in how[3:5]:
            reasons.append(Reason.LEG_TRACKER_LOST)
        return tuple(reasons)
