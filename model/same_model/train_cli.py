"""``same-train``: train one stage of the network."""

import logging

import torch

from same_engines.errors import DataError
from same_model.training.config import TrainConfig
from same_model.training.loop import TrainingRun, write_config
from same_model.training.prepare import initial_model, make_stage
from same_model.training.processes import join_processes, leave_processes
from same_runtime.command import run_command

_LOG = logging.getLogger("same")


def train(config: TrainConfig) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    processes = join_processes(config.device, config.threads)
    try:
        if processes.is_first:
            try:
                config.out.mkdir(parents=True, exist_ok=True)
                write_config(config)
            except OSError as error:
                raise DataError(
                    f"--out {config.out}: cannot be written ({error.strerror})"
                ) from None
        processes.wait()
        torch.manual_seed(config.seed)
        model = initial_model(config).to(processes.device)
        run = TrainingRun(config, model, make_stage(config, model), processes)
        run.resume()
        errors = run.run()
    finally:
        leave_processes()
    if processes.is_first:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in errors.items())
        _LOG.info("%s done: %s", config.stage, figures or "no validation performers were given")
        _LOG.info("wrote %s; plot: %s", config.out / "model.safetensors", config.out / "losses.png")


def main() -> int:
    """Entry point of ``same-train``."""
    return run_command("same-train", TrainConfig, train)
