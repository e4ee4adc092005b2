"""The paper's stage 2: fusion and the temporal network together on windows, backbones frozen."""

import numpy as np
from torch import Tensor

from same_model.network.temporal import window_row
from same_model.training.data.augment import drop_views
from same_model.training.data.fusion_inputs import (
    BackboneCache,
    fused_joints,
    paper_fusion,
    run_fusion,
    window_points,
)
from same_model.training.data.windows import run_temporal, window_batch, window_errors, window_loss
from same_model.training.stages.stage import Batch, Stage, StageSetup


class JointTraining(Stage[BackboneCache]):
    """Trains ``SameModel.fusion`` and ``SameModel.temporal`` by Eq. 11."""

    def __init__(self, setup: StageSetup[BackboneCache]) -> None:
        super().__init__(setup)
        self.fusion, self.temporal = paper_fusion(setup.model), setup.model.temporal
        self._config = setup.model.config
        self.frames_per_step = setup.batch * self._window
        self.frames_in_total = len(setup.data.frames)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._data.frames
        last = rng.integers(len(frames), size=self._batch)
        rows = frames.window_rows(last, self._window)
        version = np.repeat(rng.integers(self._data.versions, size=self._batch), self._window)
        view_valid = drop_views(self._batch, self._window, self._augment.view_dropout, rng)
        batch = self._data.fusion_batch(
            rows.reshape(-1), version, view_valid.reshape(-1, 2), self._augment.calibration_deg, rng
        )
        return batch | window_batch(frames, last, rows, rng)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        joints = run_fusion(self.fusion, batch).joints.unflatten(0, (-1, self._window))
        joints_imu = batch["joints_imu"].unflatten(0, (-1, self._window))
        points = window_row(self._config, joints[:, :, -1], joints_imu)
        joints_anchor = run_temporal(self.temporal, points, batch)
        return window_loss(joints_anchor, joints, batch, self._loss)

    def _errors(self, held_out: BackboneCache) -> dict[str, float]:
        everything = np.ones((len(held_out.frames), 2), np.float32)
        joints = fused_joints(self.fusion, held_out, 0, everything)
        points = window_points(self._config, joints, held_out.inertial.joints_imu[0])
        return window_errors(self.temporal, held_out.frames, points, self._window)
