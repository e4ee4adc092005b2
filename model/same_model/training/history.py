"""The losses and errors of a run: kept in memory, as CSV, TensorBoard logs and a plot."""

import contextlib
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from same_engines.atomic_files import whole_file


class History:
    """The figures of a run by step. What writes raises ``OSError`` when it cannot."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.rows: list[dict[str, float]] = []
        self._folder, self._stage = folder, stage
        self._tensorboard: Any = None

    def open_tensorboard(self) -> None:
        """Write what is added from now on to TensorBoard logs too."""
        from torch.utils.tensorboard import SummaryWriter

        self._tensorboard = SummaryWriter(str(self._folder / "tensorboard"))

    def close_tensorboard(self) -> None:
        """Close the logs without an error: another may be on its way, and the CSV has it all."""
        if self._tensorboard is not None:
            with contextlib.suppress(OSError):
                self._tensorboard.close()

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the ``figures`` of ``step``."""
        self.rows.append({"step": float(step), **figures})
        if self._tensorboard is not None:
            for name, value in figures.items():
                self._tensorboard.add_scalar(f"{self._stage}/{name}", value, step)

    def last_errors(self) -> dict[str, float]:
        """The validation errors of the last step."""
        last = self.rows[-1] if self.rows else {}
        return {name: value for name, value in last.items() if name.startswith("val_")}

    def write_csv(self) -> None:
        """Write ``losses.csv``."""
        with whole_file(self._folder / "losses.csv") as partial:  # noqa: SIM117
            with partial.open("w", newline="") as file:
                table = csv.DictWriter(file, _names(self.rows))
                table.writeheader()
                table.writerows(self.rows)

    def plot(self) -> None:
        """Draw ``losses.png``: every figure over the steps, one panel each."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        names = [name for name in _names(self.rows) if name != "step"]
        if not names:
            return
        figure = Figure(figsize=(8, 2.2 * len(names)), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(names), squeeze=False)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            points = [(row["step"], row[name]) for row in self.rows if name in row]
            axes.plot(*zip(*points, strict=True), marker="." if len(points) < 30 else None)
            axes.set(ylabel=name, yscale="log" if min(y for _, y in points) > 0 else "linear")
            axes.grid(alpha=0.3)
        panels[-1].set_xlabel("step")
        with whole_file(self._folder / "losses.png") as partial:
            figure.savefig(partial, dpi=80, format="png")


def _names(rows: list[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
