"""The first half of stage 2: fusion on single frames, both backbones frozen and cached.

The paper trains fusion and the temporal network together on windows; single frames show fusion
many more different poses for the same work, which is what counts on few cores.
"""

import numpy as np
from torch import Tensor

from same_model.loss_config import LossConfig
from same_model.losses import joint_error
from same_model.training.data.augment import drop_views
from same_model.training.data.fusion_inputs import (
    BackboneCache,
    fused_joints,
    mean_error_mm,
    paper_fusion,
    run_fusion,
)
from same_model.training.stages.stage import Batch, Stage, StageSetup


class FusionTraining(Stage[BackboneCache]):
    """Trains ``SameModel.fusion``."""

    def __init__(self, setup: StageSetup[BackboneCache]) -> None:
        super().__init__(setup)
        self.fusion = paper_fusion(setup.model)
        self.frames_per_step, self.frames_in_total = setup.batch, len(setup.data.frames)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        rows = rng.integers(len(self._data.frames), size=self.frames_per_step)
        version = rng.integers(self._data.versions, size=len(rows))
        view_valid = drop_views(len(rows), 1, self._augment.view_dropout, rng)[:, 0]
        batch = self._data.fusion_batch(
            rows, version, view_valid, self._augment.calibration_deg, rng
        )
        batch["truth"] = batch["joints_imu"].new_tensor(self._data.frames.joints_local[rows])
        return batch

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        return fusion_loss(run_fusion(self.fusion, batch).joints, batch["truth"], self._loss)

    def _errors(self, held_out: BackboneCache) -> dict[str, float]:
        view_valid = np.ones((len(held_out.frames), 2), np.float32)
        joints = fused_joints(self.fusion, held_out, 0, view_valid)
        return {"val_local_mpjpe_mm": mean_error_mm(joints, held_out.frames.joints_local)}


def fusion_loss(
    joints: Tensor, truth: Tensor, config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Error of J_L^1 .. J_L^N (B, N, J, 3) from the ``truth`` (B, J, 3), metres, and its parts."""
    wanted = joints if config.deep_supervision else joints[:, -1:]
    loss = joint_error(wanted, truth[:, None], config.form).mean()
    return loss, {"mpjpe_mm": 1e3 * (joints[:, -1].detach() - truth).norm(dim=-1).mean()}
