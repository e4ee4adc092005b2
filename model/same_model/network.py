"""The whole network: training on windows, offline passes over sequences, streaming."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from same_model.config import ModelConfig
from same_model.fusion import FusionOutput, FusionStage
from same_model.inertial import InertialOutput, InertialStage, LstmState
from same_model.temporal import TemporalStage, shift_window
from same_model.visual import VisualOutput, VisualStage
from same_runtime.conventions import NUM_JOINTS

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
    """(window, J, 3) metres, oldest first, each row in its own frame's left camera."""


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


def _expand(x: Tensor | None, frames: int) -> Tensor | None:
    return None if x is None else x.expand(frames, *x.shape)


class SameModel(nn.Module):
    """SAME: stereo images and sparse inertial readings in, 22 joints out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.visual = VisualStage(config)
        self.inertial = InertialStage(config)
        self.fusion = FusionStage(config)
        self.temporal = TemporalStage(config)
        self._backbones_frozen = False

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
    ) -> WindowOutput:
        """Run windows of T frames that share one anchor, as training does.

        ``images`` (B, T, V, 1, H, W), ``view_valid`` (B, T, V), ``imu_features``
        (B, T, N, 16), ``rays`` (B, V, 3, Hf, Wf), ``origins`` and ``axes`` (B, V, 3),
        ``T_anchor_cam`` (B, T, 4, 4), ``time_offset_s`` and ``window_valid`` (B, T);
        ``state`` is the recurrent state before the window (None: zeros). Float32.
        """
        batch, frames = images.shape[:2]

        def per_frame(x: Tensor | None) -> Tensor | None:
            if x is None:
                return None
            return x[:, None].expand(batch, frames, *x.shape[1:]).flatten(0, 1)

        visual = self.visual(images.flatten(0, 1))
        inertial = self.inertial(imu_features, state)
        fused: FusionOutput = self.fusion(
            visual.features,
            visual.joints_2d,
            visual.visibility,
            view_valid.flatten(0, 1),
            inertial.joints_imu.flatten(0, 1),
            inertial.tokens.flatten(0, 1),
            per_frame(rays),
            per_frame(origins),
            per_frame(axes),
        )
        joints_local = fused.joints.unflatten(0, (batch, frames))
        joints_anchor = self.temporal(
            joints_local[:, :, -1], T_anchor_cam, time_offset_s, window_valid
        )
        confidence = fused.joint_confidence.unflatten(0, (batch, frames))
        return WindowOutput(joints_anchor, joints_local, confidence, visual, inertial)

    def forward_sequence(
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
    ) -> SequenceOutput:
        """Run one recording of T frames offline; equals T calls of ``step`` from a fresh state.

        ``images`` (T, V, 1, H, W), ``view_valid`` (T, V), ``imu_features`` (T, N, 16),
        ``rays`` (V, 3, Hf, Wf), ``origins`` and ``axes`` (V, 3); for the window ending at
        each frame ``T_anchor_cam`` (T, window, 4, 4), ``time_offset_s`` and ``window_valid``
        (T, window). Float32. Frames go through in chunks, so memory does not grow with T
        but for the inputs and outputs.
        """
        frames = images.shape[0]
        inertial = self.inertial(imu_features[None])
        local, confidence = [], []
        for chunk in _frame_chunks(frames):
            visual = self.visual(images[chunk])
            size = visual.features.shape[0]
            fused = self.fusion(
                visual.features,
                visual.joints_2d,
                visual.visibility,
                view_valid[chunk],
                inertial.joints_imu[0, chunk],
                inertial.tokens[0, chunk],
                _expand(rays, size),
                _expand(origins, size),
                _expand(axes, size),
            )
            local.append(fused.joints[:, -1])
            confidence.append(fused.joint_confidence)
        joints_local = torch.cat(local)
        window = self.config.window
        history = torch.cat([joints_local.new_zeros(window - 1, NUM_JOINTS, 3), joints_local])
        windows = history.unfold(0, window, 1).permute(0, 3, 1, 2)
        newest = [
            self.temporal(
                windows[chunk], T_anchor_cam[chunk], time_offset_s[chunk], window_valid[chunk]
            )[:, -1]
            for chunk in _frame_chunks(frames)
        ]
        return SequenceOutput(torch.cat(newest), joints_local, torch.cat(confidence))

    def initial_state(self) -> StreamState:
        """The state of a stream that has seen nothing."""
        window_joints = torch.zeros(
            self.config.window, NUM_JOINTS, 3, device=self.inertial.mean_pose.device
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
        visual = self.visual(images[None])
        inertial = self.inertial(imu_features[None, None], state.lstm)
        fused = self.fusion(
            visual.features,
            visual.joints_2d,
            visual.visibility,
            view_valid[None],
            inertial.joints_imu[:, 0],
            inertial.tokens[:, 0],
            rays[None],
            origins[None],
            None if axes is None else axes[None],
        )
        joints_local = fused.joints[:, -1]
        window_joints = shift_window(state.window_joints[None], joints_local)
        joints_anchor = self.temporal(
            window_joints, T_anchor_cam[None], time_offset_s[None], window_valid[None]
        )
        return StepOutput(
            joints_anchor[0],
            joints_local[0],
            fused.joint_confidence[0],
            StreamState(inertial.state, window_joints[0]),
        )
