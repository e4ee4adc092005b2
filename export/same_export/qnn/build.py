"""Quantise a bundle's stages, compile them for a headset's NPU and say what that cost."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import onnx
import onnx_ir as ir

from same_engines.bundle.manifest import STAGES, Manifest
from same_engines.bundle.plans import Plans, PlanSpec, plan_path, write_plans
from same_engines.bundle.reader import Bundle, write_manifest
from same_engines.errors import ExportError
from same_engines.qnn.engine import CPU, NPU, VARIANT, key_of
from same_engines.qnn.library import (
    NotFinalised,
    Qnn,
    Soc,
    compile_context,
    find_soc,
    load_qnn,
    open_context,
)
from same_export.qnn.compare_trackers import compare_trackers
from same_export.qnn.macs import multiply_accumulates
from same_export.qnn.quantise import MARGIN, quantise
from same_export.qnn.report import OutputError, QnnReport, StageReport
from same_export.qnn.rewrites import prepare, widen
from same_export.qnn.sensitivity import LayerCost, choose_wide, layer_costs
from same_export.quantisation.calibrate import Frame, record_frames, spread
from same_export.quantisation.gptq import measure_layer_inputs
from same_export.quantisation.joint_error import JointProbe, distances_mm
from same_export.quantisation.layers import layers
from same_export.quantisation.ranges import known_ranges, measure_ranges
from same_export.quantisation.sessions import cpu_session, run_all
from same_runtime.recording import Recording

WIDE_SHARE: Final = 0.10
"""How many more weight bytes sensitive layers may take, as a share of all weights at 8 bits."""
_CALIBRATION_FRAMES: Final = {"visual": 60}
"""Frames whose ranges are measured; all of them where a stage is not named. An image network's
activations vary little, and each of its frames takes 10 times as long."""
_SENSITIVITY_FRAMES: Final = {"visual": 4, "inertial": 24, "fusion": 8, "temporal": 24}
_ROUNDING_FRAMES: Final = {"visual": 20, "fusion": 60, "temporal": 60}
"""Frames that weights are rounded by; all of them where a stage is not named."""
_CHECKED_FRAMES: Final = {"visual": 3, "inertial": 12, "fusion": 6, "temporal": 12}

Progress = Callable[[str | None], None]
Frames = Sequence[dict[str, Frame]]


@dataclass(frozen=True)
class QnnBuild:
    """Contexts that ``write_build`` puts into the bundle, and what is known about them."""

    plans: Plans
    contents: Mapping[str, bytes]
    processors: Mapping[str, str]
    """Stage -> ``npu`` or ``cpu``."""
    report: QnnReport


def count_steps(recording: Recording, check_frames: int) -> int:
    """How many times ``build_and_write`` reports progress, if no frame is refused."""
    return 1 + 3 * len(STAGES) + 2 * min(check_frames, recording.num_frames) + (check_frames > 0)


def build_and_write(
    bundle: Bundle,
    target: str,
    recording: Recording,
    progress: Progress = lambda step: None,
    check_frames: int = 0,
    calibration_frames: int | None = None,
) -> QnnReport:
    """``build``, ``write_build`` and, over ``check_frames`` frames, ``compare_trackers``.

    ``progress`` hears each step's name before it runs, and None for each tracked frame. Raises
    as these do.
    """
    built = build(bundle, target, recording, progress, calibration_frames)
    write_build(bundle, built)
    if check_frames == 0:
        return built.report
    progress("tracking on the CPU and on the NPU")
    difference = compare_trackers(bundle, target, recording, check_frames, lambda: progress(None))
    built = replace(built, report=built.report.with_tracker(difference))
    write_build(bundle, built)
    return built.report


def build(
    bundle: Bundle,
    target: str,
    recording: Recording,
    progress: Progress = lambda step: None,
    calibration_frames: int | None = None,
    wide_share: float = WIDE_SHARE,
) -> QnnBuild:
    """Quantise with ``recording``, or its first ``calibration_frames`` frames, and compile every
    stage of ``bundle`` for ``target``.

    A stage that the NPU cannot run whole stays on the CPU; the report says which operators
    stopped it. ``wide_share``: how many more weight bytes sensitive layers may take, as a share
    of all; 0 does not ask which they are. Nothing is written. Raises ``EngineError`` for an
    unknown SoC or a missing onnxruntime-qnn, ``RecordingError`` and ``BundleError`` for bad
    input.
    """
    soc, qnn = find_soc(target), load_qnn()
    if "fp32" not in bundle.precisions():
        raise ExportError(f"{bundle.path}: has no fp32 graphs, which the NPU's are made from")
    progress("tracking the calibration recording")
    frames = record_frames(bundle, recording, calibration_frames)
    fusion = cpu_session(bundle.graph_bytes("fp32", "fusion"))
    models: dict[str, ir.Model] = {}
    costs: list[LayerCost] = []
    for stage in STAGES:
        progress(f"{stage}: measuring which layers need 16 bits")
        where = str(bundle.path / bundle.graph("fp32", stage).path)
        models[stage] = prepare(bundle.graph_bytes("fp32", stage), where)
        if wide_share > 0:
            some = spread(frames, _SENSITIVITY_FRAMES[stage])
            costs += layer_costs(stage, models[stage], some, JointProbe(fusion, some))
    allowance = int(wide_share * sum(cost.weight_bytes for cost in costs))
    wide = choose_wide(costs, allowance)
    contexts: dict[str, bytes] = {}
    reports: dict[str, StageReport] = {}
    for stage in STAGES:
        progress(f"{stage}: quantising")
        nodes = {node for chosen, node in wide if chosen == stage}
        model = widen(models[stage], nodes)
        inputs = [f[stage] for f in spread(frames, _CALIBRATION_FRAMES.get(stage, len(frames)))]
        ranges = measure_ranges(model, inputs, known_ranges(bundle), MARGIN)
        progress(f"{stage}: compiling for {soc.part} and checking")
        where = f"{bundle.path}: {stage}"
        reason = ""
        operators: tuple[str, ...] = ()
        examples = spread(frames, _ROUNDING_FRAMES.get(stage, len(frames)))
        behaviour = measure_layer_inputs(model, [frame[stage] for frame in examples])
        graph = quantise(model, ranges, behaviour)
        try:
            contexts[stage] = compile_context(qnn, graph, soc, where)
        except NotFinalised as error:
            reason, operators = str(error), error.operators
        checked = spread(frames, _CHECKED_FRAMES[stage])
        reports[stage] = StageReport(
            processor=NPU if stage in contexts else CPU,
            reason=reason,
            operators=operators,
            wide_layers=tuple(sorted(layers(models[stage])[node] for node in nodes)),
            layers=len(layers(models[stage])),
            float_bytes=len(bundle.graph_bytes("fp32", stage)),
            context_bytes=len(contexts.get(stage, b"")),
            spill_fill_bytes=_spill_fill(contexts.get(stage)),
            multiply_accumulates=multiply_accumulates(models[stage]),
            calibration_frames=ranges.frames,
            checked_frames=len(checked),
            **_check(qnn, soc, bundle, stage, graph, contexts.get(stage), checked, fusion, where),
        )
    return _collect(bundle, target, qnn, soc, recording, contexts, reports, costs, len(frames))


def write_build(bundle: Bundle, built: QnnBuild) -> None:
    """Put contexts, report and plan into the bundle.

    Each file appears whole, and the manifest, which alone makes them count, comes last: a bundle
    that was left half-way is the bundle it was. Raises ``BundleError`` when it cannot be written.
    """
    notes = {"report.json": built.report.to_json(), "report.md": built.report.to_markdown()}
    write_plans(bundle, built.plans, built.contents, notes)
    manifest = vars(bundle.manifest)
    targets = {**bundle.manifest.targets, built.plans.key.target: dict(built.processors)}
    write_manifest(bundle, Manifest(**{**manifest, "targets": targets}))


def _check(
    qnn: Qnn,
    soc: Soc,
    bundle: Bundle,
    stage: str,
    graph: bytes,
    context: bytes | None,
    frames: Frames,
    fusion: Any,
    where: str,
) -> dict[str, Any]:
    inputs = [frame[stage] for frame in frames]
    probe = JointProbe(fusion, frames)
    exact = run_all(cpu_session(bundle.graph_bytes("fp32", stage)), inputs)
    quantised = run_all(cpu_session(graph), inputs)
    npu = run_all(open_context(qnn, context, soc, where), inputs) if context else {}
    joints = probe.joints(stage, exact)
    return {
        "quantised_joints_mm": _joint_error(probe.joints(stage, quantised), joints),
        "npu_joints_mm": _joint_error(probe.joints(stage, npu), joints) if npu else None,
        "outputs": {
            name: OutputError.between(exact[name], quantised[name], npu.get(name))
            for name in exact
        },
    }  # fmt: skip


def _joint_error(joints: Any, exact: Any) -> tuple[float, float]:
    distance = distances_mm(joints, exact)
    return float(distance.mean()), float(distance.max())


def _spill_fill(context: bytes | None) -> int | None:
    """What the context says it moves out of the NPU's own memory at once, bytes."""
    if context is None:
        return None
    (node,) = onnx.load_from_string(context).graph.node
    return next((int(a.i) for a in node.attribute if a.name == "max_size"), None)


