"""All of SAME, stage after stage: training on windows, offline passes over sequences, streaming."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from same_engines.bundle.manifest import STAGES
from same_model.baselines.concat_fusion import ConcatFusion, features_at_joints
from same_model.config import ModelConfig
from same_model.network.fusion import FusionOutput, FusionStage
from same_model.network.inertial import InertialOutput, InertialStage, LstmState
from same_model.network.temporal import TemporalStage, shift_window, window_row
from same_model.network.visual import VisualOutput, VisualStage

_FRAMES_PER_CHUNK = 32


class WindowOutput(NamedTuple):
    """What one training window yields; inputs to the losses."""

    joints_anchor: Tensor
    """(B, T, J, 3) metres in the window's anchor frame: J_G."""
    joints_local: Tensor
    """(B, T, N, J, 3) metres, left-camera frame: J_L^n after each iteration."""
    joint_confidence: Tensor
    """(B, T, J)."""
    visual: VisualOutput
    """Leading axes (B T), V."""
    inertial: InertialOutput


class SequenceOutput(NamedTuple):
    """Every frame of an offline pass, as streaming would have given it."""

    joints_anchor: Tensor
    """(T, J, 3) metres, each in its own frame's anchor."""
    joints_local: Tensor
    """(T, J, 3) metres, left-camera frame."""
    joint_confidence: Tensor
    """(T, J)."""


class StreamState(NamedTuple):
    """All that the network carries from frame to frame."""

    lstm: LstmState
    """(L, 1, N, D) each."""
    window_joints: Tensor
    """(window, P, 3) metres, oldest first, each row in its own frame's left camera."""
    fusion_lstm: LstmState | None = None
    """Recurrent state of ``ConcatFusion``; None before its first frame and for SAME's fusion."""


class FusedFrames(NamedTuple):
    """What fusion makes of T frames, whichever kind it is."""

    joints: Tensor
    """(B, T, N, J, 3) metres, left-camera frame; N is 1 for ``ConcatFusion``."""
    joint_confidence: Tensor
    """(B, T, J)."""
    state: LstmState | None


class StepOutput(NamedTuple):
    """One streamed frame."""

    joints_anchor: Tensor
    """(window, J, 3) metres in this frame's anchor; the last row is the newest frame."""
    joints_local: Tensor
    """(J, 3) metres, left-camera frame."""
    joint_confidence: Tensor
    """(J,)."""
    state: StreamState


def _frame_chunks(frames: int) -> Iterator[slice]:
    for start in range(0, frames, _FRAMES_PER_CHUNK):
        yield slice(start, min(start + _FRAMES_PER_CHUNK, frames))


