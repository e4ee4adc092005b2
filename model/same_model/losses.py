"""Training losses: Eq. 11-13, and those that pretrain the two backbones."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from same_model.loss_config import ErrorForm, LossConfig
from same_model.same_network import WindowOutput
from same_model.skating import STANDS_BELOW_M, STANDS_BELOW_MPS, TOES

_ROUNDED_M = 0.005
_ROUNDED_PX = 0.25
_UNIT_S = 1 / 30


class SameLoss(NamedTuple):
    """The total of Eq. 11 and its parts before weighting; scalars."""

    total: Tensor
    local: Tensor
    anchor: Tensor
    ground: Tensor


def ground_penetration(joints_anchor: Tensor, frame_valid: Tensor) -> Tensor:
    """Mean over frames of tanh(min(0, lowest joint's height in metres)) squared (Eq. 12-13).

    ``joints_anchor`` (..., J, 3) in a frame whose floor is y = 0; ``frame_valid`` (...).
    """
    lowest = joints_anchor[..., 1].amin(dim=-1)
    return _masked_mean(torch.tanh(lowest.clamp(max=0.0)) ** 2, frame_valid)


def acceleration_error(joints: Tensor, truth: Tensor, step_s: Tensor, form: ErrorForm) -> Tensor:
    """Mean error of the accelerations of (G, K, J, 3) metres over K consecutive frames ``step_s``
    (G, K - 1) apart, in metres per square of a thirtieth of a second."""
    rate = (_UNIT_S / step_s[:, 1:, None, None]) ** 2
    return joint_error(joints.diff(n=2, dim=1) * rate, truth.diff(n=2, dim=1) * rate, form).mean()


def standing_error(joints: Tensor, truth: Tensor, step_s: Tensor, form: ErrorForm) -> Tensor:
    """Mean error of the velocities of toes that truly stand, in metres per thirtieth of a second:
    ``joints`` and ``truth`` (G, K, J, 3) over K consecutive frames ``step_s`` (G, K - 1) apart, y
    up and the floor at y = 0."""
    rate = _UNIT_S / step_s[..., None, None]
    toes, true = joints[..., TOES, :], truth[..., TOES, :]
    velocities = true.diff(dim=1) * rate
    slow = velocities.norm(dim=-1) < STANDS_BELOW_MPS * _UNIT_S
    stands = slow & (true[:, 1:, :, 1] < STANDS_BELOW_M)
    return _masked_mean(joint_error(toes.diff(dim=1) * rate, velocities, form), stands)


def lowest_joint_error(joints: Tensor, truth: Tensor) -> Tensor:
    """Mean difference of the heights of the lowest joints of (B, J, 3) metres, y up, rounded off
    as distances are: feet that float or sink."""
    difference = joints[..., 1].amin(dim=-1) - truth[..., 1].amin(dim=-1)
    return ((difference**2 + _ROUNDED_M**2).sqrt() - _ROUNDED_M).mean()


def lateness_error(joints: Tensor, truth: Tensor, truth_before: Tensor, step_s: Tensor) -> Tensor:
    """Metres that joints (B, J, 3) lie behind ``truth``, or ahead, along its velocity since
    ``truth_before``, ``step_s`` (B,) ago: of each joint over the whole batch, then their mean.

    What is too small, or anywhere by chance, counts nothing; a delay does, as does an error that
    stays the same along the way that somebody walks.
    """
    step = (truth - truth_before) * (_UNIT_S / step_s[:, None, None])
    along = ((joints - truth) * step).sum(dim=-1).mean(dim=0)
    return (along / step.square().sum(dim=-1).mean(dim=0).clamp(min=1e-8).sqrt()).abs().mean()


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    mask = mask.to(values.dtype).expand_as(values)
    return (values * mask).sum() / mask.sum().clamp(min=1.0)


def joint_error(joints: Tensor, truth: Tensor, form: ErrorForm) -> Tensor:
    """Error of each joint (..., J) of (..., J, 3) metres: the mean of its squared coordinates, in
    square metres, or its distance, in metres (rounded off below 5 mm, where it has no slope)."""
    difference = joints - truth
    if form == "squared":
        return (difference**2).mean(dim=-1)
    return (difference.square().sum(dim=-1) + _ROUNDED_M**2).sqrt() - _ROUNDED_M


def same_loss(
    output: WindowOutput,
    joints_local: Tensor,
    joints_anchor: Tensor,
    window_valid: Tensor,
    config: LossConfig,
) -> SameLoss:
    """The full model's loss (Eq. 11).

    ``joints_local`` (B, T, J, 3) left-camera frame and ``joints_anchor`` (B, T, J, 3)
    anchor frame: ground truth, metres. ``window_valid`` (B, T): frames that count.
    """
    predicted = output.joints_local if config.deep_supervision else output.joints_local[:, :, -1:]
    local = _masked_mean(
        joint_error(predicted, joints_local[:, :, None], config.form).mean(dim=(-2, -1)),
        window_valid,
    )
    anchor = _masked_mean(
        joint_error(output.joints_anchor, joints_anchor, config.form).mean(dim=-1), window_valid
    )
    ground = ground_penetration(output.joints_anchor, window_valid)
    total = config.local * local + config.anchor * anchor + config.ground * ground
    return SameLoss(total, local, anchor, ground)


def heatmap_loss(
    heatmap_logits: Tensor, joints_2d: Tensor, visible: Tensor, sigma: float = 0.8
) -> Tensor:
    """Cross-entropy between the predicted place of each joint and a Gaussian around the true one.

    ``heatmap_logits`` (..., J, Hf, Wf); ``joints_2d`` (..., J, 2) feature pixels (x, y),
    centres at integers; ``visible`` (..., J): each joint's weight, 0 outside the map;
    ``sigma``: feature pixels. Lower bound: the Gaussian's entropy.
    """
    height, width = heatmap_logits.shape[-2:]
    x = torch.arange(width, device=joints_2d.device)
    y = torch.arange(height, device=joints_2d.device)
    column = -0.5 * ((x - joints_2d[..., 0:1]) / sigma) ** 2
    row = -0.5 * ((y - joints_2d[..., 1:2]) / sigma) ** 2
    # A Gaussian over the grid is the product of one over rows and one over columns.
    target = torch.softmax(row, dim=-1)[..., :, None] * torch.softmax(column, dim=-1)[..., None, :]
    log_probability = torch.log_softmax(heatmap_logits.flatten(-2), dim=-1)
    return _masked_mean(-(target.flatten(-2) * log_probability).sum(dim=-1), visible)


def soft_argmax_loss(predicted_2d: Tensor, joints_2d: Tensor, visible: Tensor) -> Tensor:
    """Mean distance of 2D joints (..., J, 2) in feature pixels, rounded off below a quarter of one
    and weighted by ``visible`` (..., J)."""
    square = (predicted_2d - joints_2d).square().sum(dim=-1)
    return _masked_mean((square + _ROUNDED_PX**2).sqrt() - _ROUNDED_PX, visible)


def visibility_loss(visibility_logits: Tensor, visible: Tensor, view_valid: Tensor) -> Tensor:
    """Binary cross-entropy of ``visibility_logits`` (..., V, J) against ``visible`` (..., V, J).

    Views whose ``view_valid`` (..., V) is 0 do not count.
    """
    error = F.binary_cross_entropy_with_logits(
        visibility_logits, visible.to(visibility_logits.dtype), reduction="none"
    )
    return _masked_mean(error, view_valid[..., None])


def inertial_loss(
    joints_imu: Tensor, joints_local: Tensor, frame_valid: Tensor, form: ErrorForm = "squared"
) -> Tensor:
    """Error of J_imu (B, T, J, 3) metres, as ``joint_error``, over ``frame_valid`` (B, T)."""
    return _masked_mean(joint_error(joints_imu, joints_local, form).mean(dim=-1), frame_valid)
