"""The paper's tables from the rows that ``same-train ablations`` trains."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Final

from rich.progress import track

from same_engines.errors import CheckpointError, DataError
from same_model.checkpoint import load_checkpoint
from same_model.config import PRESETS
from same_model.data.recorded_inputs import Loss
from same_model.data.sequence import SequenceReader
from same_model.evaluation.evaluate import Evaluation, Group, evaluate
from same_model.evaluation.markdown import markdown_table
from same_model.evaluation.metrics import MetricsConfig
from same_model.evaluation.predict import OfflineModels, PredictedPoses
from same_model.evaluation.report import table
from same_model.evaluation.report_files import json_text, write_report_files
from same_model.training.config import ABLATIONS
from same_runtime.cli.console import messages

TABLES: Final[dict[str, dict[str, dict[str, tuple[float, float, float]]]]] = {
    "Table 1: baselines": {
        "imu_only": {"protocol1": (27.8, 57.6, 19.6), "protocol2": (33.5, 70.5, 25.7)},
        "stereo_only": {"protocol1": (29.9, 50.7, 31.9), "protocol2": (32.7, 62.6, 41.8)},
        "meposer": {"protocol1": (23.8, 36.9, 23.7), "protocol2": (29.4, 47.6, 23.7)},
        "full": {"protocol1": (20.7, 33.4, 2.0), "protocol2": (21.6, 38.0, 4.7)},
    },
    "Table 2: components": {
        "none": {"protocol2": (23.9, 42.5, 25.8)},
        "no_sa_mvf": {"protocol2": (23.1, 40.7, 6.0)},
        "no_ma_mmf": {"protocol2": (22.5, 38.8, 5.9)},
        "no_ttn": {"protocol2": (22.3, 39.0, 24.5)},
        "full": {"protocol2": (21.6, 38.0, 4.7)},
    },
    "Table 3: modalities": {
        "imu_only": {"protocol2": (32.1, 52.1, 6.4)},
        "stereo_only": {"protocol2": (36.0, 62.4, 13.0)},
        "imu_left": {"protocol2": (25.3, 41.0, 6.2)},
        "full": {"protocol2": (21.6, 38.0, 4.7)},
    },
    "Table 4: ground loss": {
        "no_ground": {"protocol2": (22.4, 38.5, 8.1)},
        "full": {"protocol2": (21.6, 38.0, 4.7)},
    },
}
"""Rows of each table in the paper's order, whose last is its best, with what the paper reports on
EMHI by protocol: PA-MPJPE, MPJPE, Ground, mm. In Table 1 HMD-Poser stands beside ``imu_only`` and
EgoPoseFormer beside ``stereo_only``."""

_SCHEMA_VERSION: Final = 2
_COMPARED: Final = ("pa_mpjpe", "mpjpe", "ground")


def evaluate_rows(
    runs: Path, sequences: list[SequenceReader], metrics: MetricsConfig
) -> dict[str, Evaluation]:
    """Evaluate ``runs``/ROW/model.safetensors of every row that is there.

    Raises ``DataError`` when none is, and ``CheckpointError`` for a checkpoint of another row.
    """
    found = {row: runs / row / "model.safetensors" for rows in TABLES.values() for row in rows}
    found = {row: path for row, path in found.items() if path.is_file()}
    if not found:
        raise DataError(
            f"{runs}: no ROW/model.safetensors in it; make them with same-train ablations {runs}"
        )
    models = {row: load_checkpoint(path) for row, path in found.items()}
    untouched = {name: getattr(PRESETS["lite"], name) for on in ABLATIONS.values() for name in on}
    for row, model in models.items():
        for name, expected in (untouched | ABLATIONS[row]).items():
            if getattr(model.config, name) != expected:
                raise CheckpointError(
                    f"{found[row]}: not row {row}: expected {name} {expected}, got "
                    f"{getattr(model.config, name)}"
                )
    networks = OfflineModels(models)
    poses: dict[str, dict[Path, PredictedPoses]] = {row: {} for row in models}
    for sequence in track(sequences, "running every row", console=messages()):
        for row, predicted in networks(sequence).items():
            poses[row][sequence.path] = predicted
    return {row: evaluate(_Known(poses[row]), sequences, metrics, losses=False) for row in models}


def over_seeds(evaluations: Sequence[Mapping[str, Evaluation]]) -> dict[str, dict[str, Group]]:
    """Row -> protocol -> means over ``evaluations`` of the same rows, trained with other seeds;
    their intervals are the lowest and the highest."""

    def joined(groups: list[Group]) -> Group:
        values = {m: [group.metrics[m] for group in groups] for m in groups[0].metrics}
        means = {metric: sum(found) / len(found) for metric, found in values.items()}
        ranges = {metric: (min(found), max(found)) for metric, found in values.items()}
        return Group(groups[0].sequences, groups[0].frames, means, ranges)

    rows = dict.fromkeys(row for found in evaluations for row in found)
    return {
        row: {
            protocol: joined([found[row].protocols[protocol] for found in evaluations])
            for protocol in evaluations[0][row].protocols
        }
        for row in rows
        if all(row in found for found in evaluations)
    }


def validations(runs: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Row -> stage -> step and validation error, mm, of what was trained into ``runs``.

    Raises ``DataError`` when a record cannot be read.
    """
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for row in ABLATIONS:
        for stage, folder in (("fusion", runs / row / "fusion"), ("temporal network", runs / row)):
            try:
                with (folder / "losses.csv").open(newline="") as file:
                    lines = list(csv.DictReader(file))
                errors = [
                    (int(float(line["step"])), float(line[name]))
                    for line in lines
                    for name in ("val_local_mpjpe_mm", "val_mpjpe_mm")
                    if line.get(name)
                ]
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError) as error:
                raise DataError(f"{folder / 'losses.csv'}: cannot be read ({error})") from None
            if errors:
                found.setdefault(row, {})[stage] = errors
    return found


