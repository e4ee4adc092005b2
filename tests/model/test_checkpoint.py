import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from tiny_model import tiny_model

from same_engines.errors import CheckpointError
from same_model.checkpoint import load_checkpoint, save_checkpoint

SUFFIXES = (".pt", ".safetensors")


@pytest.fixture(params=SUFFIXES)
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"tiny{request.param}"
    save_checkpoint(path, tiny_model())
    return path


def rewrite(path: Path, change: Any) -> None:
    """Apply ``change(config, weights)`` to a checkpoint on disk."""
    if path.suffix == ".pt":
        contents = torch.load(path, weights_only=True)
        change(contents["same_config"], contents["state_dict"])
        torch.save(contents, path)
        return
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    weights = safetensors.torch.load_file(path)
    config = json.loads(metadata["same_config"])
    change(config, weights)
    safetensors.torch.save_file(weights, path, metadata | {"same_config": json.dumps(config)})


def test_the_steps_of_each_stage_are_kept_and_unknown_in_checkpoints_from_before(
    checkpoint: Path,
) -> None:
    model = tiny_model()
    model.trained_steps = {"visual": 7, "inertial": 0, "fusion": None, "temporal": 1}
    save_checkpoint(checkpoint, model)
    assert load_checkpoint(checkpoint).trained_steps == model.trained_steps
    if checkpoint.suffix == ".pt":
        contents = torch.load(checkpoint, weights_only=True)
        del contents["same_trained_steps"]
        torch.save(contents, checkpoint)
    else:
        with safetensors.safe_open(checkpoint, framework="pt") as file:
            metadata = file.metadata()
        del metadata["same_trained_steps"]
        safetensors.torch.save_file(safetensors.torch.load_file(checkpoint), checkpoint, metadata)
    assert set(load_checkpoint(checkpoint).trained_steps.values()) == {None}


def test_round_trip(checkpoint: Path) -> None:
    model = tiny_model()
    loaded = load_checkpoint(checkpoint, preset="tiny")
    assert loaded.config == model.config
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, atol=0, rtol=0)
    assert [file.name for file in checkpoint.parent.iterdir()] == [checkpoint.name]


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("module.", r"'module' in them is from DistributedDataParallel: .*wrapper\.module\)"),
        ("_orig_mod.", r"'_orig_mod' in them is from torch.compile: .*wrapper\._orig_mod\)"),
        ("module._orig_mod.", r"Parallel and '_orig_mod' .*wrapper\.module\._orig_mod\)"),
    ],
)
def test_weights_of_a_wrapper_get_a_hint(checkpoint: Path, prefix: str, said: str) -> None:
    def wrap(config: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        for name in list(weights):
            weights[prefix + name] = weights.pop(name)

    rewrite(checkpoint, wrap)
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(checkpoint)


def test_another_preset_is_named(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="expected preset 'lite', got 'tiny'"):
        load_checkpoint(checkpoint, preset="lite")


NAME = "temporal.norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config, weights: weights.pop(NAME), f"missing weights: {NAME}"),
        (lambda config, weights: weights.update(extra=torch.ones(1)), "unexpected weights: extra"),
        (lambda config, weights: weights.update({NAME: torch.ones(3)}), r"expected shape \(32,\)"),
        (lambda config, weights: weights.update({NAME: torch.ones(32).half()}), "float16"),
        (lambda config, weights: weights[NAME].fill_(float("nan")), f"{NAME}: expected finite"),
        (lambda config, weights: config.pop("window"), "missing field window"),
        (lambda config, weights: config.update(surprise=1), "unknown field surprise"),
        (lambda config, weights: config.update(ttn_dim=64), "expected shape"),
        (lambda config, weights: config.update(iterations=10**9), "iterations"),
    ],
)
def test_what_does_not_fit_is_named(checkpoint: Path, change: Any, message: str) -> None:
    rewrite(checkpoint, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(checkpoint)


def test_truncated_and_damaged_files_are_refused(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for kept in (0, 1, 7, 100, len(whole) // 2, len(whole) - 1):
        checkpoint.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError, match=checkpoint.name):
            load_checkpoint(checkpoint)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    path = tmp_path / "hostile.pt"
    torch.save({"state_dict": Hostile(ran)}, path)
    with pytest.raises(CheckpointError, match="code"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Hostile(ran), protocol=2))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not ran.exists()


@pytest.mark.parametrize("contents", [{}, [1], torch.ones(2), {"same_format_version": 1}])
def test_files_of_another_kind_are_refused(tmp_path: Path, contents: object) -> None:
    path = tmp_path / "other.pt"
    torch.save(contents, path)
    with pytest.raises(CheckpointError, match=r"other\.pt"):
        load_checkpoint(path)


def test_plain_safetensors_is_not_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    safetensors.torch.save_file({"a": torch.ones(1)}, path)
    with pytest.raises(CheckpointError, match="format"):
        load_checkpoint(path)


def test_paths_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "absent.pt")
    (tmp_path / "model.pkl").touch()
    with pytest.raises(CheckpointError, match=r"\.pt or \.safetensors"):
        load_checkpoint(tmp_path / "model.pkl")
    with pytest.raises(CheckpointError, match="cannot write"):
        save_checkpoint(tmp_path / "absent" / "model.pt", tiny_model())
