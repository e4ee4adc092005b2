"""From a configuration to a stage that is ready to train."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from same_engines.bundle.manifest import STAGES
from same_engines.errors import CheckpointError, InvalidInputError
from same_model.checkpoint import load_checkpoint
from same_model.config import PRESETS, ModelConfig
from same_model.data.sequence import SequenceReader
from same_model.same_network import SameModel
from same_model.training.config import TrainConfig
from same_model.training.data.dataset import Frames, check_images, load_frames, load_images
from same_model.training.data.fusion_inputs import BackboneCache, paper_fusion
from same_model.training.data.performers import split_performers
from same_model.training.data.visual_cache import (
    VisualCache,
    cached_visual,
    joined_caches,
    with_errors_scaled,
)
from same_model.training.stages.concat import ConcatTraining
from same_model.training.stages.end_to_end import EndToEndTraining
from same_model.training.stages.fusion import FusionTraining
from same_model.training.stages.fusion_end_to_end import FusionEndToEndTraining
from same_model.training.stages.inertial import (
    InertialCache,
    InertialTraining,
    augmented_features,
    every_other_measured,
    run_inertial,
)
from same_model.training.stages.joint import JointTraining
from same_model.training.stages.stage import Stage, StageSetup
from same_model.training.stages.temporal import TemporalTraining
from same_model.training.stages.visual import VisualTraining

_BATCH = {"visual": 48, "inertial": 16, "fusion": 128, "temporal": 64, "joint": 4}
_CONCAT_BATCH = 16
# Weights of either value of ``pose_frame`` have the same names and shapes: only the file tells.
_WEIGHTS_FOR = {
    "pose_frame": ("inertial", "fusion"),
    "use_joint_filter": ("temporal",),
    "use_imu_filter": ("temporal",),
    "column_zoom": ("visual",),
    "row_zoom": ("visual",),
    "use_leg_straps": ("inertial",),
}
_DECIDES_SHAPES = ("use_joint_filter", "use_imu_filter")


def model_config(config: TrainConfig) -> ModelConfig:
    """The network that ``config`` trains. Raises ``InvalidInputError`` for an unknown preset."""
    if config.preset not in PRESETS:
        raise InvalidInputError(
            f"preset: expected one of {', '.join(PRESETS)}, got {config.preset!r}"
        )
    return replace(PRESETS[config.preset], **config.model_changes())


def initial_model(config: TrainConfig) -> SameModel:
    """The network with the weights that ``config.init`` names.

    Raises ``CheckpointError`` for a checkpoint whose stage does not fit the network and
    ``InvalidInputError`` for a filter that the network has no place for.
    """
    paths: dict[str, Path] = {
        name: path
        for name in ("all", "visual", "inertial", "fusion", "temporal")
        if (path := getattr(config.init, name)) is not None
    }
    sources = {name: load_checkpoint(path) for name, path in paths.items()}
    settings: dict[str, Any] = {
        "pose_frame": config.pose_frame,
        "use_joint_filter": config.joint_filter,
        "use_imu_filter": config.imu_filter,
        "column_zoom": config.column_zoom,
        "row_zoom": config.row_zoom,
        "use_leg_straps": config.leg_straps,
    }
    fresh = model_config(config)
    if "visual" in learning_stages(config):
        # What it learns from now on may be another zoom than what it knows.
        for zoom in ("column_zoom", "row_zoom"):
            if getattr(config, zoom) is not None:
                fresh = replace(fresh, **{zoom: settings.pop(zoom)})
    if config.stage == "temporal" and config.imu_filter:
        # At first it adds nothing to what a checkpoint without it knows.
        fresh = replace(fresh, use_imu_filter=settings.pop("use_imu_filter"))
    if config.stage == "inertial" and config.leg_straps:
        # From now on it learns what that says.
        fresh = replace(fresh, use_leg_straps=settings.pop("use_leg_straps"))
    elif config.stage == "inertial" and not config.augment.measured_straps:
        fresh = replace(fresh, use_leg_straps=False)
    taken_over = {
        field: _taken_over(asked, field, getattr(fresh, field), sources)
        for field, asked in settings.items()
    }
    model = SameModel(replace(fresh, **taken_over))
    if config.imu_filter and not model.config.use_imu_filter:
        raise InvalidInputError(
            "imu_filter: expected a network with a joint filter, a temporal stage and inertial "
            "sensors, got one that lacks one of them by its checkpoint, ablation or --joint-filter"
        )
    for name, source in sources.items():
        _take_weights(config, model, name, source)
    return model


def _take_weights(config: TrainConfig, model: SameModel, name: str, source: SameModel) -> None:
    """Give ``model`` the weights that ``config.init`` names as ``name``, those of ``source``."""
    into, out_of = (
        (model, source) if name == "all" else (getattr(model, name), getattr(source, name))
    )
    weights = out_of.state_dict()
    if config.stage == "temporal" and config.imu_filter:
        weights = {**_imu_weights(into), **weights}
    try:
        into.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(
            f"{getattr(config.init, name)}: its {name} weights do not fit preset {config.preset} "
            f"with ablation {config.ablation}: {str(error).splitlines()[-1].strip()}"
        ) from None
    taken = STAGES if name == "all" else (name,)
    model.trained_steps.update({stage: source.trained_steps[stage] for stage in taken})
    told, was_told = model.config.use_leg_straps, source.config.use_leg_straps
    if "inertial" in taken and told and not was_told:
        model.inertial.ignore_straps()
    if "fusion" in taken and source.config.zooms != model.config.zooms:
        # It looks around joints by pixels of the other zoom: a start, but nothing trained.
        model.trained_steps["fusion"] = 0


def _imu_weights(module: nn.Module) -> dict[str, Tensor]:
    """Those weights of ``module`` that are the filter's over the inertial stage's joints."""
    weights = module.state_dict().items()
    return {name: weight for name, weight in weights if "joint_filter.imu_" in name}


def learning_stages(config: TrainConfig) -> tuple[str, ...]:
    """The stages whose weights a run of ``config`` changes."""
    if config.stage == "joint":
        return STAGES if config.end_to_end else ("fusion", "temporal")
    return ("visual", "fusion") if config.end_to_end else (config.stage,)


def check_predecessors(config: TrainConfig, model: SameModel) -> None:
    """Raise ``InvalidInputError`` where ``config`` would train on what no training has touched."""
    if config.allow_untrained:
        return
    used = {
        "visual": model.config.uses_images,
        "inertial": model.config.use_imu,
        "fusion": True,
    }
    builds_on = {"fusion": 2, "joint": 2, "temporal": 3}.get(config.stage, 0)
    learning = learning_stages(config)
    for stage in STAGES[:builds_on]:
        if used[stage] and stage not in learning and model.trained_steps[stage] == 0:
            raise InvalidInputError(
                f"init.{stage}: stage {config.stage} builds on stage {stage}, which was never "
                f"trained; train it (same-train {stage}) and name its checkpoint by "
                f"--init.{stage}, or --init.all for a checkpoint of several stages"
            )


def _taken_over(asked: Any, field: str, default: Any, sources: Mapping[str, SameModel]) -> Any:
    """``field`` of ``ModelConfig``: as ``asked`` and as in the checkpoints whose weights are for
    one value of it, else ``default``."""
    stages = _WEIGHTS_FOR[field]
    said = {
        f"init.{name}": getattr(source.config, field)
        for name, source in sources.items()
        if name in stages
        # Its weights of these stages are replaced, but fit no network of another shape.
        or (name == "all" and (field in _DECIDES_SHAPES or not sources.keys() >= set(stages)))
    }
    if asked is not None:
        said[field.removeprefix("use_")] = asked
    if len(set(said.values())) > 1:
        listed = ", ".join(f"{name} {value}" for name, value in said.items())
        raise CheckpointError(
            f"init: expected {' and '.join(stages)} weights of one {field}, got {listed}; train "
            "the others anew"
        )
    return next(iter(said.values()), default)


def _visual_cache(
    config: TrainConfig,
    model: SameModel,
    sequences: list[SequenceReader],
    frames: Frames,
    label: str,
) -> VisualCache:
    """One cache for each folder of recordings, joined."""
    caches, end = [], 0
    for folder in config.folders:
        first, root = end, folder.resolve()
        while end < len(sequences) and sequences[end].path.resolve().is_relative_to(root):
            end += 1
        if end == first:
            continue
        here = sequences[first:end]
        caches.append(
            cached_visual(
                model,
                frames.of_sequences(first, end),
                here,
                partial(load_images, here, model.config),
                config.cache or config.out.resolve().parent / "cache",
                f"{label} in {folder}" if config.more_data else label,
            )
        )
    return joined_caches(caches)


def _backbone_cache(
    config: TrainConfig,
    model: SameModel,
    sequences: list[SequenceReader],
    frames: Frames,
    versions: int,
    image_error: float,
    label: str,
    is_training: bool,
) -> BackboneCache:
    visual = _visual_cache(config, model, sequences, frames, label)
    inertial = _inertial_cache(config, model, frames, versions, is_training)
    visual = with_errors_scaled(visual, frames, image_error)
    return BackboneCache(frames, visual, inertial)


def _inertial_cache(
    config: TrainConfig, model: SameModel, frames: Frames, versions: int, is_training: bool
) -> InertialCache:
    rng = np.random.default_rng([config.seed, 2])
    features = augmented_features(frames, versions, config.augment, rng)
    if is_training and model.config.use_leg_straps:
        features = every_other_measured(features, frames, rng)
    return run_inertial(model.inertial.eval(), frames, features)


@dataclass(frozen=True, eq=False)
class BackboneCaches:
    """What the frozen backbones make of the training data and of the held-out performers."""

    train: BackboneCache
    held_out: BackboneCache | None


def _load(
    train: list[SequenceReader],
    validation: list[SequenceReader],
    config: ModelConfig,
    images: bool,
    windows: bool,
) -> tuple[Frames, Frames | None]:
    """The frames to train on and those held out, if there are any; as ``load_frames``."""
    frames = load_frames(train, config, images, "training data", windows)
    if not validation:
        return frames, None
    return frames, load_frames(validation, config, images, "validation data", windows)


def backbone_caches(config: TrainConfig, model: SameModel) -> BackboneCaches:
    """Load the data of ``config`` and run the backbones of ``model`` over it, or find that done.

    Every row of the ablation tables with these backbones can train on the result. Raises
    ``DataError`` for data that cannot be trained on.
    """
    train, validation = split_performers(config.folders, config.validation)
    if model.config.uses_images:
        check_images([*train, *validation])
    frames, held_out = _load(train, validation, model.config, False, True)
    model.freeze_backbones()
    versions, error = config.versions, config.augment.image_error
    return BackboneCaches(
        _backbone_cache(config, model, train, frames, versions, error, "training data", True),
        _backbone_cache(config, model, validation, held_out, 1, 1.0, "validation data", False)
        if held_out
        else None,
    )


def make_stage(
    config: TrainConfig, model: SameModel, caches: BackboneCaches | None = None
) -> Stage:
    """The stage of ``config`` with its data in memory; ``caches``: those of ``backbone_caches``
    where they are at hand.

    Raises ``DataError`` for data that cannot be trained on and ``InvalidInputError`` for a stage
    that the network does not have.
    """
    batch, augment, loss = config.batch or _BATCH[config.stage], config.augment, config.row_loss()
    if config.stage == "temporal" and not model.config.use_ttn:
        raise InvalidInputError(
            f"stage: ablation {config.ablation} has no temporal network; stage fusion trains all "
            "of it"
        )
    if config.stage == "joint" or config.end_to_end:
        paper_fusion(model)
    if config.stage in ("visual", "inertial") or config.end_to_end:
        return _stage_on_frames(config, model, batch)
    if caches is None:
        caches = backbone_caches(config, model)
    model.freeze_backbones()
    is_concat = config.stage == "fusion" and model.config.fusion_kind == "concat_lstm"
    if is_concat:
        batch = config.batch or _CONCAT_BATCH
    from_caches = StageSetup(
        model, caches.train, caches.held_out, batch, config.stretch, augment, loss
    )
    if is_concat:
        return ConcatTraining(from_caches)
    if config.stage == "fusion":
        return FusionTraining(from_caches)
    if config.stage == "temporal":
        return TemporalTraining(from_caches, config.seed)
    return JointTraining(from_caches)


def _stage_on_frames(config: TrainConfig, model: SameModel, batch: int) -> Stage:
    """Those stages of ``make_stage`` that take recordings as they are, with nothing in a cache."""
    train, validation = split_performers(config.folders, config.validation)
    images, windows = config.stage != "inertial", config.stage == "joint"
    frames, held_out = _load(train, validation, model.config, images, windows)
    from_frames = StageSetup(
        model,
        frames,
        held_out,
        batch,
        config.stretch,
        config.augment,
        config.row_loss(),
        config.precision == "bf16",
    )
    if config.stage == "visual":
        return VisualTraining(from_frames)
    if config.stage == "inertial":
        return InertialTraining(from_frames)
    if config.stage == "joint":
        return EndToEndTraining(from_frames)
    inertial = _inertial_cache(config, model, frames, config.versions, True)
    inertial_held_out = _inertial_cache(config, model, held_out, 1, False) if held_out else None
    return FusionEndToEndTraining(from_frames, inertial, inertial_held_out)
