"""The quantisation report: what moved to the NPU, how exact it is there, what it takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_export.qnn.sensitivity import LayerCost

_LAYERS_SHOWN: Final = 15
Pair = tuple[float, float]
"""Mean and largest."""


@dataclass(frozen=True)
class OutputError:
    """Difference of one output to the float graph, in its own unit."""

    full_scale: float
    """Largest magnitude of the float output."""
    quantised: Pair
    """The quantised graph on the CPU: mean and largest difference."""
    npu: Pair | None
    """The same graph compiled, on the NPU or its emulation."""

    @classmethod
    def between(
        cls, exact: NDArray[Any], quantised: NDArray[Any], npu: NDArray[Any] | None
    ) -> "OutputError":
        """Differences of arrays of one shape."""

        def pair(came: NDArray[Any]) -> Pair:
            difference = np.abs(came - exact)
            return float(difference.mean()), float(difference.max())

        return cls(float(np.abs(exact).max()), pair(quantised), None if npu is None else pair(npu))


@dataclass(frozen=True)
class StageReport:
    """One stage."""

    processor: str
    reason: str
    """Why it is not on the NPU; empty where it is."""
    operators: tuple[str, ...]
    """Operators that the NPU refused."""
    wide_layers: tuple[str, ...]
    """Layers with 16-bit weights."""
    layers: int
    float_bytes: int
    context_bytes: int
    spill_fill_bytes: int | None
    multiply_accumulates: int
    """Of one frame, wide layers counted once."""
    calibration_frames: int
    checked_frames: int
    quantised_joints_mm: Pair
    """Mean and largest joint difference that this stage alone makes, the quantised graph on the
    CPU; the other stages are float and every frame starts from float state."""
    npu_joints_mm: Pair | None
    """The same on the NPU or its emulation."""
    outputs: Mapping[str, OutputError]


@dataclass(frozen=True)
class TrackerDifference:
    """The whole tracker on the NPU (or its emulation) against the float tracker on the CPU."""

    recording: str
    frames: int
    emulated: bool
    mean_mm: float
    p99_mm: float
    max_mm: float
    joints_mm: Mapping[str, Pair]
    """Joint -> mean and largest difference."""
    truth_float_mm: float | None
    """Mean joint error against the recording's truth, on the CPU ..."""
    truth_npu_mm: float | None
    """... and on the NPU."""


@dataclass(frozen=True)
class QnnReport:
    """Everything measured while compiling a bundle for an NPU."""

    target: str
    soc: str
    vtcm_mb: int
    preset: str
    checkpoint_sha256: str
    library: str
    recording: str
    recorded_frames: int
    stages: Mapping[str, StageReport]
    layer_costs: Sequence[LayerCost]
    """Most costly first."""
    tracker: TrackerDifference | None = None

    @property
    def context_bytes(self) -> int:
        """All contexts together."""
        return sum(stage.context_bytes for stage in self.stages.values())

    def with_tracker(self, difference: TrackerDifference) -> "QnnReport":
        """A copy that also tells of the whole tracker."""
        return replace(self, tracker=difference)

    def to_json(self) -> bytes:
        """All of it."""
        content = {**asdict(self), "context_bytes": self.context_bytes}
        return json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"

    def to_markdown(self) -> bytes:
        """What a person asks first."""
        return "\n".join([*self._head(), *self._tables(), ""]).encode()

    def _head(self) -> list[str]:
        stages = self.stages.values()
        macs = sum(stage.multiply_accumulates for stage in stages)
        lines = [
            f"# {self.preset} on {self.soc} ({self.target})",
            "",
            f"Compiled by onnxruntime-qnn {self.library}; checkpoint "
            f"{self.checkpoint_sha256[:12]}; calibrated with {self.recorded_frames} frames of "
            f"{self.recording}. 16-bit activations, 8-bit weights with a scale per output "
            "channel, 16-bit weights where listed.",
            "",
            f"* size: {sum(s.float_bytes for s in stages) / 1e6:.2f} MB of float32 graphs, "
            f"{self.context_bytes / 1e6:.2f} MB of contexts",
            f"* arithmetic: {macs / 1e9:.3f} G multiply-accumulates a frame "
            f"({2 * macs / 1e9:.2f} GOP); no rate that the SoC's maker publishes is known, so "
            "no share of it is given",
            f"* memory: {self.vtcm_mb} MB beside the tensor processor; spill-fill per stage below",
        ]
        if self.tracker is not None:
            t = self.tracker
            where = "emulated NPU" if t.emulated else "NPU"
            lines += [
                f"* whole tracker, {where} against float32 CPU, {t.frames} frames of "
                f"{t.recording}: joints differ by {t.mean_mm:.2f} mm on average, "
                f"{t.p99_mm:.2f} mm at p99, {t.max_mm:.2f} mm at most",
            ]
            if t.truth_float_mm is not None and t.truth_npu_mm is not None:
                lines.append(
                    f"* error against the recording's truth: {t.truth_float_mm:.2f} mm float, "
                    f"{t.truth_npu_mm:.2f} mm on the {where}"
                )
        return lines

    def _tables(self) -> list[str]:
        lines = [
            "",
            "## Stages",
            "",
            "Joint differences: what this stage alone does to the joints, mean / largest, mm.",
            "",
            "| stage | on | float MB | context MB | spill-fill MB | MMAC | 16-bit layers "
            "| quantised, CPU | compiled, NPU | frames |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, stage in self.stages.items():
            spill = stage.spill_fill_bytes
            cells = (
                name,
                stage.processor,
                f"{stage.float_bytes / 1e6:.2f}",
                f"{stage.context_bytes / 1e6:.2f}",
                "-" if spill is None else f"{spill / 1e6:.2f}",
                f"{stage.multiply_accumulates / 1e6:.1f}",
                f"{len(stage.wide_layers)} of {stage.layers}",
                _pair(stage.quantised_joints_mm),
                _pair(stage.npu_joints_mm),
                str(stage.checked_frames),
            )
            lines.append(f"| {' | '.join(cells)} |")
        lines += [f"\n{name}: {s.reason}" for name, s in self.stages.items() if s.reason]
        lines += [
            "",
            "## Layers that lose most by 8-bit weights",
            "",
            "Root of the mean squared joint error that goes away when the layer alone keeps its "
            "weights, measured with float activations on the CPU.",
            "",
            "| stage | layer | mm | weights, kB | kept at 16 bits |",
            "|---|---|---|---|---|",
        ]
        for cost in self.layer_costs[:_LAYERS_SHOWN]:
            wide = "yes" if cost.layer in self.stages[cost.stage].wide_layers else "no"
            lines.append(
                f"| {cost.stage} | {cost.layer} | {max(cost.cost_mm2, 0.0) ** 0.5:.3f} "
                f"| {cost.weight_bytes / 1e3:.1f} | {wide} |"
            )
        if self.tracker is not None:
            lines += ["", "## Joints", "", "| joint | mean mm | largest mm |", "|---|---|---|"]
            lines += [
                f"| {joint} | {mean:.2f} | {largest:.2f} |"
                for joint, (mean, largest) in self.tracker.joints_mm.items()
            ]
        return lines


def _pair(pair: Pair | None) -> str:
    return "-" if pair is None else f"{pair[0]:.2f} / {pair[1]:.2f}"
