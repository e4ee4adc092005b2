"""Quantising and compiling for a headset's NPU: few frames, because emulation is slow."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from npu import needs_qnn
from onnx import TensorProto, helper

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import read_plans
from same_engines.errors import BundleError, EngineError
from same_engines.qnn.library import (
    SOCS,
    NotFinalised,
    compile_context,
    find_soc,
    load_qnn,
    open_context,
)
from same_export.qnn import build as qnn_build
from same_export.qnn.quantise import MARGIN, quantise
from same_export.qnn.rewrites import prepare, rounded_to_8_bits, widen
from same_export.qnn.sensitivity import LayerCost, choose_wide
from same_export.quantisation.layers import layers
from same_export.quantisation.ranges import measure_ranges
from same_export.quantisation.sessions import cpu_session, run_all
from same_model.network.upright import Upright
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

TARGET = "qnn-xr2gen2"
XR2_GEN2 = SOCS[TARGET]


def random_inputs(bundle: Bundle, stage: str, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    inputs = {
        spec.name: random.uniform(0.1, 0.9, spec.shape).astype(np.float32)
        for spec in bundle.graph("fp32", stage).inputs
    }
    if "imu_features" in inputs:  # up is a direction
        inputs["imu_features"][0, :3] = Upright().up.numpy()
        inputs["imu_features"][:, 15] = 1.0
    return inputs


def close(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], tolerance: float) -> bool:
    return all(np.abs(a[n] - b[n]).max() <= tolerance * max(np.abs(a[n]).max(), 1) for n in a)


@pytest.mark.parametrize("stage", STAGES)
def test_reshaping_a_graph_for_the_npu_does_not_change_what_it_computes(
    exported_bundle: Path, stage: str
) -> None:
    bundle = Bundle.open(exported_bundle)
    content = bundle.graph_bytes("fp32", stage)
    model = prepare(content, stage)
    inputs = [random_inputs(bundle, stage)]
    exact = run_all(cpu_session(content), inputs)
    assert close(exact, run_all(cpu_session(serialised(model)), inputs), 1e-5)
    wide = widen(model, layers(model))
    assert close(exact, run_all(cpu_session(serialised(wide)), inputs), 1e-5)
    assert [i.name for i in wide.graph.inputs] == [i.name for i in model.graph.inputs]
    # No product of two activations is short, none has one matrix per token.
    ranks = [len(n.inputs[1].const_value.shape) for n in wide.graph if constant_product(n)]
    assert set(ranks) <= {2}
    assert not any(n.op_type == "Gemm" or n.domain == "same" for n in wide.graph)


def serialised(model: ir.Model) -> bytes:
    return ir.to_proto(model).SerializeToString()


def constant_product(node: ir.Node) -> bool:
    return node.op_type == "MatMul" and node.inputs[1].const_value is not None


def test_layers_have_their_names_in_the_network(exported_bundle: Path) -> None:
    bundle = Bundle.open(exported_bundle)
    named = set(layers(prepare(bundle.graph_bytes("fp32", "inertial"), "inertial")).values())
    assert {"embed", "blocks.0.lstm.hidden_weight", "head.2"} <= named


def test_a_wide_layer_rounds_far_less_than_an_8_bit_one(exported_bundle: Path) -> None:
    bundle = Bundle.open(exported_bundle)
    model = prepare(bundle.graph_bytes("fp32", "inertial"), "inertial")
    inputs = [random_inputs(bundle, "inertial", seed) for seed in range(3)]
    exact = run_all(cpu_session(serialised(model)), inputs)["joints_imu"]
    ranges = measure_ranges(widen(model, layers(model)), inputs, {}, MARGIN)

    def error(wide: Mapping[str, str]) -> float:
        came = run_all(cpu_session(quantise(widen(model, wide), ranges)), inputs)["joints_imu"]
        return float(np.abs(came - exact).mean())

    assert error(layers(model)) < 0.2 * error({})


def test_known_ranges_and_bounds_win_over_what_calibration_saw(exported_bundle: Path) -> None:
    bundle = Bundle.open(exported_bundle)
    model = prepare(bundle.graph_bytes("fp32", "fusion"), "fusion")
    ranges = measure_ranges(model, [random_inputs(bundle, "fusion")], {"rays": (-1.0, 1.0)}, MARGIN)
    assert ranges.by_tensor["rays"] == (-1.0, 1.0)
    clips = [
        node.outputs[0].name
        for node in model.graph
        if node.op_type == "Clip" and len(node.inputs) == 3 and node.inputs[2] is not None
    ]
    assert clips and all(ranges.by_tensor[str(name)][1] <= 1.0 for name in clips)
    low, high = ranges.by_tensor["joints_imu"]  # 0.1 .. 0.9 was seen; zero always fits
    assert low == 0.0 and high == pytest.approx(0.9 * 1.375, rel=0.05)


def test_motion_a_third_larger_than_calibration_saw_does_not_saturate(
    exported_bundle: Path,
) -> None:
    bundle = Bundle.open(exported_bundle)
    model = prepare(bundle.graph_bytes("fp32", "temporal"), "temporal")
    seen = [random_inputs(bundle, "temporal", seed) for seed in range(3)]
    graph = quantise(model, measure_ranges(model, seen, {}, MARGIN))
    larger = [{**seen[0], "joints_local": seen[0]["joints_local"] + np.float32(0.3)}]
    exact = run_all(cpu_session(serialised(model)), larger)["joints_anchor"]
    came = run_all(cpu_session(graph), larger)["joints_anchor"]
    assert np.abs(came - exact).max() < 0.02


def test_weights_round_per_channel() -> None:
    weight = np.array([[1.0, 100.0], [-0.5, 50.0]], np.float32)
    error = np.abs(rounded_to_8_bits(weight, 1) - weight).max(axis=0)
    assert error[0] <= 0.5 / 127 and error[1] <= 50.0 / 127
    assert np.array_equal(rounded_to_8_bits(np.zeros((2, 2), np.float32), 0), np.zeros((2, 2)))


def test_the_most_error_for_each_byte_is_kept_wide_first() -> None:
    costs = [
        LayerCost("fusion", "big", "a", 1000, 10.0),
        LayerCost("fusion", "small", "b", 10, 1.0),
        LayerCost("visual", "useless", "c", 1, -0.1),
    ]
    assert choose_wide(costs, 1000) == {("fusion", "b")}
    assert choose_wide(costs, 1010) == {("fusion", "a"), ("fusion", "b")}
    assert choose_wide(costs, 0) == set()


def test_every_stage_of_a_bundle_runs_on_the_npu_with_no_cpu_beside_it(npu_bundle: Path) -> None:
    bundle = Bundle.open(npu_bundle)
    assert bundle.manifest.targets == {TARGET: dict.fromkeys(STAGES, "npu")}
    plans = read_plans(bundle, TARGET)
    assert plans is not None and plans.key.gpu == "SXR2230P soc 53 v69"
    folder = npu_bundle / "targets" / TARGET
    listed = {plan.path for plan in plans.plans}
    assert {f.name for f in folder.iterdir()} == {"plans.json", "report.json", "report.md"} | listed
    for plan in plans.plans:
        (node,) = onnx.load(folder / plan.path).graph.node
        assert node.op_type == "EPContext"


def test_the_report_has_what_a_reader_of_it_asks_for(npu_bundle: Path) -> None:
    folder = npu_bundle / "targets" / TARGET
    report = json.loads((folder / "report.json").read_bytes())
    assert report["context_bytes"] == sum(f.stat().st_size for f in folder.glob("*.plan"))
    for stage in STAGES:
        measured = report["stages"][stage]
        assert measured["reason"] == "" and measured["multiply_accumulates"] > 0
        assert measured["spill_fill_bytes"] is not None
        assert measured["float_bytes"] == len(Bundle.open(npu_bundle).graph_bytes("fp32", stage))
        for output in measured["outputs"].values():
            assert output["npu"][0] <= 0.05 * max(output["full_scale"], 1e-6)
    tracked = report["tracker"]
    assert tracked["frames"] == 2 and tracked["emulated"] is True
    assert len(tracked["joints_mm"]) == 22
    assert 0 < tracked["mean_mm"] <= tracked["max_mm"] < 50
    costs = [cost["cost_mm2"] for cost in report["layer_costs"]]
    assert costs == sorted(costs, reverse=True) and costs[0] > 0
    text = (folder / "report.md").read_text()
    assert "emulated NPU" in text and "| temporal | npu |" in text


def unsupported_graph() -> bytes:
    """A QDQ graph whose middle no NPU of this kind runs."""
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [0.01])
    zero = helper.make_tensor("zero", TensorProto.UINT8, [], [128])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        helper.make_node("Det", ["d"], ["y"], name="determinant"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph(nodes, "unsupported", [x], [y], [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return model.SerializeToString()


def test_a_graph_that_does_not_finalise_names_the_operator() -> None:
    needs_qnn()
    with pytest.raises(NotFinalised, match=r"x\.onnx: .*v69.*Det determinant") as caught:
        compile_context(load_qnn(), unsupported_graph(), XR2_GEN2, "x.onnx")
    assert caught.value.operators == ("Det determinant",)


def test_a_stage_that_does_not_finalise_stays_on_the_cpu_and_the_bundle_still_runs(
    exported_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_qnn()

    def refuse_fusion(qnn, graph: bytes, soc, where: str) -> bytes:
        if where.endswith("fusion"):
            graph = unsupported_graph()
        return compile_context(qnn, graph, soc, where)

    monkeypatch.setattr(qnn_build, "compile_context", refuse_fusion)
    folder = tmp_path / "tiny.same"
    shutil.copytree(exported_bundle, folder)
    built = qnn_build.build(
        Bundle.open(folder),
        TARGET,
        Recording(demo_recording()),
        calibration_frames=2,
        wide_share=0.0,
    )
    assert Bundle.open(folder).manifest.targets == {}  # nothing is written by building
    qnn_build.write_build(Bundle.open(folder), built)
    assert built.report.stages["fusion"].operators == ("Det determinant",)
    assert "Det determinant" in built.report.to_markdown().decode()
    bundle = Bundle.open(folder)
    expected = {stage: "cpu" if stage == "fusion" else "npu" for stage in STAGES}
    assert bundle.manifest.targets[TARGET] == expected
    with open_engine(bundle, "qnn") as engine:
        engine.run_frame()
        assert np.isfinite(engine.host_output("joints_anchor")).all()


@pytest.mark.parametrize("fails_at", ["visual", "report.md", "plans.json", "manifest.json"])
def test_a_bundle_that_cannot_be_written_whole_is_the_bundle_it_was(
    npu_bundle: Path,
    exported_bundle: Path,
    tmp_path: Path,
    fails_at: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "tiny.same"
    shutil.copytree(exported_bundle, folder)
    compiled = Bundle.open(npu_bundle)
    source = npu_bundle / "targets" / TARGET
    plans = read_plans(compiled, TARGET)
    assert plans is not None

    class Report:
        def to_json(self) -> bytes:
            return b"{}"

        to_markdown = to_json

    contents = {plan.path: (source / plan.path).read_bytes() for plan in plans.plans}
    processors = compiled.manifest.targets[TARGET]
    built = qnn_build.QnnBuild(plans, contents, processors, Report())  # type: ignore[arg-type]

    from same_engines.bundle import plans as plans_module
    from same_engines.bundle import reader as bundle_module

    def full_disk(path: Path, content: bytes) -> None:
        if path.name.startswith(fails_at):
            raise OSError(28, "No space left on device")
        replace_file(path, content)

    replace_file = bundle_module.replace_file
    monkeypatch.setattr(bundle_module, "replace_file", full_disk)
    monkeypatch.setattr(plans_module, "replace_file", full_disk)
    with pytest.raises(BundleError, match="No space left"):
        qnn_build.write_build(Bundle.open(folder), built)
    left = Bundle.open(folder)
    assert left.manifest == Bundle.open(exported_bundle).manifest
    left.verify()
    with pytest.raises(EngineError, match="has no plan"):
        open_engine(left, TARGET)


def test_all_stages_of_the_shipped_bundle_compile_and_agree_with_their_float_graphs(
    tmp_path: Path,
) -> None:
    needs_qnn()
    bundle = Bundle.open(demo_bundle())
    built = qnn_build.build(
        bundle, TARGET, Recording(demo_recording()), calibration_frames=2, wide_share=0.0
    )
    assert built.processors == dict.fromkeys(STAGES, "npu")
    assert built.report.context_bytes <= 6e6
    for stage, report in built.report.stages.items():
        assert report.npu_joints_mm is not None
        assert report.npu_joints_mm[0] < 3.0, stage


@pytest.mark.slow
def test_visual_of_base_compiles_and_runs(tmp_path: Path) -> None:
    needs_qnn()
    import torch

    from same_export.stages import export_stage, for_precision
    from same_model.config import PRESETS
    from same_model.same_network import SameModel

    torch.manual_seed(0)
    model = SameModel(PRESETS["base"])
    # Peaks, as a trained network has: sixteen bits cannot hold the flat maps of random weights.
    last = model.visual.head[2]
    assert isinstance(last, torch.nn.Conv2d)
    last.weight.data *= 30.0
    graph = export_stage(for_precision(model, "fp32"), "visual")
    prepared = prepare(graph.content, "visual")
    shape = graph.inputs[0].shape
    image = np.random.default_rng(0).uniform(-2, 2, shape).astype(np.float32)
    frames = [{"images": image}]
    quantised = quantise(prepared, measure_ranges(prepared, frames, {}, MARGIN))
    qnn = load_qnn()
    context = compile_context(qnn, quantised, XR2_GEN2, "visual of base")
    npu = run_all(open_context(qnn, context, XR2_GEN2, "visual of base"), frames)
    # What rounded weights cost says nothing where weights are random, so only features are
    # compared with the float graph.
    for content, names in ((graph.content, ["features"]), (quantised, list(npu))):
        expected = run_all(cpu_session(content), frames)
        for name in names:
            error = np.abs(npu[name] - expected[name]).mean()
            assert error < 0.02 * np.abs(expected[name]).max(), name


def same_export(*arguments: str) -> subprocess.CompletedProcess[str]:
    start = "from same_export.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", start, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--target", "qnn-xr9"), "unknown SoC; expected one of qnn-xr2gen2"),
        (("--target", "qualcomm"), "tensorrt, tensorrt-rtx, cpu-int8, qnn-xr2gen2"),
        (("--target", TARGET, "--calibration-recording", "no.mcap"), "no.mcap"),
        (("--target", TARGET, "--calibration-frames", "0"), "expected at least 1"),
        (("--target", TARGET, "--precision", "fp16"), "quantised from fp32"),
    ],
)
def test_mistakes_are_one_line_before_any_work(arguments: tuple[str, ...], said: str) -> None:
    if TARGET in arguments:
        needs_qnn()
    made = same_export("--bundle", str(demo_bundle()), *arguments)
    assert made.returncode == 2
    assert said in " ".join(made.stderr.split())
    assert "Traceback" not in made.stderr


def test_every_known_soc_is_listed_for_an_unknown_one() -> None:
    with pytest.raises(EngineError) as caught:
        find_soc("qnn-quest9")
    assert all(name in str(caught.value) for name in SOCS)
