from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import tiny_model
from tiny_sequence import write_sequence
from torch import nn

from same_model.loss_config import LossConfig
from same_model.training import last_layers
from same_model.training.config import AugmentConfig
from same_model.training.data.dataset import load_frames
from same_model.training.last_layers import solve_last_layers
from same_model.training.stages.inertial import InertialTraining
from same_model.training.stages.stage import StageSetup
from same_runtime.camera import CameraRig


def _network() -> nn.ModuleDict:
    torch.manual_seed(0)
    hidden = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6))
    return nn.ModuleDict({"direct": nn.Linear(4, 6), "head": hidden})


def _solve(network: nn.ModuleDict, x: torch.Tensor, y: torch.Tensor, parts: int) -> torch.Tensor:
    direct, head = network["direct"], network["head"]

    def outputs():
        for rows in np.array_split(np.arange(len(x)), parts):
            direct(x[rows]), head(x[rows])
            yield y[rows], torch.arange(len(rows)) != 0  # the first row of a part does not count

    with torch.inference_mode():
        solve_last_layers([direct, head[-1]], outputs(), len(x))
        return direct(x) + head(x)


def test_what_a_sum_of_layers_can_say_is_found_at_once_whatever_their_weights_were() -> None:
    network, wanted = _network(), _network()
    x = torch.randn(3000, 4)
    with torch.no_grad():
        network["head"][0].load_state_dict(wanted["head"][0].state_dict())
        for parameter in (*network["direct"].parameters(), *network["head"][2].parameters()):
            parameter.normal_()
        y = wanted["direct"](x) + wanted["head"](x)
    torch.testing.assert_close(_solve(network, x, y, 7), y, atol=3e-3, rtol=0)
    before = network["direct"].weight.clone()
    _solve(network, x, y, 7)
    torch.testing.assert_close(network["direct"].weight, before, atol=1e-3, rtol=0)


def test_rows_that_are_not_solved_for_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    joined, unused = torch.cat, []

    def joining(tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
        unused.extend(part.untyped_storage().nbytes() - part.nbytes for part in tensors)
        return joined(tensors, dim)

    monkeypatch.setattr(last_layers, "_MOST_ROWS", 300)
    monkeypatch.setattr(torch, "cat", joining)
    _solve(_network(), torch.randn(3000, 4), torch.randn(3000, 6), 7)
    assert unused and not any(unused)


def test_rare_large_errors_do_not_move_the_other_rows() -> None:
    x = torch.randn(3000, 4)
    y = x @ torch.randn(4, 6)
    spoilt = y.clone()
    spoilt[::50] += 5.0
    error = (_solve(_network(), x, spoilt, 5) - y).norm(dim=-1)
    squares = torch.linalg.lstsq(torch.cat([x, torch.ones(3000, 1)], 1), spoilt).solution
    plain = (torch.cat([x, torch.ones(3000, 1)], 1) @ squares - y).norm(dim=-1)
    assert error.median() < 0.3 * plain.median()


def test_rows_that_do_not_count_and_too_few_rows_change_nothing() -> None:
    x = torch.randn(3000, 4)
    y = x @ torch.randn(4, 6)
    spoilt = y.clone()
    for part in np.array_split(np.arange(3000), 30):
        spoilt[part[0]] += 100.0
    torch.testing.assert_close(_solve(_network(), x, spoilt, 30), y, atol=3e-3, rtol=0)
    network = _network()
    before = network["direct"].weight.clone()
    _solve(network, x[:100], y[:100], 1)
    assert torch.equal(network["direct"].weight, before)


def test_the_inertial_stage_ends_with_its_last_layers_solved(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    model = tiny_model()
    recordings = [write_sequence(tmp_path / str(i), small_rig, 900 + i, seed=i) for i in range(2)]
    frames = load_frames(recordings, model.config, False, "test")
    stage = InertialTraining(
        StageSetup(model, frames, frames, 4, 16, AugmentConfig(), LossConfig())
    )
    before = stage.validate()["val_mpjpe_mm"]
    stage.finish()
    after = stage.validate()["val_mpjpe_mm"]
    assert after < 0.2 * before
    stage.finish()
    assert abs(stage.validate()["val_mpjpe_mm"] - after) < 0.01 * after
