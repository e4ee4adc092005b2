"""The second half of stage 2: the temporal network on windows of cached local poses."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.training.data.augment import drop_views
from same_model.training.data.dataset import Frames
from same_model.training.data.fusion_inputs import (
    BackboneCache,
    fused_joints,
    paper_fusion,
    window_points,
)
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
from same_runtime.conventions import NUM_JOINTS

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
        self.temporal, self._config = setup.model.temporal, setup.model.config
        self._consecutive = CONSECUTIVE if looks_at_groups(setup.loss) else 1
        self._groups = max(1, setup.batch // self._consecutive)
        self.frames_per_step = self._groups * self._consecutive
        self.frames_in_total = len(cache.frames)
        rng = np.random.default_rng([seed, 1])

        def views(version: int) -> NDArray[np.float32]:
            if version == 0:
                return np.ones((len(cache.frames), 2), np.float32)
            return span_views(cache.frames, setup.augment.view_dropout, rng)

        self._points = np.stack(
            [
                self._row(fused_joints(fusion, cache, version, views(version)), cache, version)
                for version in range(cache.versions)
            ]
        )
        if held_out is not None:
            everything = np.ones((len(held_out.frames), 2), np.float32)
            self._held_out_joints = fused_joints(fusion, held_out, 0, everything)

    def _row(
        self, joints_local: NDArray[np.float32], cache: BackboneCache, version: int
    ) -> NDArray[np.float32]:
        """``window_points`` of every frame of ``cache``: (F, P, 3)."""
        return window_points(self._config, joints_local, cache.inertial.joints_imu[version])

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._data.frames
        first, members = rng.integers(len(frames), size=self._groups), self._consecutive
        last = frames.stretch_rows(first, members)[0].ravel()
        rows = frames.window_rows(last, self._window)
        version = np.repeat(rng.integers(len(self._points), size=self._groups), members)
        points = self._points[version[:, None], rows]
        true = np.repeat(rng.random(self._groups) < self._augment.true_windows, members)
        points[true, :, :NUM_JOINTS] = frames.joints_local[rows[true]]
        batch = {"points_local": torch.from_numpy(points)}
        if members > 1:
            batch["T_first_anchor"] = first_anchor(frames, last)
        return {**batch, **window_batch(frames, last, rows, rng, members)}

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        points = batch["points_local"]
        joints_anchor = run_temporal(self.temporal, points, batch)
        joints_local = points[:, :, None, :NUM_JOINTS]
        loss, parts = window_loss(joints_anchor, joints_local, batch, self._loss)
        for name, part in stream_losses(joints_anchor, batch, self._loss).items():
            parts[name] = part
            loss = loss + getattr(self._loss, name) * part
        return loss, parts

    def _errors(self, held_out: BackboneCache) -> dict[str, float]:
        frames, window = held_out.frames, self._window
        errors, of_truth = (
            window_errors(self.temporal, frames, self._row(joints, held_out, 0), window)
            for joints in (self._held_out_joints, frames.joints_local)
        )
        return {**errors, "val_true_pose_mpjpe_mm": of_truth["val_mpjpe_mm"]}
