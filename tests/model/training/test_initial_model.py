"""What weights do not tell by themselves, a run takes from the checkpoints it starts from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from same_engines.errors import CheckpointError, InvalidInputError
from same_model.checkpoint import load_checkpoint, save_checkpoint
from same_model.config import PRESETS
from same_model.same_network import SameModel
from same_model.training.config import AugmentConfig, InitFrom, StageName, TrainConfig
from same_model.training.prepare import initial_model
from same_runtime.conventions import STRAP_MEASURED_SLOT

LITE = PRESETS["lite"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    configs = {
        "upright": LITE,
        "camera": replace(LITE, pose_frame="camera"),
        "filter": LITE,
        "none": replace(LITE, use_joint_filter=False),
        "no imu": replace(LITE, use_imu_filter=False),
        "zoomed": replace(LITE, column_zoom=1.8),
        "deaf": replace(LITE, use_leg_straps=False),
    }
    paths = {name: folder / f"{name}.safetensors" for name in configs}
    for name, path in paths.items():
        save_checkpoint(path, SameModel(configs[name]))
    return paths


def settings(
    pose_frame: str | None = None,
    joint_filter: bool | None = None,
    imu_filter: bool | None = None,
    column_zoom: float | None = None,
    row_zoom: float | None = None,
    leg_straps: bool | None = None,
    stage: StageName = "fusion",
    end_to_end: bool = False,
    **init: Path,
) -> TrainConfig:
    return TrainConfig(
        stage,
        Path("data"),
        Path("run"),
        pose_frame=pose_frame,
        joint_filter=joint_filter,
        imu_filter=imu_filter,
        column_zoom=column_zoom,
        row_zoom=row_zoom,
        leg_straps=leg_straps,
        end_to_end=end_to_end,
        init=InitFrom(**init),
    )


@pytest.mark.parametrize("frame", ["upright", "camera"])
def test_a_run_goes_on_in_the_frame_it_starts_from(
    checkpoints: dict[str, Path], frame: str
) -> None:
    for name in ("all", "inertial", "fusion"):
        assert initial_model(settings(**{name: checkpoints[frame]})).config.pose_frame == frame
    assert initial_model(settings(pose_frame=frame)).config.pose_frame == frame


def test_a_fresh_run_is_upright_and_vision_serves_either(checkpoints: dict[str, Path]) -> None:
    assert initial_model(settings()).config.pose_frame == "upright"
    seeing = settings(visual=checkpoints["camera"], temporal=checkpoints["camera"])
    assert initial_model(seeing).config.pose_frame == "upright"


def test_frames_that_do_not_go_together_are_refused(checkpoints: dict[str, Path]) -> None:
    mixed = settings(inertial=checkpoints["camera"], fusion=checkpoints["upright"])
    with pytest.raises(CheckpointError, match=r"init\.inertial camera, init\.fusion upright"):
        initial_model(mixed)
    asked = settings(pose_frame="upright", all=checkpoints["camera"])
    with pytest.raises(CheckpointError, match=r"init\.all camera, pose_frame upright"):
        initial_model(asked)


def test_a_run_filters_joints_if_what_it_starts_from_does(checkpoints: dict[str, Path]) -> None:
    for name in ("all", "temporal"):
        for kind, has in (("filter", True), ("none", False)):
            model = initial_model(settings(**{name: checkpoints[kind]}))
            assert model.config.use_joint_filter is has
    assert initial_model(settings(fusion=checkpoints["none"])).config.use_joint_filter
    assert not initial_model(settings(joint_filter=False)).config.use_joint_filter
    with pytest.raises(CheckpointError, match=r"init\.all False, joint_filter True"):
        initial_model(settings(joint_filter=True, all=checkpoints["none"]))
    with pytest.raises(CheckpointError, match=r"init\.all False, init\.temporal True"):
        initial_model(settings(all=checkpoints["none"], temporal=checkpoints["upright"]))


def test_the_temporal_stage_goes_on_with_a_filter_that_a_checkpoint_lacks(
    checkpoints: dict[str, Path],
) -> None:
    for name in ("all", "temporal"):
        source = load_checkpoint(checkpoints["no imu"]).temporal.state_dict()
        assert not initial_model(settings(**{name: checkpoints["no imu"]})).config.use_imu_filter
        asked = settings(stage="temporal", imu_filter=True, **{name: checkpoints["no imu"]})
        model = initial_model(asked)
        added = [name for name in model.temporal.state_dict() if ".imu_" in name]
        assert added == ["joint_filter.imu_weights", "joint_filter.imu_more_at_90_hz"]
        for weight, value in model.temporal.state_dict().items():
            assert torch.equal(value, source.get(weight, torch.zeros_like(value)))
        kept = initial_model(replace(asked, imu_filter=None)).config
        assert not kept.use_imu_filter
    with pytest.raises(CheckpointError, match=r"init\.all False, imu_filter True"):
        initial_model(settings(imu_filter=True, all=checkpoints["no imu"]))
    for asked in (
        settings(stage="temporal", imu_filter=True, all=checkpoints["none"]),
        settings(stage="temporal", imu_filter=True, joint_filter=False),
        replace(settings(stage="temporal", imu_filter=True), ablation="stereo_only"),
    ):
        with pytest.raises(InvalidInputError, match="imu_filter: expected a network with"):
            initial_model(asked)


def test_columns_stay_as_the_visual_weights_know_them(checkpoints: dict[str, Path]) -> None:
    for name in ("all", "visual"):
        assert initial_model(settings(**{name: checkpoints["zoomed"]})).config.column_zoom == 1.8
    assert initial_model(settings(fusion=checkpoints["zoomed"])).config.column_zoom == 1.0
    with pytest.raises(CheckpointError, match=r"init\.all 1\.0, column_zoom 1\.8"):
        initial_model(settings(column_zoom=1.8, all=checkpoints["upright"]))


@pytest.mark.parametrize(
    "learning", [{"stage": "visual"}, {"stage": "fusion", "end_to_end": True}], ids=str
)
def test_the_visual_stage_goes_on_from_another_zoom(
    checkpoints: dict[str, Path], learning: dict[str, Any]
) -> None:
    adapting = settings(**learning, column_zoom=2.0, row_zoom=1.5, all=checkpoints["zoomed"])
    config = initial_model(adapting).config
    assert (config.column_zoom, config.row_zoom) == (2.0, 1.5)
    rows_alone = settings(**learning, row_zoom=1.5, all=checkpoints["zoomed"])
    config = initial_model(rows_alone).config
    assert (config.column_zoom, config.row_zoom) == (1.8, 1.5)


def test_fusion_of_another_zoom_counts_as_untrained(checkpoints: dict[str, Path]) -> None:
    trained = SameModel(LITE)
    trained.trained_steps.update(dict.fromkeys(trained.trained_steps, 5))
    path = checkpoints["upright"].with_name("trained.safetensors")
    save_checkpoint(path, trained)
    model = initial_model(settings(all=path, visual=checkpoints["zoomed"]))
    assert model.config.column_zoom == 1.8
    assert (model.trained_steps["fusion"], model.trained_steps["temporal"]) == (0, 5)
    assert initial_model(settings(all=path)).trained_steps["fusion"] == 5


def test_a_run_is_told_of_measured_straps_if_its_inertial_weights_are(
    checkpoints: dict[str, Path],
) -> None:
    assert initial_model(settings()).config.use_leg_straps
    assert not initial_model(settings(leg_straps=False)).config.use_leg_straps
    for name in ("all", "inertial"):
        start = {name: checkpoints["deaf"]}
        assert not initial_model(settings(**start)).config.use_leg_straps
        with pytest.raises(CheckpointError, match=rf"init\.{name} False, leg_straps True"):
            initial_model(settings(leg_straps=True, **start))
        learning = initial_model(settings(stage="inertial", leg_straps=True, **start))
        assert learning.config.use_leg_straps
        weight = learning.inertial.embed.weight[-2:]
        assert not weight[:, STRAP_MEASURED_SLOT].any() and weight[:, :12].any()
    assert initial_model(settings(fusion=checkpoints["deaf"])).config.use_leg_straps
    never = replace(settings(stage="inertial"), augment=AugmentConfig(measured_straps=0.0))
    assert not initial_model(never).config.use_leg_straps
    assert initial_model(replace(never, augment=AugmentConfig())).config.use_leg_straps
