"""Windows of consecutive frames, as the temporal network sees them: batches, loss, validation."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from same_model.jitter import jitter
from same_model.lateness import Lateness, lateness
from same_model.loss_config import LossConfig
from same_model.losses import (
    acceleration_error,
    lateness_error,
    lowest_joint_error,
    same_loss,
    standing_error,
)
from same_model.same_network import WindowOutput
from same_model.skating import skating_mm_per_s
from same_model.training.data.dataset import Frames
from same_model.training.data.fusion_inputs import mean_error_mm
from same_model.training.stages.stage import Batch
from same_runtime.conventions import LOWER_BODY_JOINTS, UPPER_BODY_JOINTS

_UNREAD: Any = None  # parts of a window's output that the losses do not look at
_LEAST_STEP_S = 1e-3
_STEP_WITHOUT_BEFORE_S = 1.0  # of a frame with none before it: whatever moves there is no motion
CONSECUTIVE = 4
"""Windows of a group that ``stream_losses`` looks at."""


def window_batch(
    frames: Frames,
    last: NDArray[np.int64],
    rows: NDArray[np.int64],
    rng: np.random.Generator,
    consecutive: int = 1,
) -> Batch:
    """What the temporal network reads beside the joints, and the truth, for the windows ``rows``
    (B, T) that end at ``last`` (B,), each ``consecutive`` of which follow each other."""
    return {
        "T_anchor_cam": torch.from_numpy(frames.T_anchor_cam[last]),
        "time_offset_s": torch.from_numpy(frames.time_offset_s[last]),
        "window_valid": _shortened(torch.from_numpy(frames.window_valid[last]), rng, consecutive),
        "truth_local": torch.from_numpy(frames.joints_local[rows]),
        "truth_anchor": torch.from_numpy(frames.anchor_targets(last, rows)),
    }


def _shortened(window_valid: Tensor, rng: np.random.Generator, consecutive: int) -> Tensor:
    """Let a fifth of the windows (B, T) begin later, as a stream that has just started."""
    batch, window = window_valid.shape
    groups = batch // consecutive
    first = np.where(rng.random(groups) < 0.2, rng.integers(window, size=groups), 0)
    first = np.maximum(first[:, None] - np.arange(consecutive), 0).ravel()
    row = torch.arange(window)
    return window_valid * (row >= torch.from_numpy(first)[:, None])


def first_anchor(frames: Frames, last: NDArray[np.int64]) -> Tensor:
    """(B, 4, 4) float32: from each window's anchor frame to that of the first of its group of
    ``CONSECUTIVE``; ``last`` (B,)."""
    T_world_anchor = frames.T_world_anchor[last].reshape(-1, CONSECUTIVE, 4, 4)
    T_first_anchor = np.linalg.inv(T_world_anchor[:, :1]) @ T_world_anchor
    return torch.from_numpy(T_first_anchor.reshape(-1, 4, 4).astype(np.float32))


def looks_at_groups(config: LossConfig) -> bool:
    """Whether ``stream_losses`` needs groups of ``CONSECUTIVE`` windows."""
    return config.steady > 0 or config.standing > 0


def stream_losses(joints_anchor: Tensor, batch: Batch, config: LossConfig) -> dict[str, Tensor]:
    """What ``config`` weighs of the newest rows of ``joints_anchor`` (B, T, J, 3), which are all
    that a stream shows, by the weight's name; those of consecutive windows need the entry
    ``T_first_anchor``."""
    truth = batch["truth_anchor"]
    before_s = batch["time_offset_s"][:, -2]
    has_before = before_s < 0
    since_last_s = -before_s.clamp(max=-_LEAST_STEP_S)
    since_last_s = torch.where(has_before, since_last_s, _STEP_WITHOUT_BEFORE_S)
    losses = {}
    if config.late > 0:
        before = torch.where(has_before[:, None, None], truth[:, -2], truth[:, -1])
        losses["late"] = lateness_error(joints_anchor[:, -1], truth[:, -1], before, since_last_s)
    if config.lowest > 0:
        losses["lowest"] = lowest_joint_error(joints_anchor[:, -1], truth[:, -1])
    if not looks_at_groups(config):
        return losses
    T = batch["T_first_anchor"]

    def grouped(newest: Tensor) -> Tensor:
        moved = newest @ T[:, :3, :3].transpose(-1, -2) + T[:, None, :3, 3]
        return moved.unflatten(0, (-1, CONSECUTIVE))

    joints, true = grouped(joints_anchor[:, -1]), grouped(truth[:, -1])
    step_s = since_last_s.unflatten(0, (-1, CONSECUTIVE))[:, 1:]
    if config.steady > 0:
        losses["steady"] = acceleration_error(joints, true, step_s, config.form)
    if config.standing > 0:
        losses["standing"] = standing_error(joints, true, step_s, config.form)
    return losses


def run_temporal(temporal: nn.Module, points_local: Tensor, batch: Batch) -> Tensor:
    """``temporal`` on ``points_local`` (B, T, P, 3) and the entries of ``window_batch``."""
    return temporal(
        points_local, batch["T_anchor_cam"], batch["time_offset_s"], batch["window_valid"]
    )


def window_loss(
    joints_anchor: Tensor, joints_local: Tensor, batch: Batch, config: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """Eq. 11 of ``joints_anchor`` (B, T, J, 3) and ``joints_local`` (B, T, N, J, 3) against the
    truth of ``window_batch``, and its parts."""
    output = WindowOutput(joints_anchor, joints_local, _UNREAD, _UNREAD, _UNREAD)
    loss = same_loss(
        output, batch["truth_local"], batch["truth_anchor"], batch["window_valid"], config
    )
    newest = (joints_anchor[:, -1].detach() - batch["truth_anchor"][:, -1]).norm(dim=-1)
    return loss.total, {
        "local": loss.local,
        "anchor": loss.anchor,
        "ground": loss.ground,
        "mpjpe_mm": 1e3 * newest.mean(),
    }


@torch.inference_mode()
def window_errors(
    temporal: nn.Module, frames: Frames, points_local: NDArray[np.float32], window: int
) -> dict[str, float]:
    """Validation figures of the newest row of every window over ``points_local`` (F, P, 3)."""
    device = next((p.device for p in temporal.parameters()), torch.device("cpu"))
    newest = np.empty_like(frames.joints_local)
    for start in range(0, len(frames), 256):
        last = np.arange(start, min(start + 256, len(frames)))
        arrays = (
            points_local[frames.window_rows(last, window)],
            frames.T_anchor_cam[last],
            frames.time_offset_s[last],
            frames.window_valid[last],
        )
        out = temporal(*(torch.from_numpy(array).to(device) for array in arrays))
        newest[last] = out[:, -1].cpu().numpy()
    return newest_errors(newest, frames)


def newest_errors(newest: NDArray[np.float32], frames: Frames) -> dict[str, float]:
    """Validation figures of ``newest`` (F, J, 3), each frame in its own anchor frame."""
    everyone = np.arange(len(frames))
    truth = frames.anchor_targets(everyone, everyone[:, None])[:, 0]
    lowest = newest[..., 1].min(axis=-1)
    return {
        **_motion_errors(newest, frames),
        "val_mpjpe_mm": mean_error_mm(newest, truth),
        "val_lowest_joint_error_mm": 1e3 * float(np.abs(lowest - truth[..., 1].min(-1)).mean()),
    }


def _motion_errors(newest: NDArray[np.float32], frames: Frames) -> dict[str, float]:
    """How ``newest`` (F, J, 3), each frame in its own anchor frame, moves from frame to frame."""
    T = frames.T_world_anchor
    world = newest @ np.swapaxes(T[:, :3, :3], 1, 2) + T[:, None, :3, 3]
    jitters, slides, delays = [], [], []
    for start, end in zip(frames.stretches[:-1], frames.stretches[1:], strict=True):
        times = np.cumsum(-1e9 * frames.time_offset_s[start:end, -2].astype(np.float64))
        arrays = world[start:end], frames.joints_world[start:end], times.astype(np.int64)
        jitters.append(jitter(arrays[0], arrays[2]))
        slides.append(skating_mm_per_s(*arrays))
        delays.append(lateness(*arrays))
    late = Lateness(*(np.concatenate(sums) for sums in zip(*delays, strict=True)))
    return {
        "val_jitter_m_s3": _mean_of_known(jitters),
        "val_skating_mm_s": _mean_of_known(slides),
        "val_late_upper_ms": late.milliseconds(UPPER_BODY_JOINTS),
        "val_late_lower_ms": late.milliseconds(LOWER_BODY_JOINTS),
    }


def _mean_of_known(parts: list[NDArray[np.float64]]) -> float:
    known = np.concatenate(parts)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")
