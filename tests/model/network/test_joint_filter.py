"""The linear filter before the temporal Transformer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from same_model.network.joint_filter import JointFilter

WINDOW = 32


def _offsets(rate_hz: float = 30.0) -> torch.Tensor:
    return -torch.arange(WINDOW - 1, -1, -1.0)[None] / rate_hz


def _shaky(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(2, WINDOW, 22, 3, generator=generator)
    return joints, (torch.rand(2, WINDOW, generator=generator) < 0.7).float()


def _filtered(
    joint_filter: JointFilter, joints: torch.Tensor, valid: torch.Tensor, rate_hz: float = 30.0
) -> torch.Tensor:
    with torch.no_grad():
        added = joint_filter(joints, valid, _offsets(rate_hz)[:, -joints.shape[1] :])
    return joints + added * valid[..., None, None]


def test_a_body_that_stands_still_is_not_moved() -> None:
    joints = torch.randn(1, 1, 22, 3).expand(1, WINDOW, 22, 3)
    filtered = _filtered(JointFilter(WINDOW), joints, torch.ones(1, WINDOW))
    torch.testing.assert_close(filtered, joints, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("rate_hz", "share"), [(15, 0), (30, 0), (45, 0.5), (90, 1), (120, 1)])
def test_it_is_the_weighted_sum_of_differences_to_the_frames_before(
    rate_hz: float, share: float
) -> None:
    torch.manual_seed(3)
    joint_filter = JointFilter(WINDOW)
    torch.nn.init.normal_(joint_filter.weights)
    joints, valid = _shaky(0)
    torch.nn.init.normal_(joint_filter.more_at_90_hz)
    weights = joint_filter.weights + share * joint_filter.more_at_90_hz
    expected = joints.clone()
    for row in range(WINDOW):
        for ago in range(1, joint_filter.weights.shape[-1] + 1):
            if row - ago >= 0:
                counts = valid[:, row] * valid[:, row - ago]
                expected[:, row] += (
                    weights[:, ago - 1, None]
                    * (joints[:, row - ago] - joints[:, row])
                    * counts[:, None, None]
                )
    found = _filtered(joint_filter, joints, valid, rate_hz)
    torch.testing.assert_close(found, expected.detach(), atol=2e-3, rtol=0)


@given(st.integers(0, 2**31), st.integers(1, WINDOW - 1))
def test_what_comes_later_or_is_not_valid_reaches_no_row(seed: int, row: int) -> None:
    joints, valid = _shaky(seed)
    other = torch.where(valid[..., None, None] > 0, joints, torch.full_like(joints, 9.0))
    other[:, row:] = 7.0
    kept, changed = (_filtered(JointFilter(WINDOW), x, valid)[:, :row] for x in (joints, other))
    counts = valid[:, :row] > 0
    torch.testing.assert_close(kept[counts], changed[counts])
    torch.testing.assert_close(changed[~counts], other[:, :row][~counts])


def test_any_window_has_a_filter() -> None:
    for window in (1, 2, 9):
        joints = torch.randn(1, window, 22, 3)
        filtered = _filtered(JointFilter(window), joints, torch.ones(1, window))
        assert filtered.shape == joints.shape


def test_what_the_inertial_stage_has_counts_nothing_at_first() -> None:
    joints, valid = _shaky(1)
    with_imu = JointFilter(WINDOW, imu=True)
    with torch.no_grad():
        added = with_imu(torch.cat([joints, 9.0 * joints], dim=-2), valid, _offsets())
    torch.testing.assert_close(
        joints + added * valid[..., None, None], _filtered(JointFilter(WINDOW), joints, valid)
    )
