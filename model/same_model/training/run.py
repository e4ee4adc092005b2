"""One training run, from its configuration to its last checkpoint."""

import contextlib
import logging
from collections.abc import Callable

import torch

from same_engines.atomic_files import remove_partial_files, told_disk
from same_engines.errors import DataError, SameError
from same_model.same_network import SameModel
from same_model.training.config import TrainConfig
from same_model.training.loop import TrainingRun, Watch, write_config
from same_model.training.prepare import (
    BackboneCaches,
    check_predecessors,
    initial_model,
    make_stage,
)
from same_model.training.processes import (
    Processes,
    have_joined,
    join_processes,
    leave_processes,
)
from same_model.training.run_state import load_run

_LOG = logging.getLogger("same")


def train(
    config: TrainConfig,
    caches: Callable[[SameModel], BackboneCaches] | None = None,
    watch: Watch | None = None,
) -> None:
    """Train ``config`` to its last step, from its folder's saved state if there is one.

    ``caches``: gives the frozen backbones' outputs where several runs share them. ``watch``: see
    ``Watch``. Raises ``SameError`` kinds for anything the user can mend.
    """
    is_part_of_more = have_joined()
    processes = join_processes(config.device, config.threads)
    try:
        _train_among(processes, config, caches, watch)
    finally:
        # Only here has this process let go of the wrapped modules.
        if not is_part_of_more:
            leave_processes()


def _train_among(
    processes: Processes,
    config: TrainConfig,
    caches: Callable[[SameModel], BackboneCaches] | None,
    watch: Watch | None,
) -> None:
    made = [place for place in (config.out, *config.out.parents) if not place.exists()]
    try:
        if processes.is_first:
            with told_disk(DataError, f"--out {config.out}"):
                config.out.mkdir(parents=True, exist_ok=True)
                remove_partial_files(config.out)
        processes.wait()
        state, contents = load_run(config)
        torch.manual_seed(config.seed)
        model = initial_model(config).to(processes.device)
        check_predecessors(config, model)
        stage = make_stage(config, model, None if caches is None else caches(model))
        run = TrainingRun(config, model, stage, processes, contents)
        run.resume(state)
        if processes.is_first:
            with told_disk(DataError, f"--out {config.out}"):
                write_config(config)
        errors = run.run(watch)
    except SameError:
        for place in made if processes.is_first else ():
            with contextlib.suppress(OSError):
                place.rmdir()  # goes only where it is empty: a mistake leaves nothing
        raise
    if processes.is_first and run.step == run.steps:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in errors.items())
        _LOG.info("%s done: %s", config.stage, figures or "no validation performers were given")
        _LOG.info("wrote %s; plot: %s", config.out / "model.safetensors", config.out / "losses.png")
