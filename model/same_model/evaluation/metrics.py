"""The paper's metrics and a few more, over 22 joints, in millimetres (jitter: m/s^3, rotation:
degrees, skating: mm/s, late: ms)."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import check_ranges
from same_model.evaluation.rotation_errors import rotation_errors_deg
from same_model.jitter import jitter
from same_model.lateness import Lateness, lateness
from same_model.skating import skating_mm_per_s
from same_runtime.conventions import (
    JOINT_NAMES,
    LOWER_BODY_JOINTS,
    NUM_JOINTS,
    UPPER_BODY_JOINTS,
)

HAND_JOINTS: Final = (20, 21)
FOOT_JOINTS: Final = (7, 8, 10, 11)
"""Ankles and toes; ``MetricsConfig.foot_joints`` narrows them to the toes."""
_HEAD = JOINT_NAMES.index("head")
_HALVES: Final = {"upper": UPPER_BODY_JOINTS, "lower": LOWER_BODY_JOINTS}
_MM = 1000.0


@dataclass(frozen=True)
class MetricsConfig:
    """What the paper leaves open about its metrics."""

    foot_joints: tuple[int, ...] = FOOT_JOINTS
    """Joints of the foot error: {7, 8, 10, 11}, or {10, 11} for the toes alone."""
    ground_y_m: float = 0.0
    """Height of the floor, metres."""

    def __post_init__(self) -> None:
        check_ranges(self, ground_y_m=(-1e3, 1e3))
        if not self.foot_joints or not set(self.foot_joints) <= set(range(NUM_JOINTS)):
            raise InvalidInputError(
                f"foot_joints: expected joints, 0 to {NUM_JOINTS - 1}, got {self.foot_joints}"
            )


@dataclass(frozen=True, eq=False)
class FrameErrors:
    """Errors of each of F frames; every aggregate is a mean over frames of these."""

    joint: NDArray[np.float64]
    """(F, J) distances, mm."""
    joint_head_aligned: NDArray[np.float64]
    """(F, J) distances after moving the head joint onto the true one, mm."""
    procrustes: NDArray[np.float64]
    """(F, J) distances after a similarity transform of each frame (PA), mm."""
    ground: NDArray[np.float64]
    """(F,) distance of the lowest joint from the floor, above (floating) or below it, mm."""
    penetration: NDArray[np.float64]
    """(F,) depth of the lowest joint below the floor, mm; 0 above it."""
    lowest_joint: NDArray[np.float64]
    """(F,) difference between the heights of the lowest predicted and lowest true joint, mm."""
    jitter: NDArray[np.float64]
    """(F,) mean third derivative of the joints, m/s^3; NaN in the first three frames of a run."""
    rotation: NDArray[np.float64]
    """(F, J) degrees; see ``rotation_errors_deg``."""
    skating: NDArray[np.float64]
    """(F,) mm/s of feet that truly stand, NaN where none does; see ``skating_mm_per_s``."""
    behind: NDArray[np.float64]
    """(F, J) and ``along`` (F, J): see ``Lateness``."""
    along: NDArray[np.float64]

    @property
    def lateness(self) -> Lateness:
        """How late joints come."""
        return Lateness(self.behind, self.along)


def procrustes_aligned(
    predicted: NDArray[np.float64], truth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``predicted`` (F, J, 3) after the similarity transform that brings each frame nearest to
    ``truth``, in the least-squares sense, without reflections.

    Source: Umeyama, 1991.
    """
    mean_predicted = predicted.mean(axis=1, keepdims=True)
    mean_truth = truth.mean(axis=1, keepdims=True)
    p, t = predicted - mean_predicted, truth - mean_truth
    u, singular, vt = np.linalg.svd(np.swapaxes(p, 1, 2) @ t)
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * sign[:, None]) @ vt
    variance = (p**2).sum(axis=(1, 2))
    scale = (singular * sign).sum(axis=1) / np.where(variance > 0, variance, 1.0)
    return np.asarray(scale[:, None, None] * (p @ rotation) + mean_truth)


