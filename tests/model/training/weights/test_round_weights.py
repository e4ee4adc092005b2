import lzma

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from same_engines.errors import InvalidInputError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.cli.train import main
from same_model.training.weights.round_config import RoundConfig
from same_model.training.weights.round_weights import fold_batch_norms, round_parameters


def test_folding_changes_no_output(trained_norms):
    model, images = trained_norms
    expected = model.visual(images)
    fold_batch_norms(model)
    for name, tensor in model.visual(images)._asdict().items():
        torch.testing.assert_close(tensor, getattr(expected, name), rtol=1e-4, atol=1e-4)
    for module in model.visual.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            scale = module.weight / (module.running_var + module.eps).sqrt()
            assert torch.equal(scale, torch.ones_like(scale))


def test_rounded_weights_have_so_many_bits_and_are_the_nearest(trained_norms):
    model, _ = trained_norms
    before = model.inertial.embed.weight.detach().clone()
    round_parameters(model, 10)
    after = model.inertial.embed.weight.detach()
    scaled = 1024 * after  # away from the small numbers that float16 has fewer bits for
    assert torch.equal(scaled, scaled.half().float())
    assert ((after - before).abs() <= before.abs() * 2**-11).all()
    assert not torch.equal(after, before)


def test_the_command_writes_a_checkpoint_that_packs_smaller(trained_norms, tmp_path):
    model, _ = trained_norms
    save_checkpoint(tmp_path / "model.safetensors", model)
    command = ["round", str(tmp_path / "model.safetensors"), "--out"]
    assert main([*command, str(tmp_path / "rounded.safetensors")]) == 0
    load_checkpoint(tmp_path / "rounded.safetensors")
    whole, rounded = (
        len(lzma.compress((tmp_path / f"{name}.safetensors").read_bytes()))
        for name in ("model", "rounded")
    )
    assert rounded < 0.8 * whole
    with pytest.raises(InvalidInputError, match="bits: expected 1 to 23, got 0"):
        RoundConfig(tmp_path, tmp_path, bits=0)


@pytest.fixture
def trained_norms():
    """A network whose batch normalisations have seen something, and images for it."""
    torch.manual_seed(0)
    model = tiny_model()
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 1, 48, 64))).float()
    images = images[..., : model.config.input_height, : model.config.input_width]
    model.train()
    for _ in range(3):
        model.visual(2.0 * images + 0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2.0)
            torch.nn.init.normal_(module.bias)
    return model.eval(), images
