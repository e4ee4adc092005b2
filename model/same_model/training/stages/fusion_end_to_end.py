"""Visual and fusion stage together, on single frames from their images; the inertial stage frozen.

Features that heatmaps alone have shaped learn what a pose needs, and fusion meets the visual stage
as it is on images that neither has seen often.
"""

import numpy as np
import torch
from torch import Tensor

from same_model.network.visual import VisualOutput
from same_model.training.data.augment import drop_views, photometric
from same_model.training.data.dataset import Frames, normalised
from same_model.training.data.fusion_inputs import (
    mean_error_mm,
    paper_fusion,
    run_fusion,
    sensors_and_lenses,
)
from same_model.training.stages.fusion import fusion_loss
from same_model.training.stages.inertial import InertialCache
from same_model.training.stages.stage import Batch, Stage, StageSetup
from same_model.training.stages.visual import ImageErrors, validation_rows, visual_loss


class FusionEndToEndTraining(Stage[Frames]):
    """Trains ``SameModel.visual`` and ``SameModel.fusion``: the visual stage's loss, and
    ``LossConfig.local`` times fusion's, whose gradient reaches the visual stage too."""

    def __init__(
        self,
        setup: StageSetup[Frames],
        inertial: InertialCache,
        inertial_held_out: InertialCache | None,
    ) -> None:
        """``inertial`` and ``inertial_held_out``: what the frozen inertial stage makes of the
        readings of the training data and of the held-out performers'."""
        super().__init__(setup)
        self._inertial, self._inertial_held_out = inertial, inertial_held_out
        self.fusion = paper_fusion(setup.model)
        self.visual = setup.model.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._config = setup.model.config
        self.frames_per_step, self.frames_in_total = setup.batch, len(setup.data)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames, inertial = self._data, self._inertial
        rows = rng.integers(len(frames), size=self.frames_per_step)
        version = rng.integers(len(inertial.joints_imu), size=len(rows))
        view_valid = drop_views(len(rows), 1, self._augment.view_dropout, rng)[:, 0]
        images = torch.from_numpy(frames.images[rows]).float()
        images = photometric(images, self._augment.photometric, rng)
        sensed = sensors_and_lenses(
            frames, inertial, rows, version, self._augment.calibration_deg, rng
        )
        return {
            "images": normalised(images, self._config),
            "joints_2d": torch.from_numpy(frames.joints_2d[rows]),
            "visible": torch.from_numpy(frames.visible[rows]),
            "view_valid": torch.from_numpy(view_valid),
            "truth": torch.from_numpy(frames.joints_local[rows]),
            **sensed,
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.visual(batch["images"], self._in_bfloat16)
        loss, parts = visual_loss(out, batch["joints_2d"], batch["visible"], self._loss.legs)
        local, error = fusion_loss(self._fuse(out, batch), batch["truth"], self._loss)
        return loss + self._loss.local * local, parts | error

    def _errors(self, held_out: Frames) -> dict[str, float]:
        inertial = self._inertial_held_out
        assert inertial is not None  # what goes with held_out
        device = next(self.visual.parameters()).device
        errors, chosen, joints = ImageErrors(self._config), [], []
        for rows in validation_rows(len(held_out)):
            images = torch.from_numpy(held_out.images[rows]).float().to(device)
            out = self.visual(normalised(images, self._config))
            errors.add(out, held_out.joints_2d[rows], held_out.visible[rows])
            batch = sensors_and_lenses(
                held_out, inertial, rows, np.zeros_like(rows), 0.0, np.random.default_rng(0)
            )
            batch["view_valid"] = torch.ones(len(rows), images.shape[1])
            batch = {name: t.to(device) for name, t in batch.items()}
            joints.append(self._fuse(out, batch)[:, -1].cpu().numpy())
            chosen.append(rows)
        truth = held_out.joints_local[np.concatenate(chosen)]
        error = mean_error_mm(np.concatenate(joints), truth)
        return {"val_local_mpjpe_mm": error, **errors.means()}

    def _fuse(self, out: VisualOutput, batch: Batch) -> Tensor:
        seen = {
            "features": out.features,
            "joints_2d": out.joints_2d,
            "visibility": out.visibility,
        }
        return run_fusion(self.fusion, batch | seen).joints
