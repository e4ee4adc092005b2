"""Stage 1, visual: heatmaps, 2D joints and visibility from single stereo pairs."""

import numpy as np
import torch
from torch import Tensor

from same_model.data.column_zoom import from_zoomed
from same_model.losses import heatmap_loss, soft_argmax_loss, visibility_loss
from same_model.training.data.augment import mirror, photometric
from same_model.training.data.dataset import HIDDEN, Frames, normalised
from same_model.training.stages.stage import Batch, Stage, StageSetup
from same_runtime.conventions import FEATURE_STRIDE, LOWER_BODY_JOINTS

_VALIDATION_FRAMES = 1024
_SOFT_ARGMAX_WEIGHT = 0.5
_VISIBILITY_WEIGHT = 0.5


class VisualTraining(Stage[Frames]):
    """Trains ``SameModel.visual``."""

    def __init__(self, setup: StageSetup[Frames]) -> None:
        super().__init__(setup)
        # The memory layout in which bfloat16 convolutions are several times faster on a CPU.
        self.visual = setup.model.visual.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._config = setup.model.config
        self.frames_per_step, self.frames_in_total = setup.batch, len(setup.data)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        rows = rng.integers(len(self._data), size=self.frames_per_step)
        images = torch.from_numpy(self._data.images[rows]).float()
        joints_2d = torch.from_numpy(self._data.joints_2d[rows])
        visible = torch.from_numpy(self._data.visible[rows])
        if self._augment.mirror:
            chosen = torch.from_numpy(rng.random(len(rows)) < 0.5)
            images, joints_2d, visible = mirror(images, joints_2d, visible, chosen)
        images = photometric(images, self._augment.photometric, rng)
        return {
            "images": normalised(images, self._config),
            "joints_2d": joints_2d,
            "visible": visible,
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        out = self.visual(batch["images"], self._in_bfloat16)
        visible = batch["visible"]
        weight = visible.clone()
        weight[..., LOWER_BODY_JOINTS] *= self._loss.legs
        heatmap = heatmap_loss(out.heatmap_logits, batch["joints_2d"], weight)
        place = soft_argmax_loss(out.joints_2d, batch["joints_2d"], weight)
        seen = visibility_loss(out.visibility_logits, visible, visible.new_ones(visible.shape[:2]))
        total = heatmap + _SOFT_ARGMAX_WEIGHT * place + _VISIBILITY_WEIGHT * seen
        return total, {"heatmap": heatmap, "place": place, "visibility": seen}

    def validate(self) -> dict[str, float]:
        """Also without a figure of joints that are nowhere, as where none is hidden."""
        held_out = self._held_out
        if held_out is None:
            return {}
        rows = np.linspace(0, len(held_out) - 1, min(_VALIDATION_FRAMES, len(held_out))).astype(int)
        error, visible, visibility = [], [], []
        width, column_zoom = self._config.feature_width, self._config.column_zoom
        device = next(self.visual.parameters()).device
        for part in np.array_split(rows, -(-len(rows) // 64)):
            images = torch.from_numpy(held_out.images[part]).float().to(device)
            out = self.visual(normalised(images, self._config))
            error.append(
                np.linalg.norm(
                    from_zoomed(out.joints_2d.float().cpu().numpy(), width, column_zoom)
                    - from_zoomed(held_out.joints_2d[part], width, column_zoom),
                    axis=-1,
                )
            )
            visible.append(held_out.visible[part])
            visibility.append(out.visibility.float().cpu().numpy())
        distance_px = FEATURE_STRIDE * np.concatenate(error)
        truth, found = np.concatenate(visible), np.concatenate(visibility)
        places = {
            "val_2d_seen_px": distance_px[truth > HIDDEN],
            "val_2d_hidden_px": distance_px[truth == HIDDEN],
            "val_2d_lower_px": distance_px[..., LOWER_BODY_JOINTS][
                truth[..., LOWER_BODY_JOINTS] > 0
            ],
        }
        errors = {name: float(px.mean()) for name, px in places.items() if px.size}
        if (truth > 0).any():
            errors["val_2d_median_px"] = float(np.median(distance_px[truth > 0]))
        errors["val_in_image_accuracy"] = float(((found > HIDDEN / 2) == (truth > 0)).mean())
        return errors