class SameModel(nn.Module):
    """SAME: stereo images and sparse inertial readings in, 22 joints out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisualStage(config)
        self.inertial = InertialStage(config)
        self.fusion: FusionStage | ConcatFusion = (
            FusionStage(config) if config.fusion_kind == "same" else ConcatFusion(config)
        )
        self.temporal = TemporalStage(config)
        self._backbones_frozen = False
        self.trained_steps: dict[str, int | None] = dict.fromkeys(STAGES, 0)
        """Stage -> optimiser steps its weights were trained for; None where nobody counted."""

    def freeze_backbones(self) -> None:
        """Fix the visual and inertial stages, their batch statistics too (the paper's stage 2)."""
        self._backbones_frozen = True
        for stage in (self.visual, self.inertial):
            stage.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "SameModel":
        """Set the training mode; frozen backbones stay in evaluation mode."""
        super().train(mode)
        if self._backbones_frozen:
            self.visual.eval()
            self.inertial.eval()
        return self

    def forward(
        self,
        images: Tensor,
        view_valid: Tensor,
        imu_features: Tensor,
        rays: Tensor,
        origins: Tensor,
        axes: Tensor | None,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
        state: LstmState | None = None,
        *,
        in_bfloat16: bool = False,
    ) -> WindowOutput:
        """Run windows of T frames that share one anchor, as training does.

        ``images`` (B, T, V, 1, H, W), ``view_valid`` (B, T, V), ``imu_features``
        (B, T, N, 16), ``rays`` (B, V, 3, Hf, Wf), ``origins`` and ``axes`` (B, V, 3),
        ``T_anchor_cam`` (B, T, 4, 4), ``time_offset_s`` and ``window_valid`` (B, T);
        ``state`` is the recurrent state before the window (None: zeros). Float32; ``in_bfloat16``
        as ``VisualStage.forward`` says.
        """
        visual = self.visual(images.flatten(0, 1), in_bfloat16)
        inertial = self.inertial(imu_features, state)
        fused = self._fuse(visual, view_valid, inertial, rays, origins, axes, imu_features)
        points = window_row(self.config, fused.joints[:, :, -1], inertial.joints_imu)
        joints_anchor = self.temporal(points, T_anchor_cam, time_offset_s, window_valid)
        return WindowOutput(joints_anchor, fused.joints, fused.joint_confidence, visual, inertial)

    def _fuse(
        self,
        visual: VisualOutput,
        view_valid: Tensor,
        inertial: InertialOutput,
        rays: Tensor,
        origins: Tensor,
        axes: Tensor | None,
        imu_features: Tensor,
        state: LstmState | None = None,
    ) -> FusedFrames:
        """Either kind of fusion on B stretches of T frames, one after the other in ``visual``."""
        batch, frames = view_valid.shape[:2]
        if isinstance(self.fusion, ConcatFusion):
            found = (
                features_at_joints(visual.features, visual.joints_2d),
                visual.joints_2d,
                visual.visibility,
            )
            concat = self.fusion(
                *(x.unflatten(0, (batch, frames)) for x in found),
                view_valid,
                inertial.tokens,
                state,
            )
            return FusedFrames(concat.joints[:, :, None], concat.joint_confidence, concat.state)

        def per_frame(x: Tensor) -> Tensor:
            return x[:, None].expand(batch, frames, *x.shape[1:]).flatten(0, 1)

        fused: FusionOutput = self.fusion(
            visual.features,
            visual.joints_2d,
            visual.visibility,
            view_valid.flatten(0, 1),
            inertial.joints_imu.flatten(0, 1),
            inertial.tokens.flatten(0, 1),
            per_frame(rays),
            per_frame(origins),
            None if axes is None else per_frame(axes),
            imu_features.flatten(0, 1),
        )
        return FusedFrames(
            fused.joints.unflatten(0, (batch, frames)),
            fused.joint_confidence.unflatten(0, (batch, frames)),
            None,
        )

    def find_joints(self, images: Tensor) -> VisualOutput:
        """The visual stage on ``images`` (T, V, 1, H, W) in chunks, without what only the
        heatmap losses read; ``forward_sequence`` takes the result in place of the images."""
        parts = [self.visual(images[chunk]) for chunk in _frame_chunks(len(images))]
        features, joints_2d, visibility = (
            torch.cat([part[index] for part in parts]) for index in range(3)
        )
        nothing = images.new_zeros(0)
        return VisualOutput(features, joints_2d, visibility, nothing, nothing)

    def forward_sequence(
        self,
        images: Tensor | None,
        view_valid: Tensor,
        imu_features: Tensor,
        rays: Tensor,
        origins: Tensor,
        axes: Tensor | None,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
        *,
        visual: VisualOutput | None = None,
    ) -> SequenceOutput:
        """Run one recording of T frames offline; equals T calls of ``step`` from a fresh state.

        ``images`` (T, V, 1, H, W), ``view_valid`` (T, V), ``imu_features`` (T, N, 16),
        ``rays`` (V, 3, Hf, Wf), ``origins`` and ``axes`` (V, 3); for the window ending at
        each frame ``T_anchor_cam`` (T, window, 4, 4), ``time_offset_s`` and ``window_valid``
        (T, window). Float32. ``visual``: what ``find_joints`` gave for the images, which are not
        read then. Frames go through in chunks, so memory does not grow with T but for the
        inputs and outputs.
        """
        frames = len(view_valid)
        inertial = self.inertial(imu_features[None])
        local, confidence = [], []
        state: LstmState | None = None
        for chunk in _frame_chunks(frames):
            if visual is not None:
                found = VisualOutput(*(x[chunk] for x in visual))
            else:
                assert images is not None
                found = self.visual(images[chunk])
            fused = self._fuse(
                found,
                view_valid[None, chunk],
                inertial._replace(
                    joints_imu=inertial.joints_imu[:, chunk], tokens=inertial.tokens[:, chunk]
                ),
                rays[None],
                origins[None],
                None if axes is None else axes[None],
                imu_features[None, chunk],
                state,
            )
            state = fused.state
            local.append(fused.joints[0, :, -1])
            confidence.append(fused.joint_confidence[0])
        joints_local = torch.cat(local)
        joints_anchor = self.refine_sequence(
            joints_local, inertial.joints_imu[0], T_anchor_cam, time_offset_s, window_valid
        )
        return SequenceOutput(joints_anchor, joints_local, torch.cat(confidence))

    def refine_sequence(
        self,
        joints_local: Tensor,
        joints_imu: Tensor,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
    ) -> Tensor:
        """The temporal stage of ``forward_sequence`` on ``joints_local`` and ``joints_imu``
        (T, J, 3) metres, each in its own frame's left camera: (T, J, 3) metres, each in its own
        frame's anchor."""
        window = self.config.window
        points = window_row(self.config, joints_local, joints_imu)
        history = torch.cat([points.new_zeros(window - 1, *points.shape[1:]), points])
        windows = history.unfold(0, window, 1).permute(0, 3, 1, 2)
        newest = [
            self.temporal(
                windows[chunk], T_anchor_cam[chunk], time_offset_s[chunk], window_valid[chunk]
            )[:, -1]
            for chunk in _frame_chunks(len(joints_local))
        ]
        return torch.cat(newest)

    def initial_state(self) -> StreamState:
        """The state of a stream that has seen nothing."""
        window_joints = torch.zeros(
            self.config.window, self.config.window_points, 3, device=self.inertial.mean_pose.device
        )
        return StreamState(self.inertial.initial_state(), window_joints)

    def step(
        self,
        images: Tensor,
        view_valid: Tensor,
        imu_features: Tensor,
        rays: Tensor,
        origins: Tensor,
        axes: Tensor | None,
        T_anchor_cam: Tensor,
        time_offset_s: Tensor,
        window_valid: Tensor,
        state: StreamState,
    ) -> StepOutput:
        """Advance a stream by one frame; nothing of the window is computed again but its end.

        ``images`` (V, 1, H, W), ``view_valid`` (V), ``imu_features`` (N, 16), ``rays``
        (V, 3, Hf, Wf), ``origins`` and ``axes`` (V, 3), ``T_anchor_cam`` (window, 4, 4),
        ``time_offset_s`` and ``window_valid`` (window), ``state`` from the previous call or
        ``initial_state``. Float32.
        """
        inertial = self.inertial(imu_features[None, None], state.lstm)
        fused = self._fuse(
            self.visual(images[None]),
            view_valid[None, None],
            inertial,
            rays[None],
            origins[None],
            None if axes is None else axes[None],
            imu_features[None, None],
            state.fusion_lstm,
        )
        joints_local = fused.joints[:, 0, -1]
        row = window_row(self.config, joints_local, inertial.joints_imu[:, -1])
        window_joints = shift_window(state.window_joints[None], row)
        joints_anchor = self.temporal(
            window_joints, T_anchor_cam[None], time_offset_s[None], window_valid[None]
        )
        return StepOutput(
            joints_anchor[0],
            joints_local[0],
            fused.joint_confidence[0, 0],
            StreamState(inertial.state, window_joints[0], fused.state),
        )
