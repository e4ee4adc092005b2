"""The paper's ablation tables from runs of ``same-train --ablation ROW``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from same_engines.errors import DataError
from same_model.checkpoint import load_checkpoint
from same_model.data.sequence import SequenceReader
from same_model.evaluation.evaluate import SCHEMA_VERSION, Evaluation, Group, evaluate
from same_model.evaluation.metrics import MetricsConfig
from same_model.evaluation.predict import OfflinePredictor
from same_model.evaluation.report import table

TABLES: Final = {
    "Table 1: baselines": ("imu_only", "stereo_only", "full"),
    "Table 2: components": ("none", "no_sa_mvf", "no_ma_mmf", "no_ttn", "full"),
    "Table 3: modalities": ("imu_only", "stereo_only", "imu_left", "full"),
    "Table 4: ground loss": ("no_ground", "full"),
}
"""Rows of each table, in the paper's order; the paper's last row is its best."""


def evaluate_rows(
    runs: Path, sequences: list[SequenceReader], metrics: MetricsConfig
) -> dict[str, Evaluation]:
    """Evaluate ``runs``/ROW/model.safetensors of every row that is there.

    Raises ``DataError`` when none is.
    """
    rows = dict.fromkeys(row for table_rows in TABLES.values() for row in table_rows)
    found = {row: runs / row / "model.safetensors" for row in rows}
    found = {row: path for row, path in found.items() if path.is_file()}
    if not found:
        raise DataError(
            f"{runs}: no ROW/model.safetensors in it; make them with "
            "same-train joint --ablation ROW --out RUNS/ROW"
        )
    return {
        row: evaluate(OfflinePredictor(load_checkpoint(path)), sequences, metrics, losses=False)
        for row, path in found.items()
    }


def disagreements(rows: dict[str, Group]) -> list[str]:
    """Where the full model is not the best, in sentences."""
    said = []
    full = rows.get("full")
    if full is None:
        return ["The full model was not evaluated."]
    for row, group in rows.items():
        for metric in ("pa_mpjpe", "mpjpe", "ground"):
            if group.metrics[metric] < full.metrics[metric]:
                said.append(
                    f"{row} has the lower {metric}: {group.metrics[metric]:.1f} against "
                    f"{full.metrics[metric]:.1f} of full, which the paper has as the best."
                )
    return said


def write_tables(evaluations: dict[str, Evaluation], command: str, out: Path) -> str:
    """Write ``ablations.json`` and ``ablations.md`` into ``out``; returns the Markdown.

    Rows that were not trained are named. Raises ``DataError`` when they cannot be written.
    """
    protocols = dict.fromkeys(p for e in evaluations.values() for p in e.protocols)
    parts = [
        "# Ablations",
        "Millimetres (jitter: m/s^3) on the synthetic protocols of this package, never on EMHI.",
    ]
    for protocol in protocols:
        for title, names in TABLES.items():
            rows = {
                row: evaluations[row].protocols[protocol] for row in names if row in evaluations
            }
            absent = [row for row in names if row not in evaluations]
            parts += [f"## {title} ({protocol})", table(rows, "row")]
            if absent:
                parts.append("Not trained: " + ", ".join(absent) + ".")
            said = disagreements(rows)
            parts.append(" ".join(said) if said else "As in the paper, full is best.")
    text = "\n\n".join(parts) + f"\n\nMade by `{command}`.\n"
    content = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "rows": {
            row: {name: asdict(group) for name, group in evaluation.protocols.items()}
            for row, evaluation in evaluations.items()
        },
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "ablations.md").write_text(text)
        (out / "ablations.json").write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written ({error.strerror})") from None
    return text