def frame_errors(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    timestamps_ns: NDArray[np.int64],
    config: MetricsConfig | None = None,
    devices: NDArray[np.float64] | None = None,
) -> FrameErrors:
    """Errors of one sequence.

    ``predicted``, ``truth``: (F, 22, 3) metres, world frame, y up. ``timestamps_ns`` (F,).
    ``devices``: (F, 5, 4) orientations as sensed, from which rotations get their twists.
    Raises ``InvalidInputError`` for other shapes or values that are not finite.
    """
    config = config or MetricsConfig()
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    for name, joints in (("predicted", predicted), ("truth", truth)):
        if joints.ndim != 3 or joints.shape[1:] != (NUM_JOINTS, 3):
            raise InvalidInputError(f"{name}: expected (F, {NUM_JOINTS}, 3), got {joints.shape}")
        if not np.isfinite(joints).all():
            bad = int((~np.isfinite(joints)).any(axis=(1, 2)).argmax())
            raise InvalidInputError(f"{name}: frame {bad} is not finite")
    if len(predicted) != len(truth) or len(truth) != len(timestamps_ns) or len(truth) == 0:
        raise InvalidInputError(
            f"expected as many predicted as true frames and times, at least 1, got "
            f"{len(predicted)}, {len(truth)} and {len(timestamps_ns)}"
        )

    def distance(joints: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_MM * np.linalg.norm(joints - truth, axis=-1))

    to_head = truth[:, _HEAD : _HEAD + 1] - predicted[:, _HEAD : _HEAD + 1]
    height = _MM * (predicted[..., 1].min(axis=1) - config.ground_y_m)
    true_height = _MM * (truth[..., 1].min(axis=1) - config.ground_y_m)
    return FrameErrors(
        distance(predicted),
        distance(predicted + to_head),
        distance(procrustes_aligned(predicted, truth)),
        np.abs(height),
        np.maximum(-height, 0.0),
        np.abs(height - true_height),
        jitter(predicted, timestamps_ns),
        rotation_errors_deg(predicted, truth, timestamps_ns, devices),
        skating_mm_per_s(predicted, truth, timestamps_ns, config.ground_y_m),
        *lateness(predicted, truth, timestamps_ns),
    )


def summarise(errors: FrameErrors, config: MetricsConfig | None = None) -> dict[str, float]:
    """The metrics over all frames of ``errors``, by name."""
    config = config or MetricsConfig()

    def over(values: NDArray[np.float64], joints: tuple[int, ...]) -> float:
        return float(values[:, joints].mean())

    everything = tuple(range(NUM_JOINTS))
    return {
        "mpjpe": over(errors.joint, everything),
        "mpjpe_head_aligned": over(errors.joint_head_aligned, everything),
        "pa_mpjpe": over(errors.procrustes, everything),
        "upper": over(errors.joint, UPPER_BODY_JOINTS),
        "lower": over(errors.joint, LOWER_BODY_JOINTS),
        "hand": over(errors.joint, HAND_JOINTS),
        "foot": over(errors.joint, config.foot_joints),
        "ground": float(errors.ground.mean()),
        "penetration": float(errors.penetration.mean()),
        "lowest_joint": float(errors.lowest_joint.mean()),
        "jitter": _mean_of_known(errors.jitter),
        "rotation": over(errors.rotation, everything),
        "skating": _mean_of_known(errors.skating),
        **{f"late_{name}": errors.lateness.milliseconds(j) for name, j in _HALVES.items()},
    }


def _mean_of_known(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def joined(parts: list[FrameErrors]) -> FrameErrors:
    """The frames of several sequences as one."""
    return FrameErrors(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in FrameErrors.__dataclass_fields__
        )
    )


def confidence_intervals(
    parts: list[FrameErrors],
    config: MetricsConfig | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals of ``summarise``, drawing whole sequences with replacement.

    Frames of a sequence are alike, so they must not count as independent draws. One sequence
    gives an interval of no width, which says nothing about others.
    """
    # A mean over drawn frames needs only each sequence's sum and count.
    names = list(summarise(parts[0], config))
    means = np.array([list(summarise(part, config).values()) for part in parts])
    frames = np.array([len(part.joint) for part in parts], np.float64)
    counts = np.tile(frames[:, None], (1, len(names)))
    for name in ("jitter", "skating"):
        known = [np.isfinite(getattr(part, name)).sum() for part in parts]
        counts[:, names.index(name)] = known
    for name, joints in _HALVES.items():
        along = [max(0.0, np.nansum(part.along[:, joints])) for part in parts]
        counts[:, names.index(f"late_{name}")] = along
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(parts), size=(resamples, len(parts)))
    totals = counts[drawn].sum(axis=1)
    values = (means * counts)[drawn].sum(axis=1) / np.where(totals > 0, totals, 1.0)
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    return {name: (float(lo), float(hi)) for name, lo, hi in zip(names, low, high, strict=True)}
