"""Metrics of a predictor over sequences, by protocol, action and joint, and under losses."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.progress import Progress

from same_engines.errors import DataError
from same_model.data.recorded_inputs import Loss
from same_model.data.sequence import SequenceReader
from same_model.evaluation.metrics import (
    FrameErrors,
    MetricsConfig,
    confidence_intervals,
    frame_errors,
    joined,
    summarise,
)
from same_model.evaluation.predict import PredictedPoses, Predictor
from same_runtime.cli.console import messages
from same_runtime.conventions import JOINT_NAMES

SCHEMA_VERSION = 1
LOSS_KINDS: dict[str, tuple[str, ...]] = {
    "one camera": ("left",),
    "both cameras": ("left", "right"),
    "one controller": ("ctrl_left",),
    "both leg IMUs": ("leg_left", "leg_right"),
}
_LOSS_NS = 1_000_000_000
_BEFORE_LOSS_NS = 1_500_000_000
LOSSES_TAKE_S = (_BEFORE_LOSS_NS + 2 * _LOSS_NS) / 1e9


@dataclass(frozen=True)
class Group:
    """Metrics of some of the sequences."""

    sequences: int
    frames: int
    metrics: dict[str, float]
    confidence_95: dict[str, tuple[float, float]]
    """Bootstrap intervals over sequences; of several seeds the lowest and the highest mean."""


@dataclass
class Evaluation:
    """All that same-eval finds out about one source of poses."""

    protocols: dict[str, Group] = field(default_factory=dict)
    actions: dict[str, dict[str, Group]] = field(default_factory=dict)
    """Protocol -> action -> metrics."""
    joints: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    """Protocol -> joint -> (mean, standard deviation over sequences), mm."""
    rotations: dict[str, dict[str, float]] = field(default_factory=dict)
    """Protocol -> joint -> mean rotation error, degrees."""
    truth: dict[str, dict[str, float]] = field(default_factory=dict)
    """Protocol -> what the truth itself scores in the metrics that need no truth."""
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    """Lost stream -> MPJPE without, during and in the second after a loss of one second, mm."""
    too_short_for_losses: int | None = None
    """Sequences that are too short, or lack the poses, to lose a stream in; None where none was to
    be lost."""
    frames_without_pose: int = 0
    """Frames of no head pose, or whose pose came as INVALID."""
    frames_not_given: int = 0
    """Frames of which the files of saved poses say nothing."""
    trained_steps: Mapping[str, int | None] = field(default_factory=dict)
    """Stage -> steps that the network was trained for, None where not recorded; empty for saved
    poses."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema_version": SCHEMA_VERSION,
            "unit": "mm (jitter: m/s^3, rotation: degrees, skating: mm/s, late: ms)",
            **asdict(self),
        }


def _group(parts: list[FrameErrors], config: MetricsConfig) -> Group:
    everything = joined(parts)
    return Group(
        len(parts),
        len(everything.joint),
        summarise(everything, config),
        confidence_intervals(parts, config),
    )


def _errors(poses: PredictedPoses, sequence: SequenceReader, config: MetricsConfig) -> FrameErrors:
    truth = sequence.joints_world[poses.frames].astype(np.float64)
    stamps = np.asarray(sequence.timestamps_ns)[poses.frames]
    devices = np.asarray(sequence.sensed_orientation, np.float64)[poses.frames]
    return frame_errors(poses.joints_world, truth, stamps, config, devices)


