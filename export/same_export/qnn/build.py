"""Quantise a bundle's stages, compile them for a headset's NPU and say what that cost."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import onnx
import onnxruntime as ort

from same_engines.bundle.manifest import STAGES, GraphSpec, Manifest
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
from same_export.macs import multiply_accumulates
from same_export.qnn.compare_trackers import compare_trackers
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

    ``progress`` receives each step's name before it runs, and None for each tracked frame. Raises
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
    npu = _Npu(bundle, qnn, soc, frames, cpu_session(bundle.graph_bytes("fp32", "fusion")))
    stages: list[QnnStage] = []
    costs: list[LayerCost] = []
    for name in STAGES:
        progress(f"{name}: measuring which layers need 16 bits")
        stages.append(QnnStage(name, npu))
        if wide_share > 0:
            costs += stages[-1].layer_costs()
    allowance = int(wide_share * sum(cost.weight_bytes for cost in costs))
    wide = choose_wide(costs, allowance)
    reports: dict[str, StageReport] = {}
    for stage in stages:
        progress(f"{stage.name}: quantising")
        stage.quantise({node for chosen, node in wide if chosen == stage.name})
        progress(f"{stage.name}: compiling for {soc.part} and checking")
        stage.compile()
        reports[stage.name] = stage.report()
    key = key_of(qnn, target, soc)
    compiled = [plan for stage in stages if (plan := stage.plan()) is not None]
    report = QnnReport(
        target=target,
        soc=soc.describe(),
        vtcm_mb=soc.vtcm_mb,
        preset=bundle.manifest.preset,
        checkpoint_sha256=bundle.manifest.checkpoint_sha256,
        library=key.library_version,
        recording=recording.path.name,
        recorded_frames=len(frames),
        stages=reports,
        layer_costs=tuple(sorted(costs, key=lambda cost: -cost.cost_mm2)),
    )
    return QnnBuild(
        Plans(key, tuple(spec for spec, _ in compiled)),
        {spec.path: content for spec, content in compiled},
        {name: stage.processor for name, stage in reports.items()},
        report,
    )


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


@dataclass(frozen=True)
class _Npu:
    """What the stages of a bundle have in common on their way to an NPU."""

    bundle: Bundle
    qnn: Qnn
    soc: Soc
    frames: Frames
    """Every stage's inputs over the calibration recording."""
    fusion: ort.InferenceSession
    """The float fusion, which tells what an error of an earlier stage does to the joints."""


class QnnStage:
    """One stage on its way to the NPU: prepared, quantised, compiled and compared."""

    def __init__(self, name: str, npu: _Npu) -> None:
        self.name = name
        self._npu = npu
        self._float = npu.bundle.graph_bytes("fp32", name)
        self._model = prepare(self._float, str(npu.bundle.path / self._spec.path))
        self._layers = layers(self._model)
        self._wide: tuple[str, ...] = ()
        self._quantised = b""
        self._calibrated = 0
        self._context: bytes | None = None
        self._refusal: NotFinalised | None = None

    @property
    def _spec(self) -> GraphSpec:
        return self._npu.bundle.graph("fp32", self.name)

    @property
    def _where(self) -> str:
        return f"{self._npu.bundle.path}: {self.name}"

    def layer_costs(self) -> list[LayerCost]:
        """What 8-bit weights of each layer cost."""
        some = spread(self._npu.frames, _SENSITIVITY_FRAMES[self.name])
        return layer_costs(self.name, self._model, some, JointProbe(self._npu.fusion, some))

    def quantise(self, wide: Collection[str]) -> None:
        """Quantise, with 16-bit weights in the nodes ``wide``."""
        self._wide = tuple(sorted(self._layers[node] for node in wide))
        model = widen(self._model, wide)
        ranges = measure_ranges(
            model, self._inputs(_CALIBRATION_FRAMES), known_ranges(self._npu.bundle), MARGIN
        )
        self._calibrated = ranges.frames
        behaviour = measure_layer_inputs(model, self._inputs(_ROUNDING_FRAMES))
        self._quantised = quantise(model, ranges, behaviour)

    def compile(self) -> None:
        """Compile what ``quantise`` made, or keep why the NPU cannot run it."""
        try:
            self._context = compile_context(
                self._npu.qnn, self._quantised, self._npu.soc, self._where
            )
        except NotFinalised as error:
            self._refusal = error

    def plan(self) -> tuple[PlanSpec, bytes] | None:
        """The compiled stage as the bundle keeps it; None where it stays on the CPU."""
        if self._context is None:
            return None
        path = plan_path(self.name, VARIANT, self._context)
        digest = hashlib.sha256(self._context).hexdigest()
        spec = PlanSpec("fp32", VARIANT, self.name, self._spec.sha256, 0, path, digest)
        return spec, self._context

    def report(self) -> StageReport:
        """What became of the stage, compared with its float graph over some frames."""
        frames = spread(self._npu.frames, _CHECKED_FRAMES[self.name])
        inputs = [frame[self.name] for frame in frames]
        exact = run_all(cpu_session(self._float), inputs)
        quantised = run_all(cpu_session(self._quantised), inputs)
        npu = self._run_on_npu(inputs)
        probe = JointProbe(self._npu.fusion, frames)
        joints = probe.joints(self.name, exact)

        def joint_error(outputs: Mapping[str, Any]) -> tuple[float, float]:
            distance = distances_mm(probe.joints(self.name, outputs), joints)
            return float(distance.mean()), float(distance.max())

        return StageReport(
            processor=CPU if self._context is None else NPU,
            reason=str(self._refusal or ""),
            operators=self._refusal.operators if self._refusal else (),
            wide_layers=self._wide,
            layers=len(self._layers),
            float_bytes=len(self._float),
            context_bytes=len(self._context or b""),
            spill_fill_bytes=_spill_fill(self._context),
            multiply_accumulates=multiply_accumulates(self._model),
            calibration_frames=self._calibrated,
            checked_frames=len(frames),
            quantised_joints_mm=joint_error(quantised),
            npu_joints_mm=joint_error(npu) if npu else None,
            outputs={
                name: OutputError.between(exact[name], quantised[name], npu.get(name))
                for name in exact
            },
        )

    def _inputs(self, counts: Mapping[str, int]) -> list[Frame]:
        """The stage's inputs, of as many frames as ``counts`` says, or of all."""
        frames = self._npu.frames
        return [f[self.name] for f in spread(frames, counts.get(self.name, len(frames)))]

    def _run_on_npu(self, inputs: list[Frame]) -> dict[str, Any]:
        if self._context is None:
            return {}
        session = open_context(self._npu.qnn, self._context, self._npu.soc, self._where)
        return run_all(session, inputs)


def _spill_fill(context: bytes | None) -> int | None:
    """What the context says it moves out of the NPU's own memory at once, bytes."""
    if context is None:
        return None
    (node,) = onnx.load_from_string(context).graph.node
    return next((int(a.i) for a in node.attribute if a.name == "max_size"), None)
