from dataclasses import fields, replace

import pytest

from same_engines.errors import CheckpointError, InvalidInputError
from same_model.config import PRESETS, ModelConfig
from same_model.same_network import SameModel


def test_presets_are_those_of_the_design() -> None:
    sizes = {name: (c.input_width, c.input_height, c.feature_dim) for name, c in PRESETS.items()}
    assert sizes == {"lite": (160, 120, 64), "base": (320, 240, 128), "large": (640, 480, 256)}
    for name, config in PRESETS.items():
        assert config.preset == name
        assert config.pe_hidden * 2 == config.feature_dim
        assert (config.window, config.ttn_layers, config.ttn_heads, config.ttn_ffn_dim) == (
            32,
            3,
            8,
            256,
        )


def test_lite_stays_small() -> None:
    assert sum(p.numel() for p in SameModel(PRESETS["lite"]).parameters()) <= 4_500_000


@pytest.mark.parametrize("without", ["use_joint_filter", "use_ttn", "use_imu"])
def test_the_imu_filter_goes_with_what_it_needs(without: str) -> None:
    assert PRESETS["lite"].use_imu_filter
    assert PRESETS["lite"].window_points == 44
    changed = replace(PRESETS["lite"], **{without: False})
    assert not changed.use_imu_filter
    assert changed.window_points == 22


def test_who_reads_no_sensors_is_not_told_of_their_straps() -> None:
    assert PRESETS["lite"].use_leg_straps
    assert not replace(PRESETS["lite"], use_imu=False).use_leg_straps


@pytest.mark.parametrize("name", PRESETS)
def test_dictionary_round_trip(name: str) -> None:
    values = PRESETS[name].to_dict()
    assert ModelConfig.from_dict(values) == PRESETS[name]
    assert set(values) == {field.name for field in fields(ModelConfig)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "unknown field surprise"),
        ({"iterations": "2"}, "iterations"),
        ({"iterations": True}, "iterations"),
        ({"iterations": 10**9}, "iterations"),
        ({"use_imu": 1}, "use_imu"),
        ({"image_std": float("nan")}, "image_std"),
        ({"column_zoom": 0.5}, "column_zoom"),
    ],
)
def test_from_dict_names_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        ModelConfig.from_dict(PRESETS["lite"].to_dict() | change)


def test_from_dict_refuses_missing_fields_and_other_types() -> None:
    values = PRESETS["lite"].to_dict()
    del values["window"]
    with pytest.raises(CheckpointError, match="missing field window"):
        ModelConfig.from_dict(values)
    with pytest.raises(CheckpointError, match="mapping"):
        ModelConfig.from_dict([1])


@pytest.mark.parametrize(
    "change",
    [
        {"input_width": 162},
        {"feature_dim": 66},
        {"depth_mode": "disparity"},
        {"pe_weighting": "max"},
        {"backbone": "vit"},
        {"shell_half_depth_m": 0.0},
        {"confidence_threshold": 1.0},
        {"iterations": 0},
        {"fusion_kind": "sum"},
        {"fusion_kind": "concat_lstm", "use_imu": False},
    ],
)
def test_values_out_of_range_are_named(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(change))):
        replace(PRESETS["lite"], **change)


def test_integers_count_as_floats() -> None:
    assert replace(PRESETS["lite"], image_std=1).image_std == 1.0
