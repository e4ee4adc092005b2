"""Every graph that the exporter can write passes the check in front of the engines."""

from dataclasses import replace

import pytest
from tiny_model import tiny_model

from same_engines.bundle.manifest import STAGES, GraphSpec
from same_engines.bundle.onnx_function import check_function, fingerprint
from same_engines.bundle.onnx_guard import check_graph
from same_engines.bundle.onnx_wire import read_model
from same_export.stages import export_stage, for_precision
from same_model.config import PRESETS
from same_model.same_network import SameModel


def check_all(model: SameModel) -> None:
    for precision in ("fp32", "fp16"):
        converted = for_precision(model, precision)
        for stage in STAGES:
            graph = export_stage(converted, stage)
            spec = GraphSpec(f"{stage}.onnx", "", graph.inputs, graph.outputs)
            check_graph(graph.content, spec, spec.path)


@pytest.mark.parametrize(
    "changes",
    [
        {"depth_mode": "z", "pe_weighting": "sum"},
        {"use_imu": False},
        {"use_ttn": False, "use_joint_embedding": False},
        {"use_sa_mvf_pe": False, "use_ma_mmf": False},
        {"backbone": "resnet50", "iterations": 2},
    ],
)
def test_every_kind_of_network_passes(changes: dict[str, object]) -> None:
    check_all(tiny_model(**changes))


def test_the_operators_function_is_known() -> None:
    (function,) = read_model(export_stage(for_precision(tiny_model(), "fp32"), "fusion").content)[
        "functions"
    ]
    check_function(function)
    assert len(fingerprint(function)) == 64


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_within_the_budget(preset: str) -> None:
    check_all(SameModel(replace(PRESETS[preset], depth_mode="z")).eval())
