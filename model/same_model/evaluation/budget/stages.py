"""Every stage of the network on its own inputs, and given the truth in place of some of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from same_model.config import FEATURE_STRIDE, ModelConfig
from same_model.data.image_zoom import from_zoomed
from same_model.data.leg_straps import stood_turns, with_straps_measured
from same_model.data.recorded_inputs import (
    RecordedInputs,
    joints_in_anchor,
    read_images,
    read_inputs,
)
from same_model.data.sequence import SequenceReader
from same_model.evaluation.rotation_errors import rotation_errors_deg
from same_model.network.fusion import FusionStage
from same_model.same_network import SameModel
from same_model.training.data.dataset import image_truth
from same_runtime.conventions import NUM_JOINTS, NUM_VIEWS

_CHUNK: Final = 32

Array = NDArray[np.float64]


def row_titles(iterations: int, images: bool) -> dict[str, str]:
    """The rows of a budget in their order; without ``images`` those that need none."""
    fusion = {f"fusion_{n + 1}": f"J_L after fusion {n + 1}" for n in range(iterations)}
    seen = {
        **fusion,
        "temporal": "J_G after the temporal network",
        "fusion_true_2d": "J_L, true 2D joints and visibility",
        "fusion_true_start": "J_L, fusion starts at the true pose",
        "fusion_both_true": "J_L, both true",
    }
    return {
        "imu": "J_imu (inertial stage)",
        **(seen if images else {}),
        "temporal_true_local": "J_G, the temporal network fed the true J_L",
        "sensed_true_local": "the true J_L placed by the sensed head, no network",
    }


@dataclass(frozen=True, eq=False)
class StageErrors:
    """Errors of the F frames of one sequence."""

    rows: dict[str, Array]
    """(F, J) mm."""
    pixels: Array
    """(F, V, J)."""
    true_visibility: Array
    """(F, V, J)."""
    visibility: Array
    """(F, V, J)."""
    degrees: Array
    """(F, J)."""


def _fuse(
    fusion: FusionStage,
    inputs: Mapping[str, Tensor],
    rig: tuple[Tensor, Tensor, Tensor],
    **changes: Tensor,
) -> Tensor:
    """(F, N, J, 3): J_L after each iteration, with ``changes`` in place of some ``inputs``."""
    count = len(inputs["joints_2d"])
    given = {**inputs, **changes}
    per_frame = (x[None].expand(count, *x.shape) for x in rig)
    return fusion(**given, **dict(zip(("rays", "origins", "axes"), per_frame, strict=True))).joints


def _fused(
    model: SameModel,
    images: Tensor,
    sensed: Mapping[str, Tensor],
    rig: tuple[Tensor, Tensor, Tensor],
    truth: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """``fusion_N`` and the rows with true inputs (F, J, 3) metres, and what the images gave.

    ``sensed``: the inputs of fusion that do not come from the images.
    """
    assert isinstance(model.fusion, FusionStage)
    visual = model.visual(images)
    inputs = {
        "features": visual.features,
        "joints_2d": visual.joints_2d,
        "visibility": visual.visibility,
        **sensed,
    }
    true_2d = {name: truth[name] for name in ("joints_2d", "visibility")}
    true_start = {"joints_imu": truth["joints_local"]}
    iterations = _fuse(model.fusion, inputs, rig)
    return {
        **{f"fusion_{n + 1}": iterations[:, n] for n in range(iterations.shape[1])},
        "fusion_true_2d": _fuse(model.fusion, inputs, rig, **true_2d)[:, -1],
        "fusion_true_start": _fuse(model.fusion, inputs, rig, **true_start)[:, -1],
        "fusion_both_true": _fuse(model.fusion, inputs, rig, **true_2d, **true_start)[:, -1],
        "joints_2d": visual.joints_2d,
        "visibility": visual.visibility,
    }


def _stretch(
    model: SameModel,
    inputs: RecordedInputs,
    rows: slice,
    images: Tensor | None,
    truth: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Every row's joints (F, J, 3) metres over one stretch from a fresh state: those of J_G and
    ``sensed_true_local`` in their anchors, the others in the left camera."""
    imu_features = torch.from_numpy(inputs.imu_features[rows])
    inertial = model.inertial(imu_features[None])
    found = {"imu": inertial.joints_imu[0]}
    if images is not None:
        rig = (inputs.rays, inputs.origins, inputs.axes)
        rays, origins, axes = map(torch.from_numpy, rig)
        sensed = {
            "view_valid": torch.from_numpy(inputs.view_valid[rows]),
            "joints_imu": inertial.joints_imu[0],
            "imu_tokens": inertial.tokens[0],
            "imu_features": imu_features,
        }
        parts = []
        for start in range(0, len(images), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            parts.append(
                _fused(
                    model,
                    images[chunk],
                    {name: tensor[chunk] for name, tensor in sensed.items()},
                    (rays, origins, axes),
                    {name: tensor[chunk] for name, tensor in truth.items()},
                )
            )
        found.update({name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    def refined(joints_local: Tensor) -> Tensor:
        windows = (inputs.T_anchor_cam, inputs.time_offset_s, inputs.window_valid)
        others = (torch.from_numpy(x[rows]) for x in windows)
        return model.refine_sequence(joints_local, found["imu"], *others)

    if images is not None:
        found["temporal"] = refined(found[f"fusion_{model.config.iterations}"])
    found["temporal_true_local"] = refined(truth["joints_local"])
    T = torch.from_numpy(inputs.T_anchor_cam[rows, -1])
    found["sensed_true_local"] = (
        truth["joints_local"] @ T[:, :3, :3].transpose(1, 2) + T[:, None, :3, 3]
    )
    return found


def _inputs(sequence: SequenceReader, config: ModelConfig, straps_measured: bool) -> RecordedInputs:
    inputs = read_inputs(sequence, config)
    if not straps_measured:
        return inputs
    told, turns = config.use_leg_straps, stood_turns(sequence)
    return replace(inputs, imu_features=with_straps_measured(inputs.imu_features, turns, told))


@torch.inference_mode()
def stage_errors(
    model: SameModel, sequence: SequenceReader, with_images: bool, straps_measured: bool = False
) -> StageErrors:
    config = model.config
    inputs = _inputs(sequence, config, straps_measured)
    images = torch.from_numpy(read_images(sequence, inputs.frames, config)) if with_images else None
    joints_2d, visible = image_truth(sequence, inputs.frames, config)
    truth = {
        "joints_local": torch.from_numpy(inputs.joints_local),
        "joints_2d": torch.from_numpy(joints_2d),
        "visibility": torch.from_numpy(visible),
    }
    parts = []
    ends = [*inputs.starts[1:], len(inputs.frames)]
    for start, end in zip(inputs.starts, ends, strict=True):
        rows = slice(int(start), int(end))
        parts.append(
            _stretch(
                model,
                inputs,
                rows,
                None if images is None else images[rows],
                {name: tensor[rows] for name, tensor in truth.items()},
            )
        )
    found = {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
    in_anchor = joints_in_anchor(inputs.joints_world, inputs.T_world_anchor)
    anchored = ("temporal", "temporal_true_local", "sensed_true_local")
    rows_mm = {
        name: 1e3
        * np.linalg.norm(
            found[name] - (in_anchor if name in anchored else inputs.joints_local), axis=-1
        ).astype(np.float64)
        for name in row_titles(config.iterations, with_images)
    }
    if not with_images:
        nothing = np.zeros((0, NUM_VIEWS, NUM_JOINTS))
        return StageErrors(rows_mm, nothing, nothing, nothing, nothing[:, 0])
    T = inputs.T_world_anchor
    predicted = found["temporal"] @ T[:, :3, :3].swapaxes(1, 2) + T[:, None, :3, 3]
    return StageErrors(
        rows_mm,
        FEATURE_STRIDE
        * np.linalg.norm(
            from_zoomed(found["joints_2d"], config) - from_zoomed(joints_2d, config),
            axis=-1,
        ),
        visible.astype(np.float64),
        found["visibility"].astype(np.float64),
        rotation_errors_deg(
            predicted,
            inputs.joints_world,
            inputs.timestamps_ns,
            np.asarray(sequence.sensed_orientation)[inputs.frames].astype(np.float64),
        ),
    )
