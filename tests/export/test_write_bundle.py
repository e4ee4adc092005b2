"""Exported bundles: structure, parity, and nothing left behind when an export fails."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import onnx
import pytest
import torch
from tiny_model import TINY, smallest_model, tiny_model

from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, STAGES
from same_engines.bundle.plans import (
    PORTABLE,
    PlanKey,
    Plans,
    PlanSpec,
    plan_path,
    read_plans,
    write_plans,
)
from same_engines.errors import ExportError
from same_engines.processes import process_space
from same_export import parity, write_bundle
from same_export.int8_graphs import write_int8
from same_export.operator.node import DOMAIN, NAME
from same_export.stages import for_precision
from same_model.data.rig import emhi_like_rig
from same_runtime.calibration.profile import EXAMPLE_RIG, rig_name
from same_runtime.camera import CameraRig


def graph(bundle: Path, precision: str, stage: str) -> onnx.ModelProto:
    return onnx.load_from_string(Bundle.open(bundle).graph_bytes(precision, stage))


def test_the_tracker_knows_the_rig_that_is_written_where_none_is_given() -> None:
    assert rig_name(emhi_like_rig()) == EXAMPLE_RIG


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_operator_is_one_node_an_iteration_with_a_function_behind_it(
    exported_bundle: Path, precision: str
) -> None:
    model = graph(exported_bundle, precision, "fusion")
    nodes = [node for node in model.graph.node if (node.domain, node.op_type) == (DOMAIN, NAME)]
    assert len(nodes) == TINY.iterations
    assert [function.name for function in model.functions] == [NAME]
    # The one that is left reads the viewing rays at the joints.
    assert sum(node.op_type == "GridSample" for node in model.graph.node) == 1
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in nodes[0].attribute}
    assert attributes["num_shell_points"] == TINY.shell_points
    assert attributes["delta"] == pytest.approx(TINY.shell_half_depth_m)
    assert attributes["plugin_namespace"] == b"same"


def test_a_bundle_carries_the_trained_steps_of_its_checkpoint(exported_bundle: Path) -> None:
    assert Bundle.open(exported_bundle).manifest.trained_steps == tiny_model().trained_steps
    assert set(tiny_model().trained_steps.values()) == {0}


def test_graphs_pass_the_full_check_and_carry_no_machine_paths(exported_bundle: Path) -> None:
    for precision in ("fp32", "fp16"):
        for stage in STAGES:
            content = Bundle.open(exported_bundle).graph_bytes(precision, stage)
            onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
            assert b"site-packages" not in content and b'.py"' not in content
            assert b"pkg.torch" not in content


def test_half_graphs_compute_in_half_but_keep_coordinates(exported_bundle: Path) -> None:
    specs = {s.name: s for s in Bundle.open(exported_bundle).graph("fp16", "fusion").inputs}
    assert specs["features"].dtype == "float16"
    assert {specs[n].dtype for n in ("joints_2d", "joints_imu", "rays", "origins")} == {"float32"}
    model = graph(exported_bundle, "fp16", "visual")
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}


@pytest.mark.parametrize(
    "changes",
    [
        {"depth_mode": "z"},
        {"pe_weighting": "sum"},
        {"use_sa_mvf_pe": False},
        {"use_ma_mmf": False},
        {"use_ttn": False},
        {"use_joint_filter": False},
        {"use_imu_filter": False},
        {"use_imu": False},
        {"use_right": False},
        {"shell_points": 1},
        {"column_zoom": 1.8},
        {"column_zoom": 1.8, "row_zoom": 1.5},
    ],
    ids=str,
)
def test_every_switch_exports_with_parity(
    tmp_path: Path, small_rig: CameraRig, changes: dict[str, object]
) -> None:
    model = tiny_model(iterations=1, backbone_width=0.0625, inertial_blocks=1, **changes)
    results = write_bundle.write_bundle(model, "0" * 64, small_rig, tmp_path / "b.same", ["fp32"])
    assert results["fp32"].stream_max_m < 1e-4
    manifest = Bundle.open(tmp_path / "b.same").manifest
    zooms = model.config.column_zoom, model.config.row_zoom
    assert (manifest.config.column_zoom, manifest.config.row_zoom) == zooms
    assert manifest.format_version == {(1.0, 1.0): 1, (1.8, 1.0): 2, (1.8, 1.5): 3}[zooms]


def test_a_difference_fails_the_export_and_leaves_nothing(
    tmp_path: Path, small_rig: CameraRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perturbed(model, stage):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)
        return export_stage(model, stage)

    export_stage = write_bundle.export_stage
    monkeypatch.setattr(write_bundle, "export_stage", perturbed)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        write_bundle.write_bundle(tiny_model(), "0" * 64, small_rig, tmp_path / "b.same", ["fp32"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path, small_rig: CameraRig) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.txt").write_text("precious")
    with pytest.raises(ExportError, match="not a bundle"):
        write_bundle.write_bundle(tiny_model(), "0" * 64, small_rig, out)
    assert (out / "chapter1.txt").read_text() == "precious"


def test_the_old_bundle_stays_until_the_new_one_is_in_place(
    tmp_path: Path, small_rig: CameraRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "b.same"
    model = smallest_model()
    write_bundle.write_bundle(model, "0" * 64, small_rig, out, ["fp32"])
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".b.same.{gone.pid}.{process_space()}0f.partial").mkdir()
    old = Bundle.open(out)
    content = b"hours of building"
    path = plan_path("visual", "plugin", content)
    spec = PlanSpec(
        "fp32",
        "plugin",
        "visual",
        old.graph("fp32", "visual").sha256,
        0,
        path,
        sha256(content).hexdigest(),
    )
    plans = Plans(PlanKey("tensorrt-rtx", "1.4", PORTABLE), (spec,))
    write_plans(old, plans, {path: content})
    write_int8(old, old.graph_bytes("fp32", "visual"), {"mean_mm": 0.5})
    rename = os.rename

    def full_disk(source: Path, target: Path) -> None:
        if target == out and (Path(source) / MANIFEST_NAME).exists() and ".partial" in str(source):
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", full_disk)
    with pytest.raises(ExportError, match="No space left"):
        write_bundle.write_bundle(model, "1" * 64, small_rig, out, ["fp32"])
    assert Bundle.open(out).manifest == old.manifest
    assert read_plans(old, "tensorrt-rtx") == plans
    monkeypatch.undo()
    write_bundle.write_bundle(model, "1" * 64, small_rig, out, ["fp32"])
    assert Bundle.open(out).manifest.checkpoint_sha256 == "1" * 64
    assert read_plans(Bundle.open(out), "tensorrt-rtx") == plans, "plans of the same graph are kept"
    assert Bundle.open(out).precisions() == ("fp32", "int8") and Bundle.open(out).verify() is None
    assert Bundle.open(out).manifest.parity["int8"] == {"mean_mm": 0.5}
    assert list(tmp_path.iterdir()) == [out]


def test_the_concatenating_baseline_is_refused(tmp_path: Path, small_rig: CameraRig) -> None:
    with pytest.raises(ExportError, match="concat_lstm is a baseline"):
        write_bundle.write_bundle(
            tiny_model(fusion_kind="concat_lstm"), "0" * 64, small_rig, tmp_path / "out.same"
        )
    assert not list(tmp_path.iterdir())


def test_tolerance_is_the_promised_one() -> None:
    assert parity.TOLERANCE["fp32"] == 1e-4


def test_half_precision_turns_upright_as_exactly_as_single() -> None:
    model = tiny_model()
    whole, half = (for_precision(model, precision).fusion for precision in ("fp32", "fp16"))
    assert next(half.parameters()).dtype == torch.float16
    for name, constant in whole.upright.named_buffers():
        assert torch.equal(getattr(half.upright, name), constant), name
