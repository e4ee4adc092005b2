"""Stage 2 of the MEPoser-like baseline: its LSTM on stretches of cached backbone outputs."""

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from same_model.baselines.concat_fusion import ConcatFusion, features_at_joints
from same_model.losses import inertial_loss
from same_model.training.data.augment import drop_views
from same_model.training.data.fusion_inputs import BackboneCache, mean_error_mm
from same_model.training.data.visual_cache import VisualCache, read_rows
from same_model.training.stages.stage import Batch, Stage, StageSetup

_FRAMES_AT_ONCE = 256


@torch.inference_mode()
def _joint_features(visual: VisualCache, label: str) -> NDArray[np.float16]:
    """``features_at_joints`` of every frame: (F, V, J, D), a hundredth of the feature maps."""
    count = len(visual.features)
    out = np.empty((*visual.joints_2d.shape[:3], visual.features.shape[2]), np.float16)
    steps = range(0, count, _FRAMES_AT_ONCE)
    for start in track(steps, f"joint features of {label}", disable=len(steps) < 20):
        part = np.arange(start, min(start + _FRAMES_AT_ONCE, count))
        features = torch.from_numpy(read_rows(visual.features, part).astype(np.float32))
        joints_2d = torch.from_numpy(visual.joints_2d[part])
        out[part] = features_at_joints(features, joints_2d).numpy()
    return out


class ConcatTraining(Stage[BackboneCache]):
    """Trains ``SameModel.fusion`` of kind ``concat_lstm`` on stretches from a fresh state, their
    length random down to a quarter of ``stretch``, as ``InertialTraining`` does."""

    def __init__(self, setup: StageSetup[BackboneCache]) -> None:
        super().__init__(setup)
        assert isinstance(setup.model.fusion, ConcatFusion)
        self.fusion = setup.model.fusion
        self._features = _joint_features(setup.data.visual, "training data")
        if setup.held_out is not None:
            self._held_out_features = _joint_features(setup.held_out.visual, "validation data")
        self.frames_per_step = setup.batch * setup.stretch * 5 // 8
        self.frames_in_total = len(setup.data.frames)

    def make_batch(self, rng: np.random.Generator) -> Batch:
        frames = self._data.frames
        length = int(rng.integers(max(1, self._stretch // 4), self._stretch + 1))
        first = rng.integers(len(frames), size=self._batch)
        rows, valid = frames.stretch_rows(first, length)
        version = rng.integers(self._data.versions, size=(self._batch, 1))
        view_valid = drop_views(self._batch, length, self._augment.view_dropout, rng)
        return {
            **_inputs(self._data, self._features, rows, version, view_valid),
            "truth": torch.from_numpy(frames.joints_local[rows]),
            "frame_valid": torch.from_numpy(valid.astype(np.float32)),
        }

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        joints = self.fusion(**{name: batch[name] for name in _INPUTS}).joints
        loss = inertial_loss(joints, batch["truth"], batch["frame_valid"], self._loss.form)
        return loss, {"mpjpe_mm": 1e3 * (joints.detach() - batch["truth"]).norm(dim=-1).mean()}

    def _errors(self, held_out: BackboneCache) -> dict[str, float]:
        device = next(self.fusion.parameters()).device
        found = np.empty_like(held_out.frames.joints_local)
        bounds = held_out.frames.stretches
        for start, end in zip(bounds[:-1], bounds[1:], strict=True):
            rows = np.arange(start, end)[None]
            view_valid = np.ones((*rows.shape, 2), np.float32)
            inputs = _inputs(
                held_out, self._held_out_features, rows, np.zeros((1, 1), np.int64), view_valid
            )
            out = self.fusion(**{name: tensor.to(device) for name, tensor in inputs.items()})
            found[start:end] = out.joints[0].float().cpu().numpy()
        return {"val_local_mpjpe_mm": mean_error_mm(found, held_out.frames.joints_local)}


_INPUTS = ("joint_features", "joints_2d", "visibility", "view_valid", "imu_tokens")


def _inputs(
    cache: BackboneCache,
    joint_features: NDArray[np.float16],
    rows: NDArray[np.int64],
    version: NDArray[np.int64],
    view_valid: NDArray[np.float32],
) -> Batch:
    """Arguments of ``ConcatFusion.forward`` for ``rows`` (B, T); ``version`` (B, 1)."""
    arrays = (
        joint_features[rows].astype(np.float32),
        cache.visual.joints_2d[rows],
        cache.visual.visibility[rows],
        view_valid,
        cache.inertial.tokens[version, rows],
    )
    return {name: torch.from_numpy(array) for name, array in zip(_INPUTS, arrays, strict=True)}
