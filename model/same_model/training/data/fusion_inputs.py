"""What frozen backbones hand to the fusion stage, gathered from their caches."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_engines.errors import InvalidInputError
from same_model.config import ModelConfig
from same_model.network.fusion import FusionOutput, FusionStage
from same_model.network.temporal import window_row
from same_model.same_network import SameModel
from same_model.training.data.augment import jitter_rays
from same_model.training.data.dataset import Frames
from same_model.training.data.visual_cache import VisualCache, read_rows
from same_model.training.stages.inertial import InertialCache
from same_model.training.stages.stage import Batch


@dataclass(frozen=True, eq=False)
class BackboneCache:
    """Frames with the outputs of both frozen backbones."""

    frames: Frames
    visual: VisualCache
    inertial: InertialCache

    @property
    def versions(self) -> int:
        """K: versions of the inertial inputs; the first is as recorded."""
        return len(self.inertial.joints_imu)

    def fusion_batch(
        self,
        rows: NDArray[np.int64],
        version: NDArray[np.int64],
        view_valid: NDArray[np.float32],
        calibration_deg: float,
        rng: np.random.Generator,
    ) -> Batch:
        """Arguments of ``FusionStage.forward`` for the frames ``rows`` (B,).

        ``version`` (B,) of the inertial inputs, ``view_valid`` (B, V), ``calibration_deg`` as in
        ``AugmentConfig``.
        """
        return {
            "features": torch.from_numpy(read_rows(self.visual.features, rows)).float(),
            "joints_2d": torch.from_numpy(self.visual.joints_2d[rows]),
            "visibility": torch.from_numpy(self.visual.visibility[rows]),
            "view_valid": torch.from_numpy(view_valid),
            **sensors_and_lenses(self.frames, self.inertial, rows, version, calibration_deg, rng),
        }


def sensors_and_lenses(
    frames: Frames,
    inertial: InertialCache,
    rows: NDArray[np.int64],
    version: NDArray[np.int64],
    calibration_deg: float,
    rng: np.random.Generator,
) -> Batch:
    """Those arguments of ``BackboneCache.fusion_batch`` that are not of images."""
    sequences = frames.sequence_of[rows]
    rays, origins = jitter_rays(
        torch.from_numpy(frames.rays[sequences]),
        torch.from_numpy(frames.origins[sequences]),
        calibration_deg,
        rng,
    )
    return {
        "joints_imu": torch.from_numpy(inertial.joints_imu[version, rows]),
        "imu_tokens": torch.from_numpy(inertial.tokens[version, rows]),
        "rays": rays,
        "origins": origins,
        "axes": torch.from_numpy(frames.axes[sequences]),
        "imu_features": torch.from_numpy(inertial.features[version, rows]),
    }


FUSION_INPUTS = (
    "features",
    "joints_2d",
    "visibility",
    "view_valid",
    "joints_imu",
    "imu_tokens",
    "rays",
    "origins",
    "axes",
    "imu_features",
)
"""Entries of a batch that go to ``FusionStage.forward``."""


def paper_fusion(model: SameModel) -> FusionStage:
    """``model.fusion``. Raises ``InvalidInputError`` when it is the concatenating baseline."""
    if not isinstance(model.fusion, FusionStage):
        raise InvalidInputError(
            f"stage: fusion_kind {model.config.fusion_kind} has no temporal network and learns "
            "from frozen backbones; stage fusion without --end-to-end trains all of it"
        )
    return model.fusion


def run_fusion(fusion: FusionStage, batch: Batch) -> FusionOutput:
    """``fusion`` on the entries ``FUSION_INPUTS`` of ``batch``."""
    return fusion(**{name: batch[name] for name in FUSION_INPUTS})


@torch.inference_mode()
def fused_joints(
    fusion: FusionStage,
    cache: BackboneCache,
    version: int,
    view_valid: NDArray[np.float32],
    batch: int = 128,
) -> NDArray[np.float32]:
    """J_L (F, J, 3) of every frame of ``cache``; ``view_valid`` (F, V)."""
    device = next(fusion.parameters()).device
    count = len(cache.frames)
    joints = np.empty((count, *cache.inertial.joints_imu.shape[2:]), np.float32)
    for start in range(0, count, batch):
        rows = np.arange(start, min(start + batch, count))
        inputs = cache.fusion_batch(
            rows, np.full(len(rows), version), view_valid[rows], 0.0, np.random.default_rng(0)
        )
        out = run_fusion(fusion, {name: t.to(device) for name, t in inputs.items()})
        joints[rows] = out.joints[:, -1].float().cpu().numpy()
    return joints


def window_points(
    config: ModelConfig, joints_local: NDArray[np.float32], joints_imu: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``window_row`` of frames in memory: (F, P, 3) from J_L and J_imu (F, J, 3)."""
    return window_row(config, torch.from_numpy(joints_local), torch.from_numpy(joints_imu)).numpy()


def mean_error_mm(predicted: NDArray[np.float32] | Tensor, truth: NDArray[np.float32]) -> float:
    """Mean distance of (..., 3) points in metres, in millimetres."""
    return 1e3 * float(np.linalg.norm(np.asarray(predicted) - truth, axis=-1).mean())
