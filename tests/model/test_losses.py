import math

import pytest
import torch
from tiny_model import TINY, tiny_model, window_inputs

from same_model.losses import (
    LossConfig,
    acceleration_error,
    ground_penetration,
    heatmap_loss,
    inertial_loss,
    joint_error,
    lowest_joint_error,
    same_loss,
    soft_argmax_loss,
    standing_error,
    visibility_loss,
)
from same_model.skating import TOES


def test_ground_penetration_counts_only_what_is_below_the_floor() -> None:
    joints = torch.ones(1, 2, 22, 3)
    assert ground_penetration(joints, torch.ones(1, 2)) == 0
    joints[0, 1, 10, 1] = -0.1
    joints[0, 1, 11, 1] = -0.3
    expected = math.tanh(0.3) ** 2
    assert ground_penetration(joints, torch.ones(1, 2)).item() == pytest.approx(expected / 2)
    assert ground_penetration(joints, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(expected)
    assert ground_penetration(joints, torch.tensor([[1.0, 0.0]])) == 0


def test_total_is_the_weighted_sum_of_mean_squared_errors() -> None:
    inputs = window_inputs(2)
    with torch.no_grad():
        output = tiny_model()(**inputs)
    shape = (2, TINY.window, 22, 3)
    local, anchor = torch.randn(shape), torch.randn(shape)
    valid = inputs["window_valid"]
    loss = same_loss(output, local, anchor, valid, LossConfig(2.0, 3.0, 5.0))
    last = ((output.joints_local[:, :, -1] - local) ** 2).mean()
    first = ((output.joints_local[:, :, 0] - local) ** 2).mean()
    torch.testing.assert_close(loss.local, (first + last) / 2)
    torch.testing.assert_close(loss.anchor, ((output.joints_anchor - anchor) ** 2).mean())
    torch.testing.assert_close(loss.total, 2 * loss.local + 3 * loss.anchor + 5 * loss.ground)
    shallow = same_loss(output, local, anchor, valid, LossConfig(deep_supervision=False))
    torch.testing.assert_close(shallow.local, last)


def test_frames_that_are_not_valid_do_not_count() -> None:
    inputs = window_inputs(1)
    with torch.no_grad():
        output = tiny_model()(**inputs)
    truth = torch.randn(1, TINY.window, 22, 3)
    valid = torch.ones(1, TINY.window)
    valid[:, :3] = 0
    wrong = truth.clone()
    wrong[:, :3] = 1e3
    expected = same_loss(output, truth, truth, valid, LossConfig())
    for wanted, got in zip(
        expected, same_loss(output, wrong, wrong, valid, LossConfig()), strict=True
    ):
        torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(
        inertial_loss(truth, wrong, valid), torch.tensor(0.0), atol=0, rtol=0
    )


def test_heatmap_loss_is_least_at_the_truth() -> None:
    truth = torch.tensor([[[5.3, 3.8], [1.0, 2.0]]])
    y, x = torch.meshgrid(torch.arange(9), torch.arange(12), indexing="ij")

    def gaussian(centre: torch.Tensor) -> torch.Tensor:
        return -0.5 * (
            ((x - centre[..., 0, None, None]) / 0.8) ** 2
            + ((y - centre[..., 1, None, None]) / 0.8) ** 2
        )

    visible = torch.tensor([[1.0, 0.0]])
    best = gaussian(truth).requires_grad_()
    loss = heatmap_loss(best, truth, visible)
    (gradient,) = torch.autograd.grad(loss, best)
    assert gradient.abs().max() < 1e-6
    assert heatmap_loss(gaussian(truth + 1.0), truth, visible) > loss
    torch.testing.assert_close(
        heatmap_loss(gaussian(truth), truth + visible[..., None] * 0, visible), loss
    )


def test_invisible_joints_and_missing_views_do_not_count() -> None:
    truth = torch.rand(1, 2, 22, 2)
    visible = torch.ones(1, 2, 22)
    visible[..., 5] = 0
    wrong = truth.clone()
    wrong[..., 5, :] += 50
    assert soft_argmax_loss(wrong, truth, visible) == 0
    assert soft_argmax_loss(wrong, truth, torch.ones(1, 2, 22)) > 0
    logits = torch.where(visible > 0, 40.0, -40.0)
    assert visibility_loss(logits, visible, torch.ones(1, 2)) < 1e-6
    logits[:, 1] *= -1
    assert visibility_loss(logits, visible, torch.ones(1, 2)) > 10
    assert visibility_loss(logits, visible, torch.tensor([[1.0, 0.0]])) < 1e-6


def test_a_place_is_as_far_off_as_it_is_but_for_a_rounded_tip() -> None:
    truth, visible = torch.zeros(1, 2, 22, 2), torch.ones(1, 2, 22)
    places = truth + torch.tensor([3.0, 4.0])
    assert soft_argmax_loss(places, truth, visible).item() == pytest.approx(5.0, abs=0.25)
    twice = soft_argmax_loss(2 * places, truth, visible).item()
    assert twice == pytest.approx(10.0, abs=0.25)


def test_distance_form_is_the_metric_but_for_its_rounded_tip() -> None:
    joints, truth = torch.zeros(2, 3, 3, requires_grad=True), torch.zeros(2, 3, 3)
    truth[0, 0] = torch.tensor([0.3, 0.0, 0.4])
    error = joint_error(joints, truth, "distance")
    assert error[0, 0].item() == pytest.approx(0.5, abs=0.005)
    assert error[1].abs().max() == 0
    error.sum().backward()
    assert joints.grad is not None and torch.isfinite(joints.grad).all()
    assert joint_error(joints, truth, "squared")[0, 0].item() == pytest.approx(0.25 / 3)


def test_errors_of_motion_are_per_time_and_not_per_frame() -> None:
    time = torch.arange(4)[None, :, None, None]
    truth = torch.zeros(1, 4, 22, 3)
    joints = 0.5 * time**2 * torch.tensor([0.01, 0.0, 0.0])
    slow, fast = torch.full((1, 3), 1 / 30), torch.full((1, 3), 1 / 90)
    expected = (0.01**2 + 0.005**2) ** 0.5 - 0.005
    error = acceleration_error(joints.expand_as(truth), truth, slow, "distance")
    assert error.item() == pytest.approx(expected)
    error = acceleration_error(joints.expand_as(truth) / 9, truth, fast, "distance")
    assert error.item() == pytest.approx(expected)


def test_the_lowest_joint_may_neither_float_nor_sink() -> None:
    truth = torch.rand(5, 22, 3) + 0.1
    assert lowest_joint_error(truth, truth).item() == 0.0
    for shift in (-0.05, 0.05):
        moved = truth + torch.tensor([0.3, shift, 0.0])
        assert lowest_joint_error(moved, truth).item() == pytest.approx(0.0452, abs=1e-4)


def test_only_a_toe_that_stands_must_not_slide() -> None:
    truth = torch.zeros(1, 4, 22, 3)
    truth[..., 1] = 0.05
    truth[..., TOES[1], 0] = torch.arange(4) * 0.02  # 0.6 m/s: this one steps
    slides = torch.arange(4)[:, None] * torch.tensor([0.0, 0.0, 0.03])
    step_s = torch.full((1, 3), 1 / 30)

    def error(toe: int, height: float = 0.0) -> float:
        lifted = truth + torch.tensor([0.0, height, 0.0])
        joints = lifted.clone()
        joints[:, :, toe] += slides
        return standing_error(joints, lifted, step_s, "distance").item()

    assert error(TOES[0]) == pytest.approx((0.03**2 + 0.005**2) ** 0.5 - 0.005)
    assert error(TOES[1]) == 0.0
    assert error(TOES[0], height=0.1) == 0.0
