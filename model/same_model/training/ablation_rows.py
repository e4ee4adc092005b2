"""Every row of the paper's Tables 1-4, trained on the same backbones, data and budget."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from same_engines.errors import DataError, InvalidInputError
from same_model.checkpoint import save_checkpoint
from same_model.losses import LossConfig
from same_model.same_network import SameModel
from same_model.training.config import (
    ABLATIONS,
    AugmentConfig,
    InitFrom,
    OptimConfig,
    StageName,
    TrainConfig,
)
from same_model.training.prepare import BackboneCaches, backbone_caches, initial_model
from same_model.training.run import train
from same_model.training.run_state import load_state

_LOG = logging.getLogger("same")


@dataclass(frozen=True)
class RowsConfig:
    """Train the rows of the paper's Tables 1-4, each as same-train fusion and temporal would.

    The rows share the frozen backbones, the data in memory and the cached visual features.
    RUNS/ROW/model.safetensors is a row's result, which same-eval ablations RUNS evaluates;
    RUNS/ROW/fusion is its first half. Stopped at any time, the same command goes on.
    """

    runs: Annotated[Path, tyro.conf.Positional]
    data: Path
    """Folder with sequence folders at any depth."""
    visual: Path
    """Checkpoint with the trained visual stage."""
    inertial: Path
    """Checkpoint with the trained inertial stage."""
    rows: tuple[str, ...] = ()
    """Rows to train, among full, no_sa_mvf, no_ma_mmf, no_ttn, none, imu_only, stereo_only,
    imu_left, no_ground and meposer; default: all."""
    fusion_steps: int = 600
    """Steps of the fusion stage of each row."""
    temporal_steps: int = 600
    """Steps of the temporal stage of each row that has one."""
    fusion_batch: int = 96
    """Frames of a fusion step; the row meposer takes 16 stretches of up to 150 frames."""
    temporal_batch: int = 96
    """Windows of a temporal step."""
    versions: int = 2
    """Versions of the inertial inputs, the first as recorded, the others augmented."""
    preset: str = "lite"
    validation: tuple[str, ...] = ()
    """Performers held out for validation, as file name patterns, such as ``cmu10-*``."""
    cache: Path | None = None
    """Folder for cached visual features; default: ``cache`` in RUNS."""
    precision: Literal["fp32", "bf16"] = "fp32"
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in ABLATIONS:
                raise InvalidInputError(f"rows: expected {', '.join(ABLATIONS)}; got {row!r}")

    def run(self, stage: StageName, row: str, fusion: Path | None = None) -> TrainConfig:
        """The run of ``stage`` for ``row``; ``fusion``: checkpoint with its trained fusion."""
        steps: dict[str, Any] = {"steps": self.temporal_steps, "batch": self.temporal_batch}
        if stage == "fusion":
            batch = None if row == "meposer" else self.fusion_batch
            steps = {"steps": self.fusion_steps, "batch": batch}
        return TrainConfig(
            stage,
            self.data,
            self.runs / row / "fusion" if stage == "fusion" else self.runs / row,
            preset=self.preset,
            ablation=row,
            **steps,
            init=InitFrom(visual=self.visual, inertial=self.inertial, fusion=fusion),
            validation=self.validation,
            versions=self.versions,
            cache=self.cache or self.runs / "cache",
            precision=self.precision,
            device=self.device,
            threads=self.threads,
            seed=self.seed,
            validate_every=10**9,
            optim=self.optim,
            augment=self.augment,
            loss=self.loss,
        )


def fusion_row(row: str) -> str:
    """The row that has the same fusion network as ``row``, which is trained only once.

    Fusion trains before the temporal network, so switches of that and of its loss change nothing.
    """

    def without_ttn(name: str) -> dict[str, Any]:
        return {field: on for field, on in ABLATIONS[name].items() if field != "use_ttn"}

    return next(name for name in ABLATIONS if without_ttn(name) == without_ttn(row))


def train_rows(config: RowsConfig) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    shared: list[BackboneCaches] = []
    rows = config.rows or tuple(ABLATIONS)

    def caches(model: SameModel) -> BackboneCaches:
        if not shared:
            shared.append(backbone_caches(config.run("fusion", "full"), model))
        return shared[0]

    def finish(run: TrainConfig) -> Path:
        state = load_state(run.out / "state.pt", run)
        if state is None or state["step"] < (run.steps or 0):
            _LOG.info("row %s: %s", run.ablation, run.stage)
            train(run, caches)
        return run.out / "model.safetensors"

    for row in rows:
        fusion = finish(config.run("fusion", fusion_row(row)))
        last = config.run("temporal", row, fusion)
        if ABLATIONS[row].get("use_ttn", True):
            finish(last)
            continue
        try:
            last.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{last.out}: cannot be written ({error.strerror})") from None
        save_checkpoint(last.out / "model.safetensors", initial_model(last))
