"""Everything that decides a training run, in frozen dataclasses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import tyro

from same_engines.errors import InvalidInputError
from same_engines.field_checks import check_ranges
from same_model.config import ZOOMS
from same_model.loss_config import LossConfig
from same_runtime.cli.option_types import Flag, YesNo, one_of

StageName = Literal["visual", "inertial", "fusion", "temporal", "joint"]
Preset = Annotated[str, one_of("lite", "base", "large")]
Device = Annotated[str, one_of("auto", "cpu", "cuda")]

COUNT: Final = (1, math.inf)
SEED: Final = (0, 2**32 - 1)
"""Ranges of options."""
_MOST_EPOCHS: Final = 1e9

ABLATIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "full": {},
        "no_sa_mvf": {"use_sa_mvf_pe": False},
        "no_ma_mmf": {"use_ma_mmf": False},
        "no_ttn": {"use_ttn": False},
        "none": {"use_sa_mvf_pe": False, "use_ma_mmf": False, "use_ttn": False},
        "imu_only": {"use_left": False, "use_right": False},
        "stereo_only": {"use_imu": False},
        "imu_left": {"use_right": False},
        "no_ground": {},
        "meposer": {"fusion_kind": "concat_lstm", "use_ttn": False},
    }
)
"""Rows of the paper's Tables 1-4, among them the single-modality and MEPoser-like baselines, as
changes of ``ModelConfig``; ``no_ground`` (Table 4) changes the loss instead."""


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser; the defaults are the paper's (AdamW, Loshchilov and Hutter, 2017)."""

    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 3e-5
    """Decoupled weight decay."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """Cosine to 1 % of the peak; or a tenth after 60 % and a hundredth after 85 % of the steps."""
    warmup_steps: int = 100
    """Steps of linear increase at the start."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.999
    """Decay a step of the averaged weights, which are what is saved; 0 saves the last."""

    def __post_init__(self) -> None:
        if not self.lr > 0 or not self.weight_decay >= 0 or not self.max_grad_norm > 0:
            raise InvalidInputError(
                f"optim: expected lr > 0, weight_decay >= 0 and max_grad_norm > 0, got {self.lr}, "
                f"{self.weight_decay}, {self.max_grad_norm}"
            )
        if not 0 <= self.ema_decay < 1 or self.warmup_steps < 0:
            raise InvalidInputError(
                "optim: expected ema_decay in [0, 1) and warmup_steps >= 0, got "
                f"{self.ema_decay} and {self.warmup_steps}"
            )


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of the training inputs; each strength 0 switches its own off.

    The world's yaw needs none: every input is in the camera's or the anchor's frame, so turning
    the world changes no number (a test holds this).
    """

    photometric: float = 1.0
    """Scale of gain, contrast, gamma and sensor noise of the images."""
    mirror: Flag = True
    """Visual stage: half of the stereo pairs mirrored, views and left and right joints swapped."""
    imu_noise: float = 1.0
    """Scale of noise on the inertial features (0.5 degrees, 2 mm, 0.02 m/s, 0.1 m/s^2)."""
    time_offset_s: float = 0.005
    """Spread of the misalignment between images and inertial features, seconds."""
    calibration_deg: float = 0.15
    """Spread of an extra rotation of each camera in the ray map, degrees."""
    view_dropout: float = 0.15
    """Chance that a window loses one view for a span; as often it loses both."""
    image_error: float = 1.0
    """Stage 2: scale of the visual stage's errors on training images, which it knows better than
    others; its error on held-out images over that on its own."""
    device_dropout: float = 0.3
    """Chance that a device is lost for a span of a stretch of some seconds."""
    body_size: float = 0.06
    """Inertial stage: spread of the logarithm of a wearer's size, beyond that of recorded ones."""
    tempo: float = 0.1
    """Inertial stage: spread of the logarithm of a motion's speed."""
    strap_deg: float = 4.0
    """Inertial stage: spread of how leg sensors are strapped on, degrees about each axis."""
    heading_deg: float = 2.0
    """Inertial stage: spread of the error of a leg sensor's heading, degrees."""
    measured_straps: float = 0.5
    """Inertial stage: chance that a stretch's wearer has had the leg straps measured, as
    ``tracker.calibration.start_legs()`` does. For a stage behind one that learned what that says,
    every other recording's wearer has; 0: it does not learn it."""
    true_windows: float = 0.2
    """Temporal stage: chance that a window holds the true poses, which it must leave alone."""

    def __post_init__(self) -> None:
        scale, degrees, chance = (0.0, 100.0), (0.0, 180.0), (0.0, 1.0)
        check_ranges(self, photometric=scale, imu_noise=scale, image_error=scale)
        check_ranges(self, body_size=(0.0, 1.0), tempo=(0.0, 1.0), time_offset_s=(0.0, 1.0))
        check_ranges(self, calibration_deg=degrees, strap_deg=degrees, heading_deg=degrees)
        check_ranges(self, view_dropout=chance, device_dropout=chance, measured_straps=chance)
        check_ranges(self, true_windows=chance)


@dataclass(frozen=True)
class InitFrom:
    """Checkpoints whose weights a run starts from; None starts afresh."""

    all: Path | None = None
    """Checkpoint for every stage."""
    visual: Path | None = None
    """Checkpoint for the visual stage, which fusion and what follows build on."""
    inertial: Path | None = None
    """Checkpoint for the inertial stage, which fusion and what follows build on."""
    fusion: Path | None = None
    """Checkpoint for the fusion stage, which the temporal one builds on."""
    temporal: Path | None = None
    """Checkpoint for the temporal stage."""


