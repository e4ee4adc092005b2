"""Everything that decides a whole run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from same_engines.errors import InvalidInputError
from same_engines.field_checks import check_ranges
from same_engines.processes import usable_processors
from same_model.config import ZOOMS
from same_model.loss_config import LossConfig
from same_model.synth.config import SynthConfig
from same_model.synth.motion.splits import AMC_FPS, FRAME_RATES
from same_model.training.config import COUNT, SEED, AugmentConfig, Device, OptimConfig, Preset
from same_runtime.cli.option_types import one_of

STEPS: Final = (
    "motion",
    "inertial",
    "images",
    "visual",
    "fresh_images",
    "fusion",
    "varied_images",
    "end_to_end",
    "headset_rate",
    "temporal",
    "test",
    "export",
    "evaluate",
    "budget",
)
"""What a whole run does, in this order; ``images`` are rendered beside ``inertial``,
``fresh_images`` beside ``visual``, ``varied_images`` beside ``fusion``, ``headset_rate`` beside
``end_to_end``."""

# They change nothing of the result, or are checked in another way.
_FREE_FIELDS = ("out", "motion", "init", "until", "minutes", "workers", "device", "threads")


@dataclass(frozen=True)
class StageBudget:
    """How long and how fast one stage learns."""

    steps: int
    """Optimiser steps."""
    batch: int
    """Frames (visual, fusion, end_to_end), stretches (inertial) or windows (temporal) a step and
    process."""
    lr: float = 1e-3
    """Peak learning rate."""
    weight_decay: float = 3e-5
    """Decoupled weight decay."""
    ema_decay: float = 0.998
    """Decay a step of the averaged weights, which are what is saved."""

    def __post_init__(self) -> None:
        check_ranges(self, steps=COUNT, batch=COUNT)
        # Refuses what the stage's own settings would, before any work.
        OptimConfig(lr=self.lr, weight_decay=self.weight_decay, ema_decay=self.ema_decay)


def _images() -> SynthConfig:
    return SynthConfig(
        seed=31,
        procedural=6,
        max_seconds=5.0,
        scatter=True,
        restyle=0.35,
        splice=0.15,
        rig_spread=1.8,
    )


def _fresh_images() -> SynthConfig:
    return replace(_images(), seed=83)


def _varied_images() -> SynthConfig:
    return replace(_images(), seed=601, fps=10.0, variants=6, procedural=24)


def _headset_rate() -> SynthConfig:
    return replace(_images(), seed=71, fps=90.0, max_seconds=1.6)


def _motion_data() -> SynthConfig:
    return SynthConfig(
        width=16,
        height=16,
        render=False,
        seed=41,
        variants=2,
        procedural=10,
        max_seconds=20.0,
        scatter=True,
        restyle=0.3,
        splice=0.12,
        rig_spread=1.8,
    )


def _test_data() -> SynthConfig:
    return SynthConfig(procedural=2, max_seconds=8.0)


def _loss() -> LossConfig:
    return LossConfig(
        ground=30.0, form="distance", steady=0.5, standing=0.7, lowest=0.3, late=0.1, legs=3.0
    )


@dataclass(frozen=True)
class WholeRunConfig:
    """Render, train every stage in order, export and evaluate: from motion clips to a bundle.

    $ same-train all --motion clips --out runs/mine

    Stopped at any time, the same command goes on. Under torchrun the stages train on many
    processes, which need one file system; the first of them does the rest.
    On a machine without a package registry: same-train pack --help
    """

    out: Path
    """Folder of the run: data/, a folder for each stage, model.safetensors, the bundle,
    evaluation/ and budget/."""
    motion: tuple[Path, ...] = ()
    """Folders of BVH or AMC clips, searched with their subfolders; without any only procedural
    motion is made."""
    clips: tuple[str, ...] = ()
    """Only these clips or patterns; '*' takes all of your own, which then are all trained on."""
    split_file: Path | None = None
    """Another split than the latest: a file, or a shipped one such as `cmu-v1`."""
    joint_map: Path | None = None
    """JSON file that names the joints of a skeleton of your own."""
    amc_fps: float = AMC_FPS
    """Frames per second of AMC clips that no split lists: their files do not say."""
    credit: str = ""
    """Whose the clips are that no split lists, and their licence; goes into each recording."""
    preset: Preset = "lite"
    """Size of the network."""
    init: Path | None = None
    """Checkpoint whose weights every stage starts from; default: afresh."""
    column_zoom: float = 1.8
    """How much denser than evenly spaced the columns of the image's middle are (``ModelConfig``).
    Recordings are to be at least that many times as wide as the network's input."""
    row_zoom: float = 1.0
    """The same of its rows, and of the recordings' height."""
    images: SynthConfig = field(default_factory=_images)
    """What the visual stage sees, and what all of them are validated on."""
    fresh_images: SynthConfig = field(default_factory=_fresh_images)
    """What fusion and the temporal stage see: with another seed, since the visual stage knows
    images that it was trained on better than it will know others."""
    varied_images: SynthConfig = field(default_factory=_varied_images)
    """What the visual stage and fusion see together: few frames a second, of which neighbours show
    the same, of many more bodies, clothes, lenses and motions."""
    headset_rate: SynthConfig = field(default_factory=_headset_rate)
    """What the temporal stage sees beside them: frames as fast as a headset's, which shake
    more in a second and have more of each other to average."""
    motion_data: SynthConfig = field(default_factory=_motion_data)
    """What the inertial stage sees: without images, so more of it."""
    test: SynthConfig = field(default_factory=_test_data)
    """What the protocols are evaluated on."""
    visual: StageBudget = field(default_factory=lambda: StageBudget(10000, 32, 6e-4))
    inertial: StageBudget = field(default_factory=lambda: StageBudget(4400, 40, 1.5e-3, 1e-2))
    fusion: StageBudget = field(default_factory=lambda: StageBudget(5000, 96))
    end_to_end: StageBudget = field(default_factory=lambda: StageBudget(4500, 40, 6e-4, 0.05))
    """Visual stage and fusion together, from the images; fusion's error in metres counts 20
    times."""
    temporal: StageBudget = field(default_factory=lambda: StageBudget(3500, 96))
    versions: int = 3
    """Versions of the inertial stage's outputs that fusion and the temporal stage see."""
    loss: LossConfig = field(default_factory=_loss)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: the visual stage's convolutions train in bfloat16; all else works with metres."""
    save_every: int = 100
    """Steps between saved states."""
    validate_every: int = 500
    """Steps between validations."""
    seed: int = 0
    """The same seed and settings give the same weights."""
    until: Annotated[str, one_of(*STEPS)] = "budget"
    """The last thing to do."""
    minutes: float | None = None
    """Stop after about so many minutes with everything saved; the same command goes on."""
    workers: int = field(default_factory=usable_processors)
    """Processes that render."""
    device: Device = "auto"
    """Where to train; auto takes a GPU if PyTorch finds one."""
    threads: int | None = None
    """CPU threads of training; default: PyTorch's choice."""

    def __post_init__(self) -> None:
        if self.until not in STEPS:
            raise InvalidInputError(
                f"until: expected one of {', '.join(STEPS)}, got {self.until!r}"
            )
        if self.minutes is not None and not self.minutes > 0:
            raise InvalidInputError(f"minutes: expected more than 0, got {self.minutes}")
        check_ranges(self, workers=COUNT, versions=COUNT, threads=COUNT, seed=SEED)
        check_ranges(self, save_every=COUNT, validate_every=COUNT)
        check_ranges(self, column_zoom=ZOOMS, row_zoom=ZOOMS, amc_fps=FRAME_RATES)

    @property
    def steps(self) -> tuple[str, ...]:
        """What this run does, in order."""
        return STEPS[: STEPS.index(self.until) + 1]

    def shaping(self) -> dict[str, Any]:
        """The settings that decide the result, as flat plain values."""
        values = _flat(self)
        # Wherever these files are, on this machine or another.
        for name in ("split_file", "joint_map"):
            path = getattr(self, name)
            values[name] = None if path is None else path.name
        return {name: values[name] for name in values if name.split(".")[0] not in _FREE_FIELDS}


def _flat(config: object, prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in getattr(config, "__dataclass_fields__", {}):
        value = getattr(config, name)
        if hasattr(value, "__dataclass_fields__"):
            values.update(_flat(value, f"{prefix}{name}."))
        else:
            plain = value is None or isinstance(value, (int, float, str, bool))
            values[f"{prefix}{name}"] = value if plain else str(value)
    return values
