"""Every graph that the exporter can write passes the check in front of the engines."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_model import tiny_model

from same_engines import Bundle
from same_engines.bundle.manifest import (
    MOST_FILE_BYTES,
    MOST_MEMORY_BYTES,
    STAGES,
    GraphSpec,
)
from same_engines.bundle.onnx_function import check_function, fingerprint
from same_engines.bundle.onnx_guard import check_graph, graph_needs
from same_engines.bundle.onnx_operators import ALLOWED, OPERATOR_NAME
from same_engines.bundle.onnx_wire import read_model
from same_export.stages import export_stage, for_precision
from same_model.config import PRESETS
from same_model.same_network import SameModel


def check_all(model: SameModel) -> None:
    for precision in ("fp32", "fp16"):
        converted = for_precision(model, precision)
        needs = []
        for stage in STAGES:
            graph = export_stage(converted, stage)
            needs.append(graph_needs(graph.content, stage))
            spec = GraphSpec(f"{stage}.onnx", "", graph.inputs, graph.outputs, needs[-1])
            check_graph(graph.content, spec, spec.path)
        assert sum(need.file_bytes for need in needs) <= MOST_FILE_BYTES
        assert sum(need.memory_bytes for need in needs) <= MOST_MEMORY_BYTES


def test_the_manifest_says_what_each_graph_takes(exported_bundle: Path) -> None:
    bundle = Bundle.open(exported_bundle)
    for precision in bundle.precisions():
        for stage in STAGES:
            spec = bundle.graph(precision, stage)
            content = (bundle.path / spec.path).read_bytes()
            assert spec.budget == graph_needs(content, spec.path)
            assert spec.budget.file_bytes == len(content)


@pytest.mark.slow
def test_operators_that_no_network_needs_are_not_allowed() -> None:
    """All that are allowed are written for some network, precision or switch, or into 8 bits."""
    used: set[str] = {"QuantizeLinear", "DequantizeLinear"}
    networks = ({"depth_mode": "z"}, {"use_imu": False}, {"use_sa_mvf_pe": False})
    for changes in networks:
        for precision in ("fp32", "fp16"):
            converted = for_precision(tiny_model(**changes), precision)
            for stage in STAGES:
                model = read_model(export_stage(converted, stage).content)
                used |= {node["op_type"] for node in model["graph"]["node"]}
    assert used - {OPERATOR_NAME} == set(ALLOWED)


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