@dataclass(frozen=True)
class TrainConfig:
    """Train one stage of SAME on sequence folders that same-data wrote.

    Order: visual and inertial (stage 1), then joint (stage 2 of the paper; its halves fusion and
    temporal are faster on few cores).
    A run stopped at any time goes on exactly when the same command is given again. Under
    torchrun the same command runs on many processes.
    """

    stage: Annotated[StageName, tyro.conf.Positional]
    """The stage to train."""
    data: Path
    """Folder with sequence folders at any depth; those of the split's protocols are left out."""
    out: Path
    """Folder of the run: model.safetensors, state.pt, losses.csv, losses.png, TensorBoard logs."""
    more_data: tuple[Path, ...] = ()
    """Further such folders; the visual features of each are cached by themselves, so that runs on
    some of the same folders share them."""
    preset: Preset = "lite"
    """Size of the network."""
    ablation: Annotated[str, one_of(*ABLATIONS)] = "full"
    """A row of the paper's Tables 1-4."""
    pose_frame: Literal["upright", "camera"] | None = None
    """Axes in which the inertial and the fusion stage work, see ``ModelConfig``; None: those of the
    checkpoints that the run starts from, else upright."""
    joint_filter: YesNo | None = None
    """Whether the temporal network reads joints through a linear filter over their past; False: as
    in the paper; None: as the checkpoints that the run starts from, else with it."""
    imu_filter: YesNo | None = None
    """Whether that filter is over the inertial stage's joints too; None: as the checkpoints that
    the run starts from, else with it. The temporal stage may take it up after one without."""
    column_zoom: float | None = None
    """How much denser than evenly spaced the columns of the image's middle are (``ModelConfig``);
    None: as in the checkpoints that the run starts from, else 1. The visual stage may go on from
    another. Recordings should be at least that many times as wide as the network's input."""
    row_zoom: float | None = None
    """The same of its rows, and of the recordings' height."""
    leg_straps: YesNo | None = None
    """Whether the inertial stage is told when leg straps were measured; None: as the checkpoints
    that the run starts from, else it is. The inertial stage may learn it after training without."""
    end_to_end: bool = False
    """From the images: the joint stage trains both backbones too, the fusion stage the visual
    one."""
    init: InitFrom = field(default_factory=InitFrom)
    allow_untrained: bool = False
    """Let a stage build on stages that were never trained, as tests of the machinery do."""
    steps: int | None = None
    """Optimiser steps; default: as many as ``epochs`` take. A run that is done, or stopped, goes on
    to more of them."""
    epochs: float = 20.0
    """Passes over the data, each frame counted once however many windows it is in."""
    batch: int | None = None
    """Per process: frames (visual 48, fusion 128), stretches (inertial 16) or windows (temporal 64,
    joint 4); fusion of the row meposer takes stretches (16)."""
    stretch: int = 150
    """Inertial stage, fusion of the row meposer and end-to-end training: longest run of frames
    over which the recurrent state is carried."""
    validation: tuple[str, ...] = ()
    """Performers held out for validation, as file name patterns, such as ``cmu10-*``, beside the
    sequences of the split's own validation part."""
    versions: int = 6
    """Stage 2: versions of the frozen inertial stage's outputs, the first as recorded, the others
    with augmented inputs."""
    cache: Path | None = None
    """Folder for cached visual features; default: ``cache`` beside the run's folder, which the runs
    there share."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: the visual stage's convolutions train in bfloat16; all else works with metres."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if PyTorch finds one."""
    threads: int | None = None
    """CPU threads; default: PyTorch's choice."""
    seed: int = 0
    """The same seed and settings give the same weights."""
    save_every: int = 200
    """Steps between saved states."""
    validate_every: int = 500
    """Steps between validations."""
    optim: OptimConfig = field(default_factory=OptimConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        if self.ablation not in ABLATIONS:
            raise InvalidInputError(
                f"ablation: expected one of {', '.join(ABLATIONS)}, got {self.ablation!r}"
            )
        check_ranges(self, steps=COUNT, batch=COUNT, stretch=COUNT, versions=COUNT, threads=COUNT)
        check_ranges(self, save_every=COUNT, validate_every=COUNT, seed=SEED)
        check_ranges(self, column_zoom=ZOOMS, row_zoom=ZOOMS)
        if self.end_to_end and self.stage not in ("joint", "fusion"):
            raise InvalidInputError(
                f"end_to_end: expected stage joint or fusion, which read what others make of "
                f"images, got stage {self.stage}"
            )
        if not 0 < self.epochs <= _MOST_EPOCHS:
            raise InvalidInputError(
                f"epochs: expected more than 0, at most {_MOST_EPOCHS:g}, got {self.epochs}"
            )

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder of recordings."""
        return (self.data, *self.more_data)

    def model_changes(self) -> dict[str, Any]:
        """What the chosen ablation changes in ``ModelConfig``."""
        return dict(ABLATIONS[self.ablation])

    def row_loss(self) -> LossConfig:
        """The loss, as the chosen ablation changes it."""
        return replace(self.loss, ground=0.0) if self.ablation == "no_ground" else self.loss
