"""Everything that decides a run of all rows of the paper's tables."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from same_engines.errors import InvalidInputError
from same_engines.field_checks import check_ranges
from same_model.loss_config import LossConfig
from same_model.training.config import (
    ABLATIONS,
    COUNT,
    SEED,
    AugmentConfig,
    Device,
    InitFrom,
    OptimConfig,
    Preset,
    StageName,
    TrainConfig,
)
from same_runtime.cli.option_types import one_of

_VALIDATIONS: Final = 5
"""Validations of each stage of a row, which show whether its error still falls at the end."""


@dataclass(frozen=True)
class RowsConfig:
    """Train the rows of the paper's Tables 1-4, each as same-train fusion and temporal would, with
    the paper's temporal network.

    The rows share the frozen backbones, the data in memory and the cached visual features.
    RUNS/ROW/model.safetensors is a row's result, which same-eval ablations RUNS evaluates;
    RUNS/ROW/fusion is its first half. Stopped at any time, the same command goes on.
    """

    runs: Annotated[Path, tyro.conf.Positional]
    """Folder of the rows."""
    data: Path
    """Folder with sequence folders at any depth."""
    visual: Path
    """Checkpoint with the trained visual stage."""
    inertial: Path
    """Checkpoint with the trained inertial stage."""
    rows: Annotated[tuple[str, ...], one_of(*ABLATIONS)] = ()
    """Rows to train; default: all."""
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
    preset: Preset = "lite"
    """Size of the network."""
    validation: tuple[str, ...] = ()
    """Performers held out for validation, as file name patterns, such as ``cmu10-*``."""
    cache: Path | None = None
    """Folder for cached visual features; default: ``cache`` in RUNS."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if PyTorch finds one."""
    threads: int | None = None
    """CPU threads; default: PyTorch's choice."""
    seed: int = 0
    """The same seed and settings give the same weights."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        for row in self.rows:
            if row not in ABLATIONS:
                raise InvalidInputError(f"rows: expected {', '.join(ABLATIONS)}; got {row!r}")
        check_ranges(self, fusion_steps=COUNT, temporal_steps=COUNT, fusion_batch=COUNT)
        check_ranges(self, temporal_batch=COUNT, versions=COUNT, threads=COUNT, seed=SEED)

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
            joint_filter=False,
            **steps,
            init=InitFrom(visual=self.visual, inertial=self.inertial, fusion=fusion),
            validation=self.validation,
            versions=self.versions,
            cache=self.cache or self.runs / "cache",
            device=self.device,
            threads=self.threads,
            seed=self.seed,
            validate_every=max(1, steps["steps"] // _VALIDATIONS),
            optim=self.optim,
            augment=self.augment,
            loss=self.loss,
        )
