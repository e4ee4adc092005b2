"""What a whole run will do, worked out and checked before any of it."""

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from same_engines.errors import DataError, InvalidInputError, install_hint
from same_model.checkpoint import load_checkpoint
from same_model.config import ModelConfig
from same_model.data.sequence import find_sequences
from same_model.synth.config import SynthConfig
from same_model.synth.motion.capture.joint_names import read_joint_map
from same_model.synth.motion.splits import SplitFile, load_split
from same_model.synth.plan import Job, UnlistedClips, left_to_others, licence_warnings, plan_jobs
from same_model.training.config import InitFrom, OptimConfig, TrainConfig
from same_model.training.prepare import initial_model, model_config
from same_model.training.whole_run.config import StageBudget, WholeRunConfig

_TRAINED_ON = ("train", "validation")
_PROTOCOLS = ("protocol1", "protocol2")
_TOGETHER_LOCAL = 20.0  # of fusion's loss in metres, beside heatmaps' in nats
TrainStep = Literal["inertial", "visual", "fusion", "end_to_end", "temporal"]
INIT = "init.safetensors"
"""Name of the copy of ``WholeRunConfig.init`` in the run's folder."""
NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    "motion": ("inertial",),
    "images": ("visual", "fusion", "end_to_end", "temporal", "budget"),
    "fresh_images": ("fusion", "temporal"),
    "varied_images": ("end_to_end",),
    "headset_rate": ("temporal",),
    "test": ("evaluate",),
}
"""Step that makes recordings -> the steps that read them."""
TOOLS: Mapping[str, str] = {
    "export": "same-export",
    "evaluate": "same-eval",
    "budget": "same-eval",
}
"""Step -> the command that does it."""


@dataclass(frozen=True, eq=False)
class WholeRunPlan:
    """Recordings to make and stages to train."""

    split: SplitFile
    data: dict[str, tuple[SynthConfig, list[Job]]]
    """Step -> the recordings that it makes, under ``out``/data/STEP."""
    stages: dict[str, TrainConfig]
    """Step -> the stage that it trains."""
    tests: Path | None
    """Folder of the protocols' recordings; None where none are planned."""
    held_out: Path | None
    """Folder of the recordings for validation, and for the error budget, so that no test decides;
    None where none are planned."""
    warnings: list[str]
    """What somebody must know of the clips, a sentence each."""

    def units(self, steps: tuple[str, ...]) -> dict[str, int]:
        """Step -> jobs, optimiser steps, or 1 for a command."""
        counts: dict[str, int] = {name: len(jobs) for name, (_, jobs) in self.data.items()}
        counts.update({name: stage.steps or 0 for name, stage in self.stages.items()})
        return {step: counts.get(step, 1) for step in steps}


def make_plan(config: WholeRunConfig) -> WholeRunPlan:
    """The plan of ``config``.

    Raises ``DataError``, ``InvalidInputError`` or ``CheckpointError`` for whatever would stop the
    run later on and can be known now; nothing is written.
    """
    split = load_split(config.split_file)
    network = replace(
        model_config(_stage(config, "visual", InitFrom())),
        column_zoom=config.column_zoom,
        row_zoom=config.row_zoom,
    )
    _check_sizes(config, network)
    _check_tools(config)
    data = _recordings(config, split)
    if config.init is not None:
        load_checkpoint(config.init, config.preset)
        initial_model(_stage(config, "visual", InitFrom(all=config.init)))
    validation = any(job.split == "validation" for job in data["images"][1])
    held_out = config.out / "data" / "images" / "validation" if validation else None
    stages = _stages(config, held_out)
    tests = config.out / "data" / "test" if data["test"][1] else None
    warnings = [
        *licence_warnings([job for _, jobs in data.values() for job in jobs]),
        # Named by hand, clips are for training alone: none of a protocol is made.
        *left_to_others(config.motion, config.clips, _TRAINED_ON, split),
    ]
    return WholeRunPlan(split, data, stages, tests, held_out, warnings)


def without_held_out(config: WholeRunConfig, plan: WholeRunPlan) -> WholeRunPlan:
    """``plan`` where none of the recordings for validation could be made."""
    return replace(plan, stages=_stages(config, None), held_out=None)


def was_made(folder: Path | None) -> bool:
    """Whether there is a recording in ``folder``."""
    if folder is None:
        return False
    try:
        return bool(find_sequences(folder))
    except DataError:
        return False


