"""The training loop: optimiser, schedule, averaged weights, logs, exact resume."""

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from same_engines.atomic_files import whole_file
from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import CheckpointError, DataError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.same_network import SameModel
from same_model.training.config import OptimConfig, TrainConfig
from same_model.training.history import History
from same_model.training.prepare import learning_stages
from same_model.training.processes import Processes
from same_model.training.run_state import save_state
from same_model.training.stages.stage import Batch, Stage
from same_runtime.cli.console import messages

_LOG = logging.getLogger("same")
_LOG_EVERY = 20
_WATCH_EVERY = 5

Watch = Callable[[int, int], bool]
"""Called with the steps that are done and all steps every few steps, in every process; true stops
the run with its state saved, if any process says so."""


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
    """One run of a stage in its folder. ``contents``: those of ``run_contents``, to be saved."""

    def __init__(
        self,
        config: TrainConfig,
        model: SameModel,
        stage: Stage,
        processes: Processes,
        contents: Mapping[str, str],
    ) -> None:
        self.config, self.model, self.stage, self.processes = config, model, stage, processes
        self._contents = dict(contents)
        per_step = stage.frames_per_step * processes.count
        self.steps = config.steps or max(1, round(config.epochs * stage.frames_in_total / per_step))
        self.step = 0
        learning = [p for p in stage.parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            learning, lr=config.optim.lr, weight_decay=config.optim.weight_decay
        )
        self._average = AveragedWeights(stage, config.optim.ema_decay)
        self._history = History(config.out, config.stage)
        self._state_path = config.out / "state.pt"
        self._trained_before = {
            stage: model.trained_steps[stage] for stage in learning_stages(config)
        }

    def resume(self, state: Mapping[str, Any] | None) -> None:
        """Go on from ``state`` of ``load_state``, if there is one.

        Raises ``CheckpointError`` where that cannot be exact: the state is damaged or of other
        settings, of another number of processes, or of data of another size.
        """
        if state is None:
            return
        count = state.get("processes", self.processes.count)
        if count != self.processes.count:
            raise CheckpointError(
                f"{self._state_path}: belongs to a run of {count} processes, got "
                f"{self.processes.count}; start as many again, or give another --out"
            )
        before = state.get("steps", self.steps)
        is_longer = self.config.steps is not None and before < self.steps
        if (before != self.steps and not is_longer) or state["step"] > self.steps:
            folders = ", ".join(map(str, self.config.folders))
            raise CheckpointError(
                f"{self._state_path}: belongs to a run of {before} steps, "
                f"which would now be {self.steps}: {folders} has changed; give another "
                "--out, or the data as they were"
            )
        try:
            self.stage.load_state_dict(state["stage"])
        except RuntimeError as error:
            raise CheckpointError(
                f"{self._state_path}: belongs to a network of other layers, as one of an earlier "
                f"version may be ({str(error).splitlines()[-1].strip()}); give another --out, or "
                "the settings that leave those out"
            ) from None
        self._average.values = {
            name: tensor.to(self.processes.device) for name, tensor in state["average"].items()
        }
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self._history.rows = state["step"], state["history"]
        if is_longer:
            _LOG.info(
                "%d steps where there were %d: the learning rate goes on as in a run of so many",
                self.steps,
                before,
            )
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
            "steps": self.steps,
            "processes": self.processes.count,
            "contents": self._contents,
            "history": self._history.rows,
        }
        save_state(self._state_path, self.config, state)
        for stage, before in self._trained_before.items():
            self.model.trained_steps[stage] = None if before is None else before + self.step
        self._average.swap()
        try:
            save_checkpoint(self.config.out / "model.safetensors", self.model)
        finally:
            self._average.swap()
        with self._told_disk():
            self._history.write_csv()

    def _has_its_weights(self) -> bool:
        """Whether the folder holds the weights of this state: a stop may have come between the two.
        What they build on stays as it was in that checkpoint."""
        try:
            saved = load_checkpoint(self.config.out / "model.safetensors").state_dict()
        except CheckpointError:
            return False
        self._average.swap()
        try:
            return all(
                name in saved and torch.equal(tensor.cpu(), saved[name])
                for name, tensor in self.model.state_dict().items()
                if name.split(".")[0] in self._trained_before
            )
        finally:
            self._average.swap()

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

    def run(self, watch: Watch | None = None) -> dict[str, float]:
        """Train to the last step, or until ``watch`` stops it, and return the last validation
        errors.

        A stop at any time leaves the last saved state to go on from. Raises
        ``CheckpointError`` when the disk is full and ``DataError`` when the loss or its gradient
        is not finite.
        """
        wrapped = self.processes.wrap(self.stage)
        self.stage.train()
        if self.step == self.steps and not self._has_its_weights():
            self.save()
        if self.processes.is_first:
            with self._told_disk():
                self._history.open_tensorboard()
        try:
            with held_interrupts() as interrupted:
                self._train(wrapped, watch, interrupted)
        except KeyboardInterrupt:
            _LOG.info(
                "stopped at step %d of %d, all of it saved: the same command goes on from there",
                self.step,
                self.steps,
            )
            raise
        finally:
            self._history.close_tensorboard()
        if self.processes.is_first:
            with self._told_disk():
                self._history.plot()
        self.processes.wait()
        return self._history.last_errors()

    def _train(
        self, wrapped: torch.nn.Module, watch: Watch | None, interrupted: Callable[[], bool]
    ) -> None:
        console = messages()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        started, first_step = time.perf_counter(), self.step
        with Progress(*columns, console=console, disable=not self.processes.is_first) as bar:
            task = bar.add_task(self.config.stage, total=self.steps, figures="")
            while self.step < self.steps:
                parts = self._advance(wrapped)
                if self.step == self.steps:
                    self._finish()
                bar.update(task, completed=self.step)
                validating = self._is_due(self.config.validate_every)
                if validating or self._is_due(_LOG_EVERY):
                    row = {name: float(value) for name, value in parts.items()}
                    if validating:
                        row.update(self.validate())
                        frames = (self.step - first_step) * self.stage.frames_per_step
                        speed = f", {frames / (time.perf_counter() - started):.0f} frames/s"
                        self._tell(row, speed)
                    elif not console.is_terminal and self._is_due(5 * _LOG_EVERY):
                        self._tell(row)
                    with self._told_disk():
                        self._history.add(self.step, row)
                    bar.update(task, figures=_figures(row))
                if self._is_due(self.config.save_every):
                    self.save()
                if self._is_over(watch, interrupted):
                    self.save()
                    return

    def _finish(self) -> None:
        self._average.swap()
        self.stage.eval()
        self.stage.finish()
        self.stage.train()
        self._average.swap()

    def _is_over(self, watch: Watch | None, interrupted: Callable[[], bool]) -> bool:
        """Whether the run stops here; several processes ask each other every few steps."""
        if not self._is_due(_WATCH_EVERY):
            return self.processes.count == 1 and interrupted()
        is_over = watch is not None and watch(self.step, self.steps)
        return self.processes.any(is_over or interrupted())

    def _is_due(self, every: int) -> bool:
        """Whether what happens every so many steps, and after the last, happens now."""
        return self.step % every == 0 or self.step == self.steps

    def _tell(self, row: Mapping[str, float], speed: str = "") -> None:
        if self.processes.is_first:
            _LOG.info("step %d/%d%s: %s", self.step, self.steps, speed, _figures(row))

    def _advance(self, wrapped: torch.nn.Module) -> Mapping[str, Tensor]:
        rate = learning_rate(self.config.optim, self.step, self.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        rng = batch_rng(self.config.seed, self.step, self.processes.rank)
        batch: Batch = self.stage.make_batch(rng)
        device = self.processes.device
        loss, parts = wrapped({name: t.to(device) for name, t in batch.items()})
        if not torch.isfinite(loss):
            raise self._not_finite(f"the loss is {loss.item()}")
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(
            (p for group in self._optimiser.param_groups for p in group["params"]),
            self.config.optim.max_grad_norm,
        )
        if not torch.isfinite(norm):  # the step would spoil every weight, and then the state
            raise self._not_finite(f"the norm of the gradient is {norm.item()}")
        self._optimiser.step()
        self.step += 1
        self._average.update(self.step)
        return {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}}

    def _not_finite(self, what: str) -> DataError:
        return DataError(
            f"step {self.step}: {what}; lower --optim.lr, or look for outliers with "
            "same-data inspect. The saved state is from before."
        )


def _figures(row: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items())


def write_config(config: TrainConfig) -> None:
    """Write ``config.json`` into the run's folder."""
    text = json.dumps(asdict(config), indent=1, default=str)
    with whole_file(config.out / "config.json") as partial:
        partial.write_text(text + "\n")
