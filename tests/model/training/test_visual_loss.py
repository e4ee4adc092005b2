"""How the visual stage weighs its joints."""

from pathlib import Path

import pytest
import torch
from tiny_model import TINY, tiny_model
from tiny_sequence import write_sequence

from same_model.loss_config import LossConfig
from same_model.losses import heatmap_loss
from same_model.training.config import AugmentConfig
from same_model.training.data.dataset import load_frames, normalised
from same_model.training.stages.stage import StageSetup
from same_model.training.stages.visual import VisualTraining
from same_runtime.camera import CameraRig
from same_runtime.conventions import LOWER_BODY_JOINTS


def test_the_lower_body_counts_as_often_as_asked(tmp_path: Path, small_rig: CameraRig) -> None:
    frames = load_frames([write_sequence(tmp_path / "one", small_rig, 6)], TINY, True, "")
    assert (frames.visible[..., LOWER_BODY_JOINTS] > 0).any()
    rows = {"images": normalised(torch.from_numpy(frames.images).float(), TINY)}
    for name in ("joints_2d", "visible"):
        rows[name] = torch.from_numpy(getattr(frames, name))
    losses = []
    for legs in (1.0, 3.0, 0.0):
        setup = StageSetup(
            tiny_model(), frames, None, 4, 16, AugmentConfig(), LossConfig(legs=legs)
        )
        stage = VisualTraining(setup).eval()
        with torch.no_grad():
            losses.append(float(stage(rows)[1]["heatmap"]))
            logits = stage.visual(rows["images"]).heatmap_logits
    weight = rows["visible"].clone()
    expected = [float(heatmap_loss(logits, rows["joints_2d"], weight))]
    weight[..., LOWER_BODY_JOINTS] *= 3
    expected.append(float(heatmap_loss(logits, rows["joints_2d"], weight)))
    weight[..., LOWER_BODY_JOINTS] = 0
    expected.append(float(heatmap_loss(logits, rows["joints_2d"], weight)))
    assert losses == pytest.approx(expected, rel=1e-5)
    assert len(set(losses)) == 3
    assert (rows["visible"][..., LOWER_BODY_JOINTS] > 0).any()  # the batch's own stay as they were
