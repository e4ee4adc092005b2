"""The training loop: optimiser, schedule, averaged weights, logs, exact resume."""

import contextlib
import csv
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from same_engines.atomic_files import whole_file
from same_engines.errors import CheckpointError, DataError
from same_model.checkpoint import save_checkpoint
from same_model.network.network import SameModel
from same_model.training.config import OptimConfig, TrainConfig
from same_model.training.processes import Processes
from same_model.training.run_state import load_state, run_digest, save_state
from same_model.training.stages.stage import Batch, Stage

_LOG = logging.getLogger("same")
_LOG_EVERY = 20


def learning_rate(optim: OptimConfig, step: int, steps: int) -> float:
    """Learning rate of ``step`` of ``steps``."""
    done = step / max(steps, 1)
    factor = {
        "cosine": 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)),
        "step": 1.0 if done < 0.6 else 0.1 if done < 0.85 else 0.01,
        "constant": 1.0,
    }[optim.schedule]
    return optim.lr * factor * min(1.0, (step + 1) / max(optim.warmup_steps, 1))


class AveragedWeights:
    """Exponential moving average of a stage's weights and of its batch statistics."""

    def __init__(self, stage: Stage, decay: float) -> None:
        self._decay = decay
        self._stage = stage
        self.values = {name: t.detach().clone() for name, t in stage.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the stage's present weights; faster during the first steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, current in self._stage.state_dict().items():
            if current.is_floating_point():
                self.values[name].lerp_(current, 1.0 - decay)
            else:
                self.values[name].copy_(current)

    def swap(self) -> None:
        """Exchange the stage's weights with the average."""
        current = {name: t.detach().clone() for name, t in self._stage.state_dict().items()}
        self._stage.load_state_dict(self.values)
        self.values = current


def batch_rng(seed: int, step: int, rank: int) -> np.random.Generator:
    """The generator of one batch; a function of its place in the run, so that resuming is exact."""
    return np.random.default_rng([seed, step, rank])


class TrainingRun:
    """One run of a stage in its folder."""

    def __init__(
        self, config: TrainConfig, model: SameModel, stage: Stage, processes: Processes
    ) -> None:
        self.config, self.model, self.stage, self.processes = config, model, stage, processes
        per_step = stage.frames_per_step * processes.count
        self.steps = config.steps or max(1, round(config.epochs * stage.frames_in_total / per_step))
        self.step = 0
        learning = [p for p in stage.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            learning, lr=config.optim.lr, weight_decay=config.optim.weight_decay
        )
        self._average = AveragedWeights(stage, config.optim.ema_decay)
        self._history: list[dict[str, float]] = []
        self._digest = run_digest(config)
        self._state_path = config.out / "state.pt"

    def resume(self) -> None:
        """Go on from the folder's saved state, if there is one."""
        state = load_state(self._state_path, self._digest)
        if state is None:
            return
        self.stage.load_state_dict(state["stage"])
        self._average.values = {
            name: tensor.to(self.processes.device) for name, tensor in state["average"].items()
        }
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self._history = state["step"], state["history"]
        _LOG.info("going on from step %d of %d", self.step, self.steps)

    def save(self) -> None:
        """Write the state and the averaged weights. Raises ``CheckpointError`` when that fails."""
        if not self.processes.is_first:
            return
        state: dict[str, Any] = {
            "stage": self.stage.state_dict(),
            "average": self._average.values,
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "history": self._history,
        }
        save_state(self._state_path, self._digest, state)
        self._average.swap()
        try:
            save_checkpoint(self.config.out / "model.safetensors", self.model)
        finally:
            self._average.swap()
        with self._told_disk():
            _write_history(self.config.out / "losses.csv", self._history)

    @contextlib.contextmanager
    def _told_disk(self) -> Iterator[None]:
        """Say what a full disk means for the run."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"{self.config.out}: cannot be written ({error.strerror or error}); the last saved "
                "state is intact, and the same command goes on from it"
            ) from error

    def validate(self) -> dict[str, float]:
        """Errors of the averaged weights on the held-out performers."""
        self._average.swap()
        self.stage.eval()
        try:
            with torch.inference_mode():
                return self.stage.validate()
        finally:
            self.stage.train()
            self._average.swap()

    def run(self) -> dict[str, float]:
        """Train to the last step and return the final validation errors.

        A stop at any time leaves the last saved state to go on from. Raises
        ``CheckpointError`` when the disk is full and ``DataError`` when the loss is not finite.
        """
        wrapped = self.processes.wrap(self.stage)
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[figures]}"),
        )  # fmt: skip
        self.stage.train()
        errors: dict[str, float] = {}
        started = time.perf_counter()
        first_step = self.step
        if self.step == self.steps:  # a stop between the state and the weights that go with it
            self.save()
        with self._told_disk():
            writer = _tensorboard(self.config.out) if self.processes.is_first else None
        try:
            with Progress(*columns, console=console, disable=not self.processes.is_first) as bar:
                task = bar.add_task(self.config.stage, total=self.steps, figures="")
                while self.step < self.steps:
                    parts = self._advance(wrapped)
                    bar.update(task, completed=self.step)
                    last = self.step == self.steps
                    if self.step % _LOG_EVERY == 0 or last:
                        row = {name: float(value) for name, value in parts.items()}
                        if self.step % self.config.validate_every == 0 or last:
                            errors = self.validate()
                            row.update(errors)
                            seconds = time.perf_counter() - started
                            frames = (self.step - first_step) * self.stage.frames_per_step
                            _LOG.info(
                                "step %d/%d, %.0f frames/s: %s",
                                self.step, self.steps, frames / seconds, _figures(row),
                            )  # fmt: skip
                        elif not console.is_terminal and self.step % (5 * _LOG_EVERY) == 0:
                            _LOG.info("step %d/%d: %s", self.step, self.steps, _figures(row))
                        self._record(row, writer)
                        bar.update(task, figures=_figures(row))
                    if self.step % self.config.save_every == 0 or last:
                        self.save()
        finally:
            if writer is not None:
                # Another error may be on its way, and the scalars are in losses.csv too.
                with contextlib.suppress(OSError):
                    writer.close()
        if self.processes.is_first:
            with self._told_disk():
                plot_history(self._history, self.config.out / "losses.png")
        self.processes.wait()
        return errors

    def _advance(self, wrapped: torch.nn.Module) -> Mapping[str, Tensor]:
        rate = learning_rate(self.config.optim, self.step, self.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        rng = batch_rng(self.config.seed, self.step, self.processes.rank)
        batch: Batch = self.stage.make_batch(rng)
        device = self.processes.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            loss, parts = wrapped({name: t.to(device) for name, t in batch.items()})
        if not torch.isfinite(loss):
            raise DataError(
                f"step {self.step}: the loss is {loss.item()}; lower --optim.lr, or look for "
                "outliers with same-data inspect. The saved state is from before."
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(
            (p for group in self._optimiser.param_groups for p in group["params"]),
            self.config.optim.max_grad_norm,
        )
        self._optimiser.step()
        self.step += 1
        self._average.update(self.step)
        return {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}}

    def _record(self, row: dict[str, float], writer: Any) -> None:
        self._history.append({"step": float(self.step), **row})
        if writer is not None:
            with self._told_disk():
                for name, value in row.items():
                    writer.add_scalar(f"{self.config.stage}/{name}", value, self.step)


def _figures(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items())


def _tensorboard(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "tensorboard"))


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    with whole_file(path) as partial, partial.open("w", newline="") as file:
        rows = csv.DictWriter(file, names)
        rows.writeheader()
        rows.writerows(history)


def plot_history(history: list[dict[str, float]], path: Path) -> None:
    """Draw every figure of ``history`` over the steps, one panel each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [n for n in dict.fromkeys(k for row in history for k in row) if n != "step"]
    if not names:
        return
    figure = Figure(figsize=(8, 2.2 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(len(names), squeeze=False)[:, 0], names, strict=True):
        points = [(row["step"], row[name]) for row in history if name in row]
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None)
        axes.set(ylabel=name, yscale="log" if min(y for _, y in points) > 0 else "linear")
        axes.grid(alpha=0.3)
    axes.set_xlabel("step")
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=80, format="png")


def write_config(config: TrainConfig) -> None:
    """Write ``config.json`` into the run's folder."""
    text = json.dumps(asdict(config), indent=1, default=str)
    with whole_file(config.out / "config.json") as partial:
        partial.write_text(text + "\n")
