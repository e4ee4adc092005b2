"""The second half of stage 2: the temporal network on windows of cached local poses."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.training.data.augment import drop_views
from same_model.training.data.dataset import Frames
from same_model.training.data.fusion_inputs import BackboneCache, fused_joints, paper_fusion
from same_model.training.data.windows import (
    CONSECUTIVE,
    first_anchor,
    looks_at_groups,
    run_temporal,
    stream_losses,
    window_batch,
    window_errors,
    window_loss,
)
from same_model.training.stages.stage import Batch, Stage, StageSetup

_LOSS_SPAN_FRAMES = 90


def span_views(frames: Frames, chance: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """``view_valid`` (F, V) with a loss, by ``chance``, in every 90 frames."""
    valid = np.ones((len(frames), 2), np.float32)
    for first in range(0, len(frames), _LOSS_SPAN_FRAMES):
        part = valid[first : first + _LOSS_SPAN_FRAMES]
        part[:] = drop_views(1, len(part), chance, rng)[0]
    return valid


class TemporalTraining(Stage[BackboneCache]):
    """Trains ``SameModel.temporal``."""

    def __init__(self, setup: StageSetup[BackboneCache], seed: int) -> None:
        super().__init__(setup)
        fusion, cache, held_out = paper_fusion(setup.model), setup.data, setup.held_out
        self.temporal = setup.model.temporal
        self._consecutive = CONSECUTIVE if looks_at_groups(setup.loss) else 1
        self._groups = max(1, setup.batch // self._consecutive)
        self.frames_per_step = self._groups * self._consecutive
        self.frames_in_total = len(cache.frames)
        rng = np.random.default_rng([seed, 1])

        def views(version: int) -> NDArray[np.float32]:
            if version == 0:
                return np.ones((len(cache.frames), 2), np.float32)
            return span_views(cache.frames, setup.augment.view_dropout, rng)

        self._joints = np.stack(
            [
                fused_joints(fusion, cache, version, views(version))
                for version in range(cache.versions)
            ]
        )
        if held_out is not None:
            everything = np.ones((len(held_out.frames), 2), np.float32)
            self._held_out_joints = fused_joints(fusion, held_out, 0, everything)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._data.frames
        first, members = rng.integers(len(frames), size=self._groups), self._consecutive
        last = frames.stretch_rows(first, members)[0].ravel()
        rows = frames.window_rows(last, self._window)
        version = np.repeat(rng.integers(len(self._joints), size=self._groups), members)
        joints = self._joints[version[:, None], rows]
        true = np.repeat(rng.random(self._groups) < self._augment.true_windows, members)
        joints[true] = frames.joints_local[rows[true]]
        batch = {"joints_local": torch.from_numpy(joints)}
        if members > 1:
            batch["T_first_anchor"] = first_anchor(frames, last)
        return {**batch, **window_batch(frames, last, rows, rng, members)}

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        joints_anchor = run_temporal(self.temporal, batch["joints_local"], batch)
        loss, parts = window_loss(
            joints_anchor, batch["joints_local"][:, :, None], batch, self._loss
        )
        for name, part in stream_losses(joints_anchor, batch, self._loss).items():
            parts[name] = part
            loss = loss + getattr(self._loss, name) * part
        return loss, parts

    def validate(self) -> dict[str, float]:
        if self._held_out is None:
            return {}
        held_out, window = self._held_out.frames, self._window
        errors = window_errors(self.temporal, held_out, self._held_out_joints, window)
        of_truth = window_errors(self.temporal, held_out, held_out.joints_local, window)
        return {**errors, "val_true_pose_mpjpe_mm": of_truth["val_mpjpe_mm"]}
