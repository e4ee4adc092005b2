import pytest
import torch
from tiny_model import sequence_inputs, tiny_model


@pytest.mark.parametrize(
    "changes", [{}, {"ttn_layers": 1}, {"use_ttn": False}, {"use_joint_filter": False}]
)
@pytest.mark.parametrize("newest", [1, 4, 8])
def test_the_newest_rows_alone_are_those_of_the_whole_window(
    newest: int, changes: dict[str, object]
) -> None:
    stage = tiny_model(**changes).temporal
    inputs = sequence_inputs(12)
    given = [inputs[name] for name in ("T_anchor_cam", "time_offset_s", "window_valid")]
    joints_local = torch.randn(*given[1].shape, 22, 3)
    with torch.no_grad():
        whole = stage(joints_local, *given)
        alone = stage(joints_local, *given, newest=newest)
    assert alone.shape == (12, newest, 22, 3)
    torch.testing.assert_close(alone, whole[:, -newest:], atol=1e-6, rtol=0)
