import pytest
import torch
from tiny_model import sequence_inputs, tiny_model

from same_model.network.temporal import window_row


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ttn_layers": 1},
        {"use_ttn": False},
        {"use_joint_filter": False},
        {"use_imu_filter": False},
    ],
)
@pytest.mark.parametrize("newest", [1, 4, 8])
def test_the_newest_rows_alone_are_those_of_the_whole_window(
    newest: int, changes: dict[str, object]
) -> None:
    model = tiny_model(**changes)
    stage, points = model.temporal, model.config.window_points
    inputs = sequence_inputs(12)
    given = [inputs[name] for name in ("T_anchor_cam", "time_offset_s", "window_valid")]
    points_local = torch.randn(*given[1].shape, points, 3)
    with torch.no_grad():
        whole = stage(points_local, *given)
        alone = stage(points_local, *given, newest=newest)
    assert alone.shape == (12, newest, 22, 3)
    torch.testing.assert_close(alone, whole[:, -newest:], atol=1e-6, rtol=0)


def test_it_follows_the_motion_of_the_inertial_stage_and_not_where_that_has_the_joints() -> None:
    model = tiny_model()
    stage = model.temporal
    assert stage.joint_filter is not None
    assert stage.joint_filter.imu_weights is not None
    inputs = sequence_inputs(12)
    given = [inputs[name] for name in ("T_anchor_cam", "time_offset_s", "window_valid")]
    given[0] = torch.eye(4).expand_as(given[0])
    joints, joints_imu = torch.randn(2, *given[1].shape, 22, 3)

    def refined(joints_imu: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return stage(window_row(model.config, joints, joints_imu), *given, newest=1)

    for weights in (stage.joint_filter.imu_weights, stage.joint_filter.imu_more_at_90_hz):
        torch.nn.init.zeros_(weights)
    without = refined(joints_imu)
    torch.nn.init.constant_(stage.joint_filter.imu_weights, 0.05)
    torch.testing.assert_close(refined(torch.full_like(joints, 0.7)), without, atol=1e-5, rtol=0)
    moved = refined(joints_imu)
    assert (moved - without).abs().max() > 1e-3
    torch.testing.assert_close(refined(joints_imu + 0.3), moved, atol=1e-4, rtol=0)