def _recordings(
    config: WholeRunConfig, split: SplitFile
) -> dict[str, tuple[SynthConfig, list[Job]]]:
    joint_map = read_joint_map(config.joint_map) if config.joint_map else {}
    unlisted = UnlistedClips(config.credit, joint_map, config.amc_fps)

    def jobs(settings: SynthConfig, splits: tuple[str, ...]) -> list[Job]:
        return plan_jobs(settings, config.motion, splits, config.clips, split, unlisted)

    made = {
        "motion": (config.motion_data, jobs(config.motion_data, _TRAINED_ON)),
        "images": (config.images, jobs(config.images, _TRAINED_ON)),
        "fresh_images": (config.fresh_images, jobs(config.fresh_images, ("train",))),
        "varied_images": (config.varied_images, jobs(config.varied_images, ("train",))),
        "headset_rate": (config.headset_rate, jobs(config.headset_rate, ("train",))),
    }
    for name, (_, planned) in made.items():
        if not any(job.split == "train" for job in planned):
            raise DataError(f"{name}: the split {split.label} finds nothing to train on")
    # Clips that no split lists are all trained on, so there may be no test.
    listed = {clip.split for clip in split.clips} | {s for s, a in split.procedural.items() if a}
    has_protocols = not config.clips and bool(listed & set(_PROTOCOLS))
    made["test"] = (config.test, jobs(config.test, _PROTOCOLS) if has_protocols else [])
    return made


def _stage(
    config: WholeRunConfig,
    step: TrainStep,
    init: InitFrom,
    held_out: Path | None = None,
) -> TrainConfig:
    folders = {
        "inertial": [config.out / "data" / "motion"],
        "visual": [config.out / "data" / "images"],
        "fusion": [config.out / "data" / "fresh_images"],
        "end_to_end": [config.out / "data" / "varied_images"],
        "temporal": [config.out / "data" / "fresh_images", config.out / "data" / "headset_rate"],
    }[step]
    if held_out is not None:
        folders.append(held_out)
    budget: StageBudget = getattr(config, step)
    return TrainConfig(
        "fusion" if step == "end_to_end" else step,
        folders[0],
        config.out / step,
        more_data=tuple(folders[1:]),
        preset=config.preset,
        # The later stages follow its checkpoint.
        column_zoom=config.column_zoom if step == "visual" else None,
        row_zoom=config.row_zoom if step == "visual" else None,
        leg_straps=(step == "inertial" and bool(config.augment.measured_straps)) or None,
        end_to_end=step == "end_to_end",
        init=init,
        steps=budget.steps,
        batch=budget.batch,
        versions=config.versions,
        cache=config.out / "cache",
        precision=config.precision,
        device=config.device,
        threads=config.threads,
        seed=config.seed,
        save_every=config.save_every,
        validate_every=config.validate_every,
        optim=OptimConfig(
            lr=budget.lr, weight_decay=budget.weight_decay, ema_decay=budget.ema_decay
        ),
        loss=replace(config.loss, local=_TOGETHER_LOCAL) if step == "end_to_end" else config.loss,
        augment=config.augment,
    )


def _stages(config: WholeRunConfig, held_out: Path | None) -> dict[str, TrainConfig]:
    def result(stage: str) -> Path:
        return config.out / stage / "model.safetensors"

    # A copy beside the stages, so that a run that moved to another machine goes on exactly.
    init = None if config.init is None else config.out / INIT
    first = InitFrom(all=init)
    backbones = InitFrom(all=init, visual=result("visual"), inertial=result("inertial"))
    return {
        "inertial": _stage(config, "inertial", first),
        "visual": _stage(config, "visual", first),
        "fusion": _stage(config, "fusion", backbones, held_out),
        "end_to_end": _stage(config, "end_to_end", InitFrom(all=result("fusion")), held_out),
        "temporal": _stage(config, "temporal", InitFrom(all=result("end_to_end")), held_out),
    }


def _check_sizes(config: WholeRunConfig, network: ModelConfig) -> None:
    # The middle shows no more than evenly spaced columns and rows unless the image has as many.
    width = _in_fours(network.column_zoom * network.input_width)
    height = _in_fours(network.row_zoom * network.input_height)
    # With pixels as wide as they are high.
    larger = max(width / network.input_width, height / network.input_height)
    advised = _in_fours(larger * network.input_width), _in_fours(larger * network.input_height)
    for name, data in (
        ("images", config.images),
        ("fresh_images", config.fresh_images),
        ("varied_images", config.varied_images),
        ("headset_rate", config.headset_rate),
        ("test", config.test),
    ):
        if not data.render:
            raise InvalidInputError(f"{name}.render: the cameras must see something here")
        option = f"--{name.replace('_', '-')}"
        if data.width < width or data.height < height:
            raise InvalidInputError(
                f"{name}: {data.width}x{data.height} is smaller than the {width}x{height} that "
                f"preset {config.preset} takes with a column_zoom of {network.column_zoom:g} and "
                f"a row_zoom of {network.row_zoom:g}; give "
                f"{option}.width {advised[0]} {option}.height {advised[1]}"
            )


def _in_fours(pixels: float) -> int:
    return 4 * math.ceil(pixels / 4)


def _check_tools(config: WholeRunConfig) -> None:
    if importlib.util.find_spec("numba") is None:
        raise InvalidInputError(f"rendering needs numba: {install_hint('train')}")
    installed = {entry.name for entry in entry_points(group="console_scripts")}
    for step in config.steps:
        if step in TOOLS and TOOLS[step] not in installed:
            raise InvalidInputError(
                f"until: {step} needs {TOOLS[step]}, which is not installed here; stop before it, "
                "as by --until temporal"
            )
