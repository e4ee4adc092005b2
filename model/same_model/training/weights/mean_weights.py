"""The mean of checkpoints' weights, of all stages or of some."""

import logging

import torch

from same_engines.bundle.manifest import STAGES
from same_engines.errors import CheckpointError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.training.weights.mean_config import MeanConfig

_LOG = logging.getLogger("same")


def mean_weights(config: MeanConfig) -> None:
    """Run the command. Raises ``CheckpointError`` for a file that is none, that cannot be written
    or that is of another network than the first."""
    first, *others = models = [load_checkpoint(path) for path in config.checkpoints]
    for path, model in zip(config.checkpoints[1:], others, strict=True):
        if model.config != first.config:
            raise CheckpointError(
                f"{path}: expected a checkpoint of the same network as {config.checkpoints[0]}"
            )
    shares = config.shares or (1.0 / len(models),) * len(models)
    stages = config.stages or STAGES
    every = [model.state_dict() for model in models]
    weights = every[0]
    for name, tensor in weights.items():
        if name.split(".")[0] in stages and tensor.is_floating_point():
            parts = [share * each[name].double() for share, each in zip(shares, every, strict=True)]
            weights[name] = torch.stack(parts).sum(dim=0).to(tensor.dtype)
    first.load_state_dict(weights)
    for stage in stages:
        steps = [model.trained_steps[stage] for model in models]
        counted = [count for count in steps if count is not None]
        first.trained_steps[stage] = max(counted) if len(counted) == len(steps) else None
    save_checkpoint(config.out, first)
    _LOG.info("wrote %s", config.out)
