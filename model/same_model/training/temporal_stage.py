"""The second half of stage 2: the temporal network on windows of cached local poses."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.losses import LossConfig, same_loss
from same_model.network import SameModel, WindowOutput
from same_model.training.augment import drop_views
from same_model.training.config import AugmentConfig
from same_model.training.dataset import Frames
from same_model.training.fusion_inputs import BackboneCache, fused_joints, mean_error_mm
from same_model.training.stage import Batch, Stage

_LOSS_SPAN_FRAMES = 90
_UNREAD: Any = None  # parts of a window's output that the losses do not look at


def span_views(frames: Frames, chance: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """``view_valid`` (F, V) with a loss, by ``chance``, in every three seconds."""
    valid = np.ones((len(frames), 2), np.float32)
    for first in range(0, len(frames), _LOSS_SPAN_FRAMES):
        part = valid[first : first + _LOSS_SPAN_FRAMES]
        part[:] = drop_views(1, len(part), chance, rng)[0]
    return valid


def shortened(window_valid: Tensor, rng: np.random.Generator) -> Tensor:
    """Let a fifth of the windows (B, T) begin later, as a stream that has just started."""
    batch, window = window_valid.shape
    first = np.where(rng.random(batch) < 0.2, rng.integers(window, size=batch), 0)
    row = torch.arange(window)
    return window_valid * (row >= torch.from_numpy(first)[:, None])


class TemporalTraining(Stage):
    """Trains ``SameModel.temporal``."""

    def __init__(
        self,
        model: SameModel,
        cache: BackboneCache,
        held_out: BackboneCache | None,
        batch: int,
        augment: AugmentConfig,
        loss: LossConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.temporal = model.temporal
        self._frames, self._loss = cache.frames, loss
        self._window, self._batch = model.config.window, batch
        self.frames_per_step, self.frames_in_total = batch, len(cache.frames)
        rng = np.random.default_rng([seed, 1])
        clean = np.ones((len(cache.frames), 2), np.float32)
        self._joints = np.stack(
            [
                fused_joints(
                    model.fusion,
                    cache,
                    version,
                    span_views(cache.frames, augment.view_dropout, rng) if version else clean,
                )
                for version in range(cache.versions)
            ]
        )
        self._held_out = held_out.frames if held_out is not None else None
        if held_out is not None:
            everything = np.ones((len(held_out.frames), 2), np.float32)
            self._held_out_joints = fused_joints(model.fusion, held_out, 0, everything)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._frames
        last = rng.integers(len(frames), size=self._batch)
        rows = frames.window_rows(last, self._window)
        version = rng.integers(len(self._joints), size=self._batch)
        window_valid = shortened(torch.from_numpy(frames.window_valid[last]), rng)
        return {
            "joints_local": torch.from_numpy(self._joints[version[:, None], rows]),
            "T_anchor_cam": torch.from_numpy(frames.T_anchor_cam[last]),
            "time_offset_s": torch.from_numpy(frames.time_offset_s[last]),
            "window_valid": window_valid,
            "truth_local": torch.from_numpy(frames.joints_local[rows]),
            "truth_anchor": torch.from_numpy(frames.anchor_targets(last, rows)),
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        joints_anchor = self.temporal(
            batch["joints_local"], batch["T_anchor_cam"], batch["time_offset_s"],
            batch["window_valid"],
        )  # fmt: skip
        output = WindowOutput(
            joints_anchor,
            batch["joints_local"][:, :, None],
            _UNREAD,
            _UNREAD,
            _UNREAD,
        )
        loss = same_loss(
            output, batch["truth_local"], batch["truth_anchor"], batch["window_valid"], self._loss
        )
        newest = (joints_anchor[:, -1].detach() - batch["truth_anchor"][:, -1]).norm(dim=-1)
        return loss.total, {
            "anchor": loss.anchor,
            "ground": loss.ground,
            "mpjpe_mm": 1e3 * newest.mean(),
        }

    def validate(self) -> dict[str, float]:
        if self._held_out is None:
            return {}
        return window_errors(self.temporal, self._held_out, self._held_out_joints, self._window)


@torch.inference_mode()
def window_errors(
    temporal: torch.nn.Module, frames: Frames, joints_local: NDArray[np.float32], window: int
) -> dict[str, float]:
    """Validation figures of the newest row of every window over ``joints_local`` (F, J, 3)."""
    device = next((p.device for p in temporal.parameters()), torch.device("cpu"))
    newest = np.empty_like(joints_local)
    for start in range(0, len(frames), 256):
        last = np.arange(start, min(start + 256, len(frames)))
        arrays = (
            joints_local[frames.window_rows(last, window)],
            frames.T_anchor_cam[last],
            frames.time_offset_s[last],
            frames.window_valid[last],
        )
        out = temporal(*(torch.from_numpy(array).to(device) for array in arrays))
        newest[last] = out[:, -1].cpu().numpy()
    everyone = np.arange(len(frames))
    truth = frames.anchor_targets(everyone, everyone[:, None])[:, 0]
    lowest = newest[..., 1].min(axis=-1)
    return {
        "val_mpjpe_mm": mean_error_mm(newest, truth),
        "val_lowest_joint_error_mm": 1e3 * float(np.abs(lowest - truth[..., 1].min(-1)).mean()),
    }
