"""``SamePoseTracker``: sensor samples and stereo frames in, full-body poses out."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from same_engines import Bundle, Engine, open_engine
from same_engines.errors import BundleError, InvalidInputError, SameError, TimestampError
from same_runtime._core import (
    FrameAssembler,
    How,
    ImagePreprocessor,
    PushStatus,
    Synchroniser,
)
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, JOINT_NAMES, POSE_DEVICES, VIEWS
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame, check_timestamp_ns
from same_runtime.stamps import check_follows, check_same_clock

_ONE_SECOND_NS = 1_000_000_000
_ONE_HOUR_NS = 3600 * _ONE_SECOND_NS


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
    """Samples each device's ring holds; the newest win."""
    max_gap_ns: int = 100_000_000
    """Longest gap between two samples that is bridged by interpolation."""
    max_extrapolation_ns: int = 50_000_000
    """Furthest beyond a device's newest sample that its motion is continued."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.ground_y_m):
            raise InvalidInputError(f"ground_y_m: expected metres, got {self.ground_y_m}")
        if not 2 <= self.ring_capacity <= 1 << 20:
            raise InvalidInputError(
                f"ring_capacity: expected 2..{1 << 20}, got {self.ring_capacity}"
            )
        for name in ("max_gap_ns", "max_extrapolation_ns"):
            check_timestamp_ns(name, getattr(self, name))


class SamePoseTracker:
    """Track the 22 SMPL joints of a headset's wearer.

    ``bundle``: folder that ``same-export`` wrote. ``rig``: the headset's cameras; None takes
    the bundle's default rig. ``backend``: ``auto``, a name of ``same_engines.BACKENDS``, or an
    open engine of this bundle, which the tracker then owns.

    Two doors lead to the same path. ``push(frame, imu)`` takes a frame with one reading of each
    device. ``ingest(device, ...)`` takes device samples at their own rates, and ``push_frame``
    estimates the pose at a frame's time from what was ingested.

    A context manager; one thread at a time. Raises ``BundleError``, ``EngineError`` or
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
        self._closed = False
        self._newest_frame_ns: int | None = None
        self._last_pose = Pose()

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
        feature_height, feature_width = engine.host_output("features").shape[-2:]
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
            options.ring_capacity, options.max_gap_ns, options.max_extrapolation_ns
        )
        self._assembler = FrameAssembler(self.rig.left.T_head_cam, options.ground_y_m, self._window)

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
        if not isinstance(imu, ImuFrame):
            raise InvalidInputError(f"imu: expected an ImuFrame, got {type(imu).__name__}")
        self._check_frame(frame)
        check_same_clock(
            "imu.timestamp_ns", imu.timestamp_ns, "frame", frame.timestamp_ns, _ONE_SECOND_NS
        )
        readings = [(device, getattr(imu, device)) for device in DEVICES]
        for index, (device, reading) in enumerate(readings):
            if reading is not None:
                check_follows(device, self._synchroniser.newest_ns(index), imu.timestamp_ns)
        for device, reading in readings:
            if reading is not None:
                self._store(device, imu.timestamp_ns, reading)
        return self._estimate(frame, started_ns)

    def ingest(self, device: str, timestamp_ns: int, reading: DevicePose | LegReading) -> None:
        """Take one sample of a device, at the device's own rate.

        ``device``: a name of ``conventions.DEVICES``. Raises ``InvalidInputError`` for an unknown
        device or the wrong kind of reading, ``TimestampError`` for a stamp that is a duplicate,
        backwards or in another unit; the sample is then refused and nothing changes.
        """
        self._check_open()
        timestamp_ns = check_timestamp_ns(f"{device} timestamp_ns", timestamp_ns)
        if device not in DEVICES:
            raise InvalidInputError(f"device: expected one of {DEVICES}, got {device!r}")
        kind = DevicePose if device in POSE_DEVICES else LegReading
        if not isinstance(reading, kind):
            raise InvalidInputError(
                f"{device}: expected a {kind.__name__}, got {type(reading).__name__}"
            )
        check_follows(device, self._synchroniser.newest_ns(DEVICES.index(device)), timestamp_ns)
        self._store(device, timestamp_ns, reading)

    def push_frame(self, frame: StereoFrame) -> Pose:
        """Estimate the pose at ``frame.timestamp_ns`` from the ingested samples; see ``push``."""
        started_ns = time.perf_counter_ns()
        self._check_frame(frame)
        head_ns = self._synchroniser.newest_ns(0)
        check_same_clock("frame.timestamp_ns", frame.timestamp_ns, "head", head_ns, _ONE_HOUR_NS)
        return self._estimate(frame, started_ns)

    def reset(self) -> None:
        """Forget all samples and carried state, as after opening."""
        self._check_open()
        self._engine.reset_state()
        self._synchroniser.clear()
        self._assembler.reset()
        self._newest_frame_ns = None
        self._last_pose = Pose()

    def close(self) -> None:
        """Release the engine. Safe to call twice."""
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

    def _check_frame(self, frame: StereoFrame) -> None:
        self._check_open()
        if not isinstance(frame, StereoFrame):
            raise InvalidInputError(f"frame: expected a StereoFrame, got {type(frame).__name__}")
        expected = (self.rig.left.height, self.rig.left.width)
        for view in VIEWS:
            image = getattr(frame, view)
            if image is not None and image.shape != expected:
                raise InvalidInputError(
                    f"frame.{view}: expected the rig's (height, width) {expected}, "
                    f"got {image.shape}"
                )
        check_follows("frame", self._newest_frame_ns, frame.timestamp_ns)

    def _store(self, device: str, timestamp_ns: int, reading: DevicePose | LegReading) -> None:
        index = DEVICES.index(device)
        if isinstance(reading, DevicePose):
            status = self._synchroniser.push_pose(
                index, timestamp_ns, reading.position, reading.orientation_xyzw
            )
        else:
            status = self._synchroniser.push_leg(
                index, timestamp_ns, reading.orientation_xyzw, reading.acceleration
            )
        if status is not PushStatus.ACCEPTED:
            raise TimestampError(f"{device}: {status.name} timestamp {timestamp_ns} ns")

    def _estimate(self, frame: StereoFrame, started_ns: int) -> Pose:
        timestamp_ns = frame.timestamp_ns
        states = self._synchroniser.lookup(timestamp_ns)
        self._newest_frame_ns = timestamp_ns
        if not self._assembler.assemble(
            timestamp_ns, states, self._imu_features, self._T_anchor_cam, self._time_offset_s,
            self._window_valid,
        ):  # fmt: skip
            return Pose(
                timestamp_ns=timestamp_ns,
                reasons=(Reason.HEAD_LOST,),
                joints_world=self._last_pose.joints_world,
                joints_cam_left=self._last_pose.joints_cam_left,
                T_world_cam_left=self._last_pose.T_world_cam_left,
                latency_ns=time.perf_counter_ns() - started_ns,
            )
        try:
            self._run_network(frame)
        except BaseException:
            self.reset()  # a half-run frame has torn the carried state
            raise
        joints_world = self._assembler.joints_to_world(self._joints_anchor[-1])
        T_world_cam_left = self._assembler.T_world_cam_left
        reasons = self._reasons(frame, states.how)
        self._last_pose = Pose(
            timestamp_ns=timestamp_ns,
            status=PoseStatus.LIMITED if reasons else PoseStatus.VALID,
            reasons=reasons,
            joints_world=joints_world,
            joints_cam_left=(joints_world - T_world_cam_left[:3, 3]) @ T_world_cam_left[:3, :3],
            joint_confidence=self._joint_confidence.copy(),
            T_world_cam_left=T_world_cam_left,
            latency_ns=time.perf_counter_ns() - started_ns,
        )
        return self._last_pose

    def _run_network(self, frame: StereoFrame) -> None:
        any_image = False
        for index, view in enumerate(VIEWS):
            image = getattr(frame, view)
            self._view_valid[index] = image is not None
            if image is None:
                self._images[index].fill(0)
            else:
                self._preprocess(image, self._images[index, 0])
                any_image = True
        if any_image:
            self._engine.run("visual")
        self._engine.run("inertial")
        self._engine.run("fusion")
        self._engine.run("temporal")

    def _reasons(self, frame: StereoFrame, how: tuple[How, ...]) -> tuple[Reason, ...]:
        reasons = []
        if self._assembler.frames < self._window:
            reasons.append(Reason.WARMING_UP)
        missing_views = (frame.left is None) + (frame.right is None)
        if missing_views:
            reasons.append(Reason.NO_IMAGES if missing_views == 2 else Reason.CAMERA_LOST)
        if How.MISSING in how[1:3]:
            reasons.append(Reason.CONTROLLER_LOST)
        if How.MISSING in how[3:5]:
            reasons.append(Reason.LEG_TRACKER_LOST)
        return tuple(reasons)
