"""Places where training computes in half precision: bfloat16 has 8 bits, which is 4 mm at a metre
and a quarter of a cell at column 40."""

import pytest
import torch
from tiny_model import fusion_inputs, tiny_model, window_inputs
from torch import Tensor, nn

from same_model.baselines.concat_fusion import features_at_joints


def _stage(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """A stage that works with metres, and its arguments."""
    model = tiny_model(fusion_kind="concat_lstm" if name == "concat" else "same")
    window, fusion = window_inputs(2), fusion_inputs(2)
    if name == "inertial":
        return model.inertial, {"imu_features": window["imu_features"]}
    if name == "temporal":
        given = {x: window[x] for x in ("T_anchor_cam", "time_offset_s", "window_valid")}
        return model.temporal, {
            "points_local": torch.randn(2, model.config.window, model.config.window_points, 3),
            **given,
        }
    if name == "fusion":
        return model.fusion, fusion
    read = features_at_joints(fusion["features"], fusion["joints_2d"])
    one_frame = {x: fusion[x][:, None] for x in ("joints_2d", "visibility", "view_valid")}
    tokens = {"imu_tokens": fusion["imu_tokens"][:, None]}
    return model.fusion, {"joint_features": read[:, None], **one_frame, **tokens}


@pytest.mark.parametrize("name", ["inertial", "fusion", "temporal", "concat"])
def test_a_stage_that_works_with_metres_is_not_rounded(name: str) -> None:
    stage, inputs = _stage(name)
    plain = stage(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = stage(**inputs)
    torch.testing.assert_close(mixed, plain, rtol=0.0, atol=0.0)


def test_2d_joints_are_not_rounded_where_the_backbone_is() -> None:
    model = tiny_model()
    config, visual = model.config, model.visual
    images = torch.randn(4, 2, 1, config.input_height, config.input_width)
    with torch.autocast("cpu", torch.bfloat16):
        features = visual.pyramid(visual.backbone(images.flatten(0, 1)))
        out = visual(images)
    assert out.features.dtype == torch.bfloat16
    logits = visual.head(features.float())[:, : out.joints_2d.shape[2]]
    places = torch.softmax(logits.flatten(2), dim=-1) @ visual.pixel_centres
    torch.testing.assert_close(out.joints_2d.flatten(0, 1), places, rtol=0.0, atol=1e-4)
    assert (places - places.bfloat16().float()).abs().max() > 1e-3
    read = features_at_joints(out.features, out.joints_2d)
    exact = features_at_joints(out.features.float(), out.joints_2d)
    torch.testing.assert_close(read, exact, rtol=0.0, atol=0.0)
