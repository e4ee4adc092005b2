"""An error budget as JSON, as Markdown and as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from same_model.evaluation.budget.figures import JOINT_GROUPS, Budget, BudgetGroup
from same_model.evaluation.markdown import markdown_table
from same_model.evaluation.report_files import json_text, png_bytes, write_report_files
from same_runtime.conventions import JOINT_NAMES

_COLUMNS: Final = {"all": "MPJPE", "upper": "upper", "lower": "lower", "foot": "foot"}


def rows_table(group: BudgetGroup, titles: Mapping[str, str]) -> str:
    """The rows of ``group`` as a Markdown table, mm."""
    rows = [
        [titles[name], *(f"{figures.groups[column]:.1f}" for column in _COLUMNS)]
        for name, figures in group.rows.items()
    ]
    return markdown_table(["what is measured", *_COLUMNS.values()], rows)


def pixels_table(group: BudgetGroup) -> str:
    """The 2D errors of ``group`` as a Markdown table."""
    rows = [
        [
            name,
            f"{100 * figures.share:.0f} %",
            f"{figures.mean:.1f}",
            f"{figures.median:.1f}",
            f"{figures.visibility:.2f}",
        ]
        for name, figures in group.pixels.items()
    ]
    titles = ["2D joints", "share", "mean, px", "median, px", "mean visibility that is predicted"]
    return markdown_table(titles, rows)


def sight_table(group: BudgetGroup) -> str:
    """What comes out of ``group`` by how well a joint is seen, as a Markdown table."""
    rows = [
        [name, f"{100 * found.share:.0f} %", f"{found.mm:.1f}", f"{found.degrees:.1f}"]
        for name, found in group.sight.items()
    ]
    return markdown_table(
        ["joints, in the view that sees them best", "share", "J_G, mm", "degrees"], rows
    )


def _joints_table(group: BudgetGroup, last: str) -> str:
    """Millimetres of the first and last stage, pixels and degrees of every joint."""
    shown = [name for name in ("imu", last, "temporal") if name in group.rows]
    titles = ["joint", *(f"{name}, mm" for name in shown)]
    titles += [f"{name}, px" for name in group.pixels]
    if group.degrees is not None:
        titles += ["degrees", *(f"{name}, degrees" for name in group.sight)]
    rows = []
    for joint in JOINT_NAMES:
        cells = [joint, *(f"{group.rows[name].joints[joint]:.1f}" for name in shown)]
        for figures in group.pixels.values():
            cells.append(f"{figures.joints[joint]:.1f}" if joint in figures.joints else "")
        if group.degrees is not None:
            each = [group.degrees.joints, *(found.joints_degrees for found in group.sight.values())]
            cells += [f"{turned[joint]:.1f}" if joint in turned else "" for turned in each]
        rows.append(cells)
    return markdown_table(titles, rows)


def _last_fusion(group: BudgetGroup) -> str:
    iterations = [name for name in group.rows if name.removeprefix("fusion_").isdigit()]
    return iterations[-1] if iterations else ""


def to_markdown(budget: Budget, title: str) -> str:
    """The whole budget as Markdown."""
    parts = [
        f"# {title}",
        "Means over frames, offline. `true`: the stage got the truth in place of what the stage "
        "before it gives. Millimetres from the truth: J_imu and J_L in the left camera's frame, "
        "J_G in the world, so that J_G alone bears the errors of the sensed head. Pixels of the "
        "network's input; outside: the joint is beyond the image, where no pixel shows it. "
        "Degrees: the joints' rotations in the world, as the runtime's skeleton solves them from "
        "J_G and from the truth; head and wrists have theirs from the devices. "
        "Synthetic data of this package: no figure here is one on EMHI.",
    ]
    for split, group in budget.groups.items():
        last = _last_fusion(group)
        parts += [
            f"## {split}: {group.sequences} recordings, {group.frames} frames",
            rows_table(group, budget.titles),
        ]
        if group.pixels:
            parts.append(pixels_table(group))
        if group.degrees is not None:
            degrees = (f"{name} {group.degrees.groups[name]:.1f}" for name in JOINT_GROUPS)
            parts.append("Degrees: " + ", ".join(degrees) + ".")
        if group.sight:
            parts.append(sight_table(group))
        parts.append(_joints_table(group, last))
    return "\n\n".join(parts) + "\n"


def plot(budget: Budget) -> bytes:
    """Draw, for each split, millimetres of the rows and pixels and degrees of the joints; a PNG
    file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17, 4.6 * len(budget.groups)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(budget.groups), 3, squeeze=False, width_ratios=(5, 4, 4))
    for (split, group), (millimetres, pixels, degrees) in zip(
        budget.groups.items(), panels, strict=True
    ):
        _plot_rows(millimetres, group, budget.titles)
        millimetres.set_title(f"{split}: {group.frames} frames")
        inside = {name: f.joints for name, f in group.pixels.items() if name != "outside"}
        _plot_bars(pixels, inside)
        pixels.set(ylabel="2D error, px of the network's input")
        turned = {} if group.degrees is None else {"J_G": group.degrees.joints}
        _plot_bars(degrees, turned)
        degrees.set(ylabel="rotation error, degrees")
    return png_bytes(figure, dpi=90)


def _plot_rows(axes: Any, group: BudgetGroup, titles: Mapping[str, str]) -> None:
    names = list(group.rows)
    shown = {"all": "all joints", "upper": "upper", "lower": "lower", "foot": "foot"}
    height = 0.8 / len(shown)
    for index, (column, label) in enumerate(shown.items()):
        places = [row + (index + 0.5) * height - 0.4 for row in range(len(names))]
        values = [group.rows[name].groups[column] for name in names]
        bars = axes.barh(places, values, height, label=label)
        if column in ("all", "foot"):
            axes.bar_label(bars, fmt="%.0f", fontsize=7, padding=2)
    axes.set_yticks(range(len(names)), [titles[name] for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="error, mm")
    axes.legend(fontsize=8)
    axes.grid(axis="x", alpha=0.3)


def _plot_bars(axes: Any, series: Mapping[str, Mapping[str, float]]) -> None:
    """One bar for each joint of each of ``series``."""
    if not series:
        axes.set_axis_off()
        return
    width = 0.8 / len(series)
    for index, (label, joints) in enumerate(series.items()):
        places = [j + (index + 0.5) * width - 0.4 for j in range(len(JOINT_NAMES))]
        axes.bar(places, [joints.get(name, 0.0) for name in JOINT_NAMES], width, label=label)
    axes.set_xticks(range(len(JOINT_NAMES)), JOINT_NAMES, rotation=70, ha="right", fontsize=8)
    axes.legend(fontsize=8)
    axes.grid(axis="y", alpha=0.3)


def write_budget(budget: Budget, title: str, command: str, out: Path) -> None:
    """Write ``budget.json``, ``budget.md`` and ``budget.png`` into ``out``.

    Raises ``DataError`` when they cannot be written.
    """
    write_report_files(
        out,
        {
            "budget.json": json_text({"title": title, "command": command, **budget.to_dict()}),
            "budget.md": to_markdown(budget, title) + f"\nMade by `{command}`.\n",
            "budget.png": plot(budget),
        },
    )
