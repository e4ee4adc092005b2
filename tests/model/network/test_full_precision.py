"""Places where training computes in half precision: bfloat16 has 8 bits, which is 4 mm at a metre
and a quarter of a cell at column 40."""

import torch
from tiny_model import tiny_model


def test_2d_joints_are_not_rounded_where_the_backbone_is() -> None:
    model = tiny_model()
    config, visual = model.config, model.visual
    images = torch.randn(4, 2, 1, config.input_height, config.input_width)
    with torch.autocast("cpu", torch.bfloat16):
        features = visual.pyramid(visual.backbone(images.flatten(0, 1)))
    out = visual(images, in_bfloat16=True)
    assert out.features.dtype == torch.float32
    torch.testing.assert_close(out.features.flatten(0, 1), features.float(), rtol=0.0, atol=0.0)
    logits = visual.head(features.float())[:, : out.joints_2d.shape[2]]
    places = torch.softmax(logits.flatten(2), dim=-1) @ visual.pixel_centres
    torch.testing.assert_close(out.joints_2d.flatten(0, 1), places, rtol=0.0, atol=1e-4)
    assert (places - places.bfloat16().float()).abs().max() > 1e-3
