"""From one frame to one estimate: the network's inputs, its run, its carried state, the pose."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines import Engine
from same_engines.bundle.config import BundleConfig
from same_engines.errors import InvalidInputError
from same_runtime._core import (
    VELOCITY_FRAMES,
    DeviceStates,
    FrameAssembler,
    ImagePreprocessor,
    LookupKind,
    steady_ns,
)
from same_runtime.camera import CameraRig
from same_runtime.estimation.plausibility import Plausibility
from same_runtime.estimation.prediction import Estimate
from same_runtime.observer import Observer
from same_runtime.pose import Pose, Reason, gravest_first, in_frame, status_of

Image = NDArray[np.uint8] | None

MAX_FRAME_GAP_NS: Final = 1_000_000_000
"""Longest time between two frames that the carried state bridges: the time that a window of the
training's spans. Beyond it every row that the window holds is older than any that training saw."""
_BLIND_STAGES: Final = ("inertial", "fusion", "temporal")


class Estimator:
    """Runs ``engine`` on device states and images, frame after frame; for one thread at a time.

    ``config``: of the bundle. ``ground_y_m``: the floor's height in the world. Raises
    ``InvalidInputError`` when the rig's images are smaller than the network's.
    """

    def __init__(
        self,
        engine: Engine,
        rig: CameraRig,
        config: BundleConfig,
        ground_y_m: float,
        observer: Observer,
    ) -> None:
        self._engine = engine
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
        rays, origins, axes = rig.ray_map(feature_width, feature_height, config.depth_mode)
        engine.host_input("rays")[:] = rays
        engine.host_input("origins")[:] = origins
        if config.depth_mode == "z":
            engine.host_input("axes")[:] = axes
        height, width = self._images.shape[-2:]
        camera = rig.left
        if camera.width < width or camera.height < height:
            raise InvalidInputError(
                f"rig: its {camera.width}x{camera.height} images are smaller than the "
                f"{width}x{height} the network takes; use a bundle of a smaller preset"
            )
        preprocessor = ImagePreprocessor(
            camera.height,
            camera.width,
            height,
            width,
            config.image_mean,
            config.image_std,
        )
        self._preprocess = observer.part("preprocess", preprocessor.__call__)
        self._observed_assemble = observer.part("features", FrameAssembler.assemble)
        self._joints_to_world = observer.part("output", FrameAssembler.joints_to_world)
        self.assembler, self._assembler_ahead = (
            FrameAssembler(camera.T_head_cam, ground_y_m, self._window, True) for _ in range(2)
        )
        """Remembers the previous frames' devices and camera poses."""
        self._newest_ns = 0
        self.plausibility = Plausibility(config.image_mean, config.image_std)

    def estimate(
        self,
        states: DeviceStates,
        images: tuple[Image, Image],
        reasons: tuple[Reason, ...],
        started_ns: int,
    ) -> Estimate | None:
        """The estimate at ``states.timestamp_ns``; None, and nothing changed, without a head.

        After a gap of more than ``MAX_FRAME_GAP_NS`` window and recurrent state start anew.
        ``reasons``: why it is not VALID as far as the caller knows. Raises ``EngineError`` if
        the backend fails; the carried state is then torn: ``forget`` it.
        """
        if states.how[0] == LookupKind.MISSING:
            return None
        if self.assembler.frames and self._too_late(states):
            self.forget()
        relocalisations = self.assembler.relocalisations
        if not self._assemble(self.assembler, states):
            return None
        self._newest_ns = states.timestamp_ns
        reasons += self.plausibility.of_devices(states, self.assembler.ground_y)
        reasons += self._run_network(images)
        relocalised = self.assembler.relocalisations != relocalisations
        reasons += self._reasons(images, states.how, relocalised)
        estimate = self._read_out(self.assembler, states, gravest_first(reasons), started_ns)
        found = self.plausibility.of_estimate(estimate.core_pose, self.assembler.ground_y)
        if not found:
            return estimate
        reasons = gravest_first((*estimate.pose.reasons, *found))
        pose = replace(estimate.pose, status=status_of(reasons), reasons=reasons)
        return replace(estimate, pose=pose)

    def predict_without_images(
        self, base: Estimate, states: DeviceStates, started_ns: int
    ) -> Estimate | None:
        """The estimate at the later time of ``states``, without images and without a trace in
        the carried state; None without a head or after too long a gap. Raises ``EngineError``."""
        if self._too_late(states):
            return None
        self._assembler_ahead.copy_from(self.assembler)
        if not self._assemble(self._assembler_ahead, states):
            return None
        self._view_valid.fill(0)
        for stage in _BLIND_STAGES:
            self._engine.peek(stage)
        ahead = self._read_out(self._assembler_ahead, states, base.pose.reasons, started_ns)
        pose = replace(ahead.pose, joint_confidence=base.pose.joint_confidence)
        return replace(ahead, pose=pose)

    def forget(self) -> None:
        """Drop all carried state, as after opening."""
        self._engine.reset_state()
        self.assembler.reset()
        self.plausibility.reset()

    def _too_late(self, states: DeviceStates) -> bool:
        return states.timestamp_ns - self._newest_ns > MAX_FRAME_GAP_NS

    def _assemble(self, assembler: FrameAssembler, states: DeviceStates) -> bool:
        return self._observed_assemble(
            assembler,
            states.timestamp_ns,
            states,
            self._imu_features,
            self._T_anchor_cam,
            self._time_offset_s,
            self._window_valid,
        )

    def _run_network(self, images: tuple[Image, Image]) -> tuple[Reason, ...]:
        """Run it; returns why views count as missing that are there but show nothing."""
        blind: list[Reason] = []
        for index, image in enumerate(images):
            usable = image is not None
            if image is not None:
                self._preprocess(image, self._images[index, 0])
                reason = self.plausibility.of_view(self._images[index, 0])
                if reason is not None:
                    usable = False
                    blind.append(reason)
            if not usable:
                self._images[index].fill(0)
            self._view_valid[index] = usable
        self._engine.run_frame(with_images=bool(self._view_valid.any()))
        return tuple(dict.fromkeys(blind))

    def _reasons(
        self, images: tuple[Image, Image], how: tuple[LookupKind, ...], relocalised: bool
    ) -> tuple[Reason, ...]:
        reasons = []
        if relocalised:
            reasons.append(Reason.RELOCALISED)
        if self.assembler.frames < self._window:
            reasons.append(Reason.WARMING_UP)
        missing_views = sum(image is None for image in images)
        if missing_views:
            reasons.append(Reason.NO_IMAGES if missing_views == 2 else Reason.CAMERA_LOST)
        if LookupKind.MISSING in how[1:3]:
            reasons.append(Reason.CONTROLLER_LOST)
        if LookupKind.MISSING in how[3:5]:
            reasons.append(Reason.LEG_TRACKER_LOST)
        return tuple(reasons)

    def _read_out(
        self,
        assembler: FrameAssembler,
        states: DeviceStates,
        reasons: tuple[Reason, ...],
        started_ns: int,
    ) -> Estimate:
        rows = min(VELOCITY_FRAMES, int(self._window_valid.sum()))
        recent_world = self._joints_to_world(assembler, self._joints_anchor[-rows:].reshape(-1, 3))
        recent_world = recent_world.reshape(rows, -1, 3)
        joints_world = recent_world[-1]
        T_world_cam_left = assembler.T_world_cam_left
        pose = Pose(
            timestamp_ns=states.timestamp_ns,
            status=status_of(reasons),
            reasons=reasons,
            joints_world=joints_world,
            joints_cam_left=in_frame(T_world_cam_left, joints_world),
            joint_confidence=self._joint_confidence,
            T_world_cam_left=T_world_cam_left,
            device_orientations_world=states.orientations_xyzw,
            latency_ns=steady_ns() - started_ns,
        )
        recent_s = self._time_offset_s[-rows:].astype(np.float64)
        return Estimate(pose, states, recent_s, recent_world)
