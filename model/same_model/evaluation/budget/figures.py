"""The error budget of a checkpoint: where the millimetres, pixels and degrees come from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from same_engines.errors import DataError, InvalidInputError
from same_model.data.sequence import SequenceReader
from same_model.evaluation.budget.stages import StageErrors, row_titles, stage_errors
from same_model.evaluation.metrics import FOOT_JOINTS
from same_model.same_network import SameModel
from same_model.training.data.dataset import HIDDEN
from same_runtime.cli.console import messages
from same_runtime.conventions import (
    JOINT_NAMES,
    LOWER_BODY_JOINTS,
    NUM_JOINTS,
    UPPER_BODY_JOINTS,
)

SCHEMA_VERSION: Final = 1
JOINT_GROUPS: Final[Mapping[str, tuple[int, ...]]] = {
    "all": tuple(range(NUM_JOINTS)),
    "upper": UPPER_BODY_JOINTS,
    "lower": LOWER_BODY_JOINTS,
    "foot": FOOT_JOINTS,
}
_VISIBILITY: Final[Mapping[str, float]] = {"seen": 1.0, "hidden": HIDDEN, "outside": 0.0}
_TURNED_BY_DEVICES: Final = ("head", "left_wrist", "right_wrist")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class JointFigures:
    """A mean over frames, by groups of joints and by joint."""

    groups: dict[str, float]
    """Mean of each of ``JOINT_GROUPS``."""
    joints: dict[str, float]
    """Mean of each joint."""


@dataclass(frozen=True)
class PixelFigures:
    """2D errors of the joints of one visibility, pixels of the network's input."""

    share: float
    """Part of all joints in both views that are of this visibility."""
    mean: float
    median: float
    visibility: float
    """What the network says on average: trained to 1 seen, 0.5 hidden, 0 outside."""
    joints: dict[str, float]
    """Mean of each joint that was ever of this visibility."""


@dataclass(frozen=True)
class SightFigures:
    """What comes out for the joints that the better of both views sees equally well."""

    share: float
    """Part of all joints."""
    mm: float
    """Mean distance of J_G from the truth."""
    degrees: float
    """Mean angle between rotations, as ``BudgetGroup.degrees``."""
    joints_mm: dict[str, float]
    joints_degrees: dict[str, float]
    """Means of each joint that was ever seen so."""


@dataclass(frozen=True)
class BudgetGroup:
    """The error budget of the sequences of one split."""

    sequences: int
    frames: int
    rows: dict[str, JointFigures]
    """Row of ``row_titles`` -> distances from the truth, mm."""
    pixels: dict[str, PixelFigures]
    """Seen, hidden inside the image, outside; empty without images."""
    degrees: JointFigures | None
    """Angles between the joints' rotations in the world, J_G's against the truth's, but for those
    of head and wrists, which are their devices'; None without images."""
    sight: dict[str, SightFigures]
    """Seen, hidden inside the image, outside, in the view that sees the joint best; empty without
    images."""


@dataclass(frozen=True)
class Budget:
    """All that same-eval budget finds out about one checkpoint."""

    groups: dict[str, BudgetGroup]
    """Split -> figures."""
    titles: dict[str, str]
    """Row -> what it measures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        units = {"rows": "mm", "pixels": "px of the network's input", "degrees": "degrees"}
        return {"schema_version": SCHEMA_VERSION, "units": units, **asdict(self)}


def _joint_figures(errors: Array, without: tuple[str, ...] = ()) -> JointFigures:
    """Figures of ``errors`` (F, J), but for the joints ``without``."""
    means = {
        name: float(mean)
        for name, mean in zip(JOINT_NAMES, errors.mean(axis=0), strict=True)
        if name not in without
    }
    groups = {
        group: [means[JOINT_NAMES[joint]] for joint in joints if JOINT_NAMES[joint] in means]
        for group, joints in JOINT_GROUPS.items()
    }
    return JointFigures({name: float(np.mean(of)) for name, of in groups.items()}, means)


def _pixel_figures(parts: list[StageErrors]) -> dict[str, PixelFigures]:
    """Figures of each visibility that occurs."""
    pixels, truth, said = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("pixels", "true_visibility", "visibility")
    )
    figures = {}
    for name, value in _VISIBILITY.items():
        chosen = truth == value
        if not chosen.any():
            continue
        figures[name] = PixelFigures(
            float(chosen.mean()),
            float(pixels[chosen].mean()),
            float(np.median(pixels[chosen])),
            float(said[chosen].mean()),
            _means_of_joints(pixels, chosen),
        )
    return figures


def _sight_figures(parts: list[StageErrors]) -> dict[str, SightFigures]:
    """Figures of each visibility that occurs."""
    best = np.concatenate([part.true_visibility.max(axis=1) for part in parts])
    millimetres = np.concatenate([part.rows["temporal"] for part in parts])
    degrees = np.concatenate([part.degrees for part in parts])
    is_turned = np.array([name not in _TURNED_BY_DEVICES for name in JOINT_NAMES])
    figures = {}
    for name, value in _VISIBILITY.items():
        chosen = best == value
        turned = chosen & is_turned
        if turned.any():
            figures[name] = SightFigures(
                float(chosen.mean()),
                float(millimetres[chosen].mean()),
                float(degrees[turned].mean()),
                _means_of_joints(millimetres, chosen),
                _means_of_joints(degrees, turned),
            )
    return figures


def _means_of_joints(errors: Array, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """The mean of ``errors`` (..., J) of each joint that is ``chosen`` (..., J) at all."""
    return {
        joint: float(errors[..., j][chosen[..., j]].mean())
        for j, joint in enumerate(JOINT_NAMES)
        if chosen[..., j].any()
    }


def _group(parts: list[StageErrors], titles: Mapping[str, str], with_images: bool) -> BudgetGroup:
    rows = {name: np.concatenate([part.rows[name] for part in parts]) for name in titles}
    degrees = np.concatenate([part.degrees for part in parts])
    return BudgetGroup(
        len(parts),
        len(rows["imu"]),
        {name: _joint_figures(errors) for name, errors in rows.items()},
        _pixel_figures(parts) if with_images else {},
        _joint_figures(degrees, _TURNED_BY_DEVICES) if with_images else None,
        _sight_figures(parts) if with_images else {},
    )


def error_budget(
    model: SameModel,
    sequences: list[SequenceReader],
    with_images: bool = True,
    straps_measured: bool = False,
) -> Budget:
    """The error budget of ``model`` (on the CPU) over ``sequences``, by split;
    ``straps_measured`` as of ``OfflinePredictor``.

    ``with_images``: False measures only what needs no image. Raises ``DataError`` without
    sequences or for one that cannot be read, and ``InvalidInputError`` for the concatenating
    baseline.
    """
    if model.config.fusion_kind != "same":
        raise InvalidInputError(
            f"checkpoint: fusion_kind {model.config.fusion_kind} starts at no pose and refines "
            "none, so it has no error budget; its errors: same-eval CHECKPOINT"
        )
    if not sequences:
        raise DataError("no sequences to evaluate")
    titles = row_titles(model.config.iterations, with_images)
    parts: dict[str, list[StageErrors]] = {}
    model.eval()
    with Progress(console=messages()) as progress:
        task = progress.add_task("error budget", total=sum(s.frames for s in sequences))
        for sequence in sequences:
            errors = stage_errors(model, sequence, with_images, straps_measured)
            parts.setdefault(str(sequence.meta.get("split", "unnamed")), []).append(errors)
            progress.advance(task, sequence.frames)
    groups = {split: _group(found, titles, with_images) for split, found in sorted(parts.items())}
    return Budget(groups, titles)