def evaluate(
    predict: Predictor,
    sequences: list[SequenceReader],
    config: MetricsConfig,
    losses: bool,
    on_sequence: Callable[[SequenceReader, PredictedPoses, FrameErrors], None] | None = None,
) -> Evaluation:
    """Evaluate ``predict`` on ``sequences``; ``losses`` adds the table of lost streams.

    ``on_sequence`` receives every sequence, with nothing lost.
    Raises ``DataError`` without sequences and whatever the predictor raises.
    """
    if not sequences:
        raise DataError("no sequences to evaluate")
    result = Evaluation(too_short_for_losses=0 if losses else None)
    parts: dict[str, list[tuple[str, FrameErrors]]] = {}
    truths: dict[str, list[FrameErrors]] = {}
    during: dict[str, list[tuple[float, ...]]] = {}
    with Progress(console=messages()) as progress:
        task = progress.add_task("evaluating", total=len(sequences))
        for sequence in sequences:
            poses = predict(sequence)
            errors = _errors(poses, sequence, config)
            result.frames_not_given += poses.not_given
            result.frames_without_pose += sequence.frames - len(poses.frames) - poses.not_given
            protocol = str(sequence.meta.get("split", "unnamed"))
            action = str(sequence.meta.get("action", "unnamed"))
            parts.setdefault(protocol, []).append((action, errors))
            true = PredictedPoses(poses.frames, sequence.joints_world[poses.frames].astype(float))
            truths.setdefault(protocol, []).append(_errors(true, sequence, config))
            if on_sequence is not None:
                on_sequence(sequence, poses, errors)
            if result.too_short_for_losses is not None:
                figures_of = dict(_under_losses(predict, sequence, poses, errors))
                result.too_short_for_losses += not figures_of
                for kind, figures in figures_of.items():
                    during.setdefault(kind, []).append(figures)
            progress.advance(task)
    for protocol, items in sorted(parts.items()):
        every = [errors for _, errors in items]
        result.protocols[protocol] = _group(every, config)
        result.actions[protocol] = {
            action: _group([errors for name, errors in items if name == action], config)
            for action in sorted({action for action, _ in items})
        }
        frames_mean = joined(every).joint.mean(axis=0)
        spread = np.std([errors.joint.mean(axis=0) for errors in every], axis=0)
        result.joints[protocol] = {
            name: (float(mean), float(std))
            for name, mean, std in zip(JOINT_NAMES, frames_mean, spread, strict=True)
        }
        turned = joined(every).rotation.mean(axis=0)
        result.rotations[protocol] = dict(zip(JOINT_NAMES, turned.tolist(), strict=True))
        true_scores = summarise(joined(truths[protocol]), config)
        result.truth[protocol] = {
            name: true_scores[name] for name in ("ground", "penetration", "jitter", "skating")
        }
    result.losses.update({kind: _loss_figures(rows) for kind, rows in during.items()})
    return result


def _loss_figures(rows: list[tuple[float, ...]]) -> dict[str, float]:
    """The figures of ``_under_losses``, averaged over the sequences."""
    means = np.mean(rows, axis=0)
    return {
        "before": float(means[0]),
        "during": float(means[1]),
        "during_without_loss": float(means[2]),
        "after": float(means[3]),
        "after_without_loss": float(means[4]),
        "worst_frame": float(np.max(rows, axis=0)[5]),
        "sequences": float(len(rows)),
    }


def _under_losses(
    predict: Predictor, sequence: SequenceReader, clean: PredictedPoses, without: FrameErrors
) -> Iterable[tuple[str, tuple[float, ...]]]:
    """MPJPE before, during (with and without the loss) and after it, and its worst frame; nothing
    of a sequence of less than ``LOSSES_TAKE_S`` or without a pose during or after it."""
    stamps = np.asarray(sequence.timestamps_ns)
    time = stamps[clean.frames]
    start = int(time[0]) + _BEFORE_LOSS_NS
    before = time < start
    lost = (time >= start) & (time < start + _LOSS_NS)
    after = (time >= start + _LOSS_NS) & (time < start + 2 * _LOSS_NS)
    if start + 2 * _LOSS_NS > stamps[-1] or not (lost.any() and after.any()):
        return
    for kind, streams in LOSS_KINDS.items():
        poses = predict(sequence, [Loss(stream, start, start + _LOSS_NS) for stream in streams])
        if not np.array_equal(poses.frames, clean.frames):
            raise DataError(f"{sequence.path}: losing {kind} lost frames too")
        error = _errors(poses, sequence, MetricsConfig()).joint.mean(axis=1)
        base = without.joint.mean(axis=1)
        yield (
            kind,
            (
                float(error[before].mean()),
                float(error[lost].mean()),
                float(base[lost].mean()),
                float(error[after].mean()),
                float(base[after].mean()),
                float(error[lost | after].max()),
            ),
        )
