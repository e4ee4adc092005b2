"""The paper's stage 2: fusion and the temporal network together on windows, backbones frozen."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from same_model.losses import LossConfig, same_loss
from same_model.network import SameModel, WindowOutput
from same_model.training.augment import drop_views
from same_model.training.config import AugmentConfig
from same_model.training.fusion_inputs import BackboneCache, fused_joints, run_fusion
from same_model.training.stage import Batch, Stage
from same_model.training.temporal_stage import shortened, window_errors

_UNREAD: Any = None  # parts of a window's output that the losses do not look at


class JointTraining(Stage):
    """Trains ``SameModel.fusion`` and ``SameModel.temporal`` by Eq. 11."""

    def __init__(
        self,
        model: SameModel,
        cache: BackboneCache,
        held_out: BackboneCache | None,
        batch: int,
        augment: AugmentConfig,
        loss: LossConfig,
    ) -> None:
        super().__init__()
        self.fusion, self.temporal = model.fusion, model.temporal
        self._cache, self._held_out = cache, held_out
        self._augment, self._loss = augment, loss
        self._window, self._batch = model.config.window, batch
        self.frames_per_step = batch * self._window
        self.frames_in_total = len(cache.frames)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._cache.frames
        last = rng.integers(len(frames), size=self._batch)
        rows = frames.window_rows(last, self._window)
        version = np.repeat(rng.integers(self._cache.versions, size=self._batch), self._window)
        view_valid = drop_views(self._batch, self._window, self._augment.view_dropout, rng)
        batch = self._cache.fusion_batch(
            rows.reshape(-1), version, view_valid.reshape(-1, 2), self._augment.calibration_deg, rng
        )
        batch["T_anchor_cam"] = torch.from_numpy(frames.T_anchor_cam[last])
        batch["time_offset_s"] = torch.from_numpy(frames.time_offset_s[last])
        batch["window_valid"] = shortened(torch.from_numpy(frames.window_valid[last]), rng)
        batch["truth_local"] = torch.from_numpy(frames.joints_local[rows])
        batch["truth_anchor"] = torch.from_numpy(frames.anchor_targets(last, rows))
        return batch

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        fused = run_fusion(self.fusion, batch)
        joints_local = fused.joints.unflatten(0, (-1, self._window))
        joints_anchor = self.temporal(
            joints_local[:, :, -1], batch["T_anchor_cam"], batch["time_offset_s"],
            batch["window_valid"],
        )  # fmt: skip
        output = WindowOutput(
            joints_anchor,
            joints_local,
            fused.joint_confidence,
            _UNREAD,
            _UNREAD,
        )
        loss = same_loss(
            output, batch["truth_local"], batch["truth_anchor"], batch["window_valid"], self._loss
        )
        newest = (joints_anchor[:, -1].detach() - batch["truth_anchor"][:, -1]).norm(dim=-1)
        return loss.total, {
            "local": loss.local,
            "anchor": loss.anchor,
            "ground": loss.ground,
            "mpjpe_mm": 1e3 * newest.mean(),
        }

    def validate(self) -> dict[str, float]:
        if self._held_out is None:
            return {}
        held_out = self._held_out
        everything = np.ones((len(held_out.frames), 2), np.float32)
        joints = fused_joints(self.fusion, held_out, 0, everything)
        return window_errors(self.temporal, held_out.frames, joints, self._window)
