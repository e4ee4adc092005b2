import pytest
import torch
from tiny_model import tiny_model

from same_engines.errors import CheckpointError, InvalidInputError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.cli import train as cli
from same_model.training.weights.mean_config import MeanConfig


@pytest.fixture
def two(tmp_path):
    paths = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = tiny_model()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        model.trained_steps.update(fusion=10 * seed, temporal=None if seed == 1 else 3)
        paths.append(tmp_path / f"{seed}.safetensors")
        save_checkpoint(paths[-1], model)
    return paths


def test_shares_of_some_stages_are_taken_and_the_rest_is_the_firsts(two, tmp_path):
    out = tmp_path / "mean.safetensors"
    arguments = [*map(str, two), "--out", str(out), "--shares", "0.65", "0.35"]
    assert cli.main(["mean", *arguments, "--stages", "fusion"]) == 0
    first, second, mean = (load_checkpoint(path).state_dict() for path in (*two, out))
    for name, tensor in mean.items():
        wanted = first[name]
        if name.startswith("fusion."):
            wanted = 0.65 * first[name] + 0.35 * second[name]
        assert torch.allclose(tensor, wanted, atol=1e-6), name
    assert load_checkpoint(out).trained_steps["fusion"] == 20


def test_all_stages_count_alike_unless_told_otherwise(two, tmp_path):
    out = tmp_path / "mean.safetensors"
    assert cli.main(["mean", *map(str, two), "--out", str(out)]) == 0
    first, second, mean = (load_checkpoint(path).state_dict() for path in (*two, out))
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, (first[name] + second[name]) / 2, atol=1e-6), name
    assert load_checkpoint(out).trained_steps["temporal"] is None


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.6), (0.2, 0.3, 0.5), (-0.5, 1.5)])
def test_shares_that_make_no_mean_are_refused(shares, two, tmp_path):
    with pytest.raises(InvalidInputError, match="2 numbers of at least 0 that sum to 1"):
        MeanConfig(tuple(two), tmp_path / "x.safetensors", shares)


def test_what_cannot_be_averaged_is_refused(two, tmp_path, capsys):
    out = tmp_path / "mean.safetensors"
    save_checkpoint(tmp_path / "other.safetensors", tiny_model(use_imu_filter=False))
    assert cli.main(["mean", str(two[0]), "--out", str(out)]) == 2
    assert "two or more, got 1" in capsys.readouterr().err
    assert (
        cli.main(["mean", str(two[0]), str(tmp_path / "other.safetensors"), "--out", str(out)]) == 2
    )
    assert "same network" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(CheckpointError):
        load_checkpoint(out)