def _collect(
    bundle: Bundle,
    target: str,
    qnn: Qnn,
    soc: Soc,
    recording: Recording,
    contexts: Mapping[str, bytes],
    reports: Mapping[str, StageReport],
    costs: Sequence[LayerCost],
    frames: int,
) -> QnnBuild:
    contents: dict[str, bytes] = {}
    specs = []
    for stage, content in contexts.items():
        sha256 = bundle.graph("fp32", stage).sha256
        path = plan_path(stage, VARIANT, content)
        contents[path] = content
        digest = hashlib.sha256(content).hexdigest()
        specs.append(PlanSpec("fp32", VARIANT, stage, sha256, 0, path, digest))
    key = key_of(qnn, target, soc)
    report = QnnReport(
        target=target,
        soc=soc.describe(),
        vtcm_mb=soc.vtcm_mb,
        preset=bundle.manifest.preset,
        checkpoint_sha256=bundle.manifest.checkpoint_sha256,
        library=key.library_version,
        recording=recording.path.name,
        recorded_frames=frames,
        stages=reports,
        layer_costs=tuple(sorted(costs, key=lambda cost: -cost.cost_mm2)),
    )
    processors = {stage: reports[stage].processor for stage in STAGES}
    return QnnBuild(Plans(key, tuple(specs)), contents, processors, report)
