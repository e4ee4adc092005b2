"""Stage 1, visual: heatmaps, 2D joints and visibility from single stereo pairs."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.config import ModelConfig
from same_model.data.image_zoom import from_zoomed
from same_model.losses import heatmap_loss, soft_argmax_loss, visibility_loss
from same_model.network.visual import VisualOutput
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
        return visual_loss(out, batch["joints_2d"], batch["visible"], self._loss.legs)

    def _errors(self, held_out: Frames) -> dict[str, float]:
        errors, device = ImageErrors(self._config), next(self.visual.parameters()).device
        for rows in validation_rows(len(held_out)):
            images = torch.from_numpy(held_out.images[rows]).float().to(device)
            out = self.visual(normalised(images, self._config))
            errors.add(out, held_out.joints_2d[rows], held_out.visible[rows])
        return errors.means()


def visual_loss(
    out: VisualOutput, joints_2d: Tensor, visible: Tensor, legs: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of the visual stage and its parts; ``joints_2d`` and ``visible`` as in ``Frames``,
    ``legs`` as in ``LossConfig``."""
    weight = visible.clone()
    weight[..., LOWER_BODY_JOINTS] *= legs
    heatmap = heatmap_loss(out.heatmap_logits, joints_2d, weight)
    place = soft_argmax_loss(out.joints_2d, joints_2d, weight)
    seen = visibility_loss(out.visibility_logits, visible, visible.new_ones(visible.shape[:2]))
    total = heatmap + _SOFT_ARGMAX_WEIGHT * place + _VISIBILITY_WEIGHT * seen
    return total, {"heatmap": heatmap, "place": place, "visibility": seen}


def validation_rows(frames: int) -> list[NDArray[np.int64]]:
    """Some of so many held-out frames, evenly spread, in batches."""
    rows = np.linspace(0, frames - 1, min(_VALIDATION_FRAMES, frames)).astype(np.int64)
    return np.array_split(rows, -(-len(rows) // 64))


class ImageErrors:
    """How far 2D joints and visibility are from the truth, over many batches."""

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._distance: list[NDArray[np.float32]] = []
        self._visible: list[NDArray[np.float32]] = []
        self._visibility: list[NDArray[np.float32]] = []

    def add(
        self, out: VisualOutput, joints_2d: NDArray[np.float32], visible: NDArray[np.float32]
    ) -> None:
        """What the stage found and the truth, both as in ``Frames``."""
        found = self._evenly(out.joints_2d.float().cpu().numpy())
        self._distance.append(np.linalg.norm(found - self._evenly(joints_2d), axis=-1))
        self._visible.append(visible)
        self._visibility.append(out.visibility.float().cpu().numpy())

    def means(self) -> dict[str, float]:
        """Also without a figure of joints that are nowhere, as where none is hidden."""
        distance_px = FEATURE_STRIDE * np.concatenate(self._distance)
        truth, found = np.concatenate(self._visible), np.concatenate(self._visibility)
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

    def _evenly(self, joints_2d: NDArray[np.float32]) -> NDArray[np.float32]:
        return from_zoomed(joints_2d, self._config)