def _validation_table(runs: Path) -> str | None:
    """How the errors on the validation recordings fell, as Markdown."""
    found = validations(runs)
    if not found:
        return None
    lines = [
        [row, stage, ", ".join(f"{error:.1f} ({step})" for step, error in errors)]
        for row, stages in found.items()
        for stage, errors in stages.items()
    ]
    return markdown_table(["row", "trained", "validation MPJPE, mm (step)"], lines)


class _Known:
    """Poses that were predicted before."""

    def __init__(self, poses: dict[Path, PredictedPoses]) -> None:
        self._poses = poses

    def __call__(self, sequence: SequenceReader, losses: Sequence[Loss] = ()) -> PredictedPoses:
        return self._poses[sequence.path]


def disagreements(
    rows: Mapping[str, Group], paper: Mapping[str, tuple[float, float, float]]
) -> list[str]:
    """In which metrics two rows whose intervals do not overlap come in another order than the paper
    has them, in sentences."""
    said = []
    for (a, in_paper_a), (b, in_paper_b) in combinations(paper.items(), 2):
        if a not in rows or b not in rows:
            continue
        for index, metric in enumerate(_COMPARED):
            ours = rows[a].metrics[metric], rows[b].metrics[metric]
            (low_a, high_a), (low_b, high_b) = (rows[row].confidence_95[metric] for row in (a, b))
            apart = high_a < low_b or high_b < low_a
            if apart and (ours[0] - ours[1]) * (in_paper_a[index] - in_paper_b[index]) < 0:
                worse, better = (a, b) if ours[0] > ours[1] else (b, a)
                said.append(
                    f"{metric}: {better} is better than {worse} here ({min(ours):.1f} against "
                    f"{max(ours):.1f}), in the paper it is the other way round."
                )
    return said


def _against_meposer(rows: Mapping[str, Group]) -> str | None:
    """How the full model compares with the MEPoser-like baseline, as ratios."""
    if "full" not in rows or "meposer" not in rows:
        return None
    full, baseline = rows["full"].metrics, rows["meposer"].metrics
    return (
        "full / meposer: "
        + ", ".join(
            f"{title} {full[metric] / baseline[metric]:.2f}"
            for metric, title in (
                ("mpjpe", "MPJPE"),
                ("pa_mpjpe", "PA-MPJPE"),
                ("hand", "Hand"),
                ("foot", "Foot"),
                ("ground", "Ground"),
                ("lowest_joint", "Lowest joint"),
            )
        )
        + "."
    )


def _one_table(title: str, protocol: str, groups: Mapping[str, Group], seeds: int) -> list[str]:
    """``title`` of ``TABLES`` for ``protocol``, and what is to be said of it, as Markdown."""
    names = TABLES[title]
    rows = {row: groups[row] for row in names if row in groups}
    paper = {row: figures[protocol] for row, figures in names.items() if protocol in figures}
    absent = [row for row in names if row not in groups]
    shown = {
        row + (f" ({' / '.join(map(str, paper[row]))})" if row in paper else ""): group
        for row, group in rows.items()
    }
    first = "row (on EMHI in the paper: PA-MPJPE / MPJPE / Ground)" if paper else "row"
    parts = [f"## {title} ({protocol})", table(shown, first, intervals=seeds > 1)]
    if absent:
        which = "Not trained: " if seeds == 1 else "Not trained with every seed: "
        parts.append(which + ", ".join(absent) + ".")
    parts += filter(None, [_against_meposer(rows)])
    said = disagreements(rows, paper)
    if said:
        parts.append("\n".join(f"- {sentence}" for sentence in said))
    elif paper and not absent:
        parts.append(
            "Every pair of rows is in the paper's order."
            if seeds == 1
            else "No two rows that lie apart in every seed are in another order than the paper has "
            "them."
        )
    return parts


def write_tables(evaluations: Mapping[Path, dict[str, Evaluation]], command: str, out: Path) -> str:
    """Write ``ablations.json`` and ``ablations.md`` into ``out``; returns the Markdown.

    ``evaluations``: of each folder of rows, which differ by their seeds. Rows that were not trained
    are named. Raises ``DataError`` when they cannot be written.
    """
    groups = over_seeds(list(evaluations.values()))
    if not groups:
        raise DataError(f"{', '.join(map(str, evaluations))}: no row is in all of them")
    protocols = dict.fromkeys(p for found in groups.values() for p in found)
    seeds = len(evaluations)
    parts = [
        "# Ablations",
        "Millimetres (jitter: m/s^3) on the synthetic protocols of this package, never on EMHI. "
        "Each table is in the paper's order, which has the last row as the best."
        + (f" Means of {seeds} seeds; in brackets the lowest and the highest." * (seeds > 1)),
    ]
    for protocol in protocols:
        of_protocol = {row: found[protocol] for row, found in groups.items()}
        for title in TABLES:
            parts += _one_table(title, protocol, of_protocol, seeds)
    for runs in evaluations:
        course = _validation_table(runs)
        if course is not None:
            parts += [f"## Validation while `{runs.name}` trained", course]
    text = "\n\n".join(parts) + f"\n\nMade by `{command}`.\n"
    content = {
        "schema_version": _SCHEMA_VERSION,
        "command": command,
        "runs": {
            runs.name: {
                row: {name: asdict(group) for name, group in evaluation.protocols.items()}
                for row, evaluation in found.items()
            }
            for runs, found in evaluations.items()
        },
    }
    write_report_files(out, {"ablations.md": text, "ablations.json": json_text(content)})
    return text
