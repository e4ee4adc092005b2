"""An evaluation as JSON, as Markdown in the paper's column order, and as a plot per joint."""

from collections.abc import Mapping
from pathlib import Path

from same_engines.bundle.manifest import say_trained_steps
from same_model.evaluation.evaluate import LOSSES_TAKE_S, Evaluation, Group
from same_model.evaluation.markdown import markdown_table
from same_model.evaluation.report_files import json_text, png_bytes, write_report_files
from same_runtime.conventions import JOINT_NAMES

# The paper's columns (Table 1), then those it does not have.
_COLUMNS = {
    "pa_mpjpe": "PA-MPJPE",
    "mpjpe": "MPJPE",
    "upper": "Upper",
    "lower": "Lower",
    "foot": "Foot",
    "hand": "Hand",
    "ground": "Ground",
    "mpjpe_head_aligned": "MPJPE (head-aligned)",
    "penetration": "Penetration",
    "lowest_joint": "Lowest joint",
    "jitter": "Jitter",
    "rotation": "Rotation",
    "skating": "Skating",
    "late_upper": "Late, upper",
    "late_lower": "Late, lower",
}
_OF_LOSSES = {
    "before": "before",
    "during": "during",
    "during_without_loss": "during, nothing lost",
    "after": "1 s after",
    "after_without_loss": "1 s after, nothing lost",
    "worst_frame": "worst frame",
}


def table(rows: Mapping[str, Group], first: str, intervals: bool = False) -> str:
    """``rows`` as a Markdown table, one line a group; ``first``: title of their names."""
    lines = []
    for name, group in rows.items():
        cells = [name, f"{group.frames} in {group.sequences}"]
        for metric in _COLUMNS:
            cell = f"{group.metrics[metric]:.1f}"
            if intervals:
                low, high = group.confidence_95[metric]
                cell += f" ({low:.1f}{'-' if low >= 0 else ' to '}{high:.1f})"
            cells.append(cell)
        lines.append(cells)
    return markdown_table([first, "frames", *_COLUMNS.values()], lines)


def what_does_not_count(evaluation: Evaluation) -> list[str]:
    """What there is in the data that is in no figure, or in none of losses, a sentence each."""
    said = []
    if evaluation.frames_without_pose:
        said.append(f"{evaluation.frames_without_pose} frames had no head pose and count nowhere.")
    if evaluation.frames_not_given:
        said.append(
            f"{evaluation.frames_not_given} frames are not in the pose file and count nowhere."
        )
    if evaluation.too_short_for_losses:
        said.append(
            f"Losses of a stream: left out in {evaluation.too_short_for_losses} sequences of less "
            f"than the {LOSSES_TAKE_S:g} s that they take, or without a pose in the lost "
            "second or the one after it."
        )
    return said


def to_markdown(evaluation: Evaluation, title: str) -> str:
    """The whole evaluation as Markdown."""
    parts = [
        f"# {title}",
        "Millimetres (jitter: m/s^3, rotation: degrees, skating: mm for each second that a foot "
        "truly stands, late: ms behind the truth's motion), means over frames; in brackets 95 % "
        "bootstrap intervals over sequences. Synthetic protocols of this package: no figure here "
        "is a result on EMHI.",
        table(evaluation.protocols, "protocol", intervals=True),
        "What the truth itself scores: "
        + "; ".join(
            f"{protocol}: Ground {s['ground']:.1f}, Penetration {s['penetration']:.1f}, "
            f"Jitter {s['jitter']:.1f}, Skating {s['skating']:.1f}"
            for protocol, s in evaluation.truth.items()
        )
        + ".",
    ]
    if evaluation.trained_steps:
        parts.append(f"The network: {say_trained_steps(evaluation.trained_steps)}.")
    parts += what_does_not_count(evaluation)
    for protocol, actions in evaluation.actions.items():
        parts += [f"## Actions of {protocol}", table(actions, "action")]
    if evaluation.joints:
        titles = list(evaluation.joints)
        heads = ["joint", *(f"{p}, {unit}" for p in titles for unit in ("mm", "degrees"))]
        lines = []
        for joint in JOINT_NAMES:
            cells = (
                f"{value:.1f}"
                for p in titles
                for value in (evaluation.joints[p][joint][0], evaluation.rotations[p][joint])
            )
            lines.append([joint, *cells])
        parts += ["## Joints", markdown_table(heads, lines)]
    if evaluation.losses:
        heads = ["lost for 1 s", *_OF_LOSSES.values(), "sequences"]
        lines = [
            [kind, *(f"{found[name]:.1f}" for name in _OF_LOSSES), f"{found['sequences']:.0f}"]
            for kind, found in evaluation.losses.items()
        ]
        parts += ["## MPJPE when a stream is lost", markdown_table(heads, lines)]
    return "\n\n".join(parts) + "\n"


def plot_joints(evaluation: Evaluation) -> bytes:
    """Bars of the mean error of each joint, with the spread over sequences (paper, Fig. 4), as a
    PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    width = 0.8 / len(evaluation.joints)
    for index, (protocol, joints) in enumerate(evaluation.joints.items()):
        places = [j + (index + 0.5) * width - 0.4 for j in range(len(JOINT_NAMES))]
        means, spreads = zip(*(joints[name] for name in JOINT_NAMES), strict=True)
        axes.bar(places, means, width, yerr=spreads, capsize=2, label=protocol)
    axes.set_xticks(range(len(JOINT_NAMES)), JOINT_NAMES, rotation=60, ha="right")
    axes.set(ylabel="error, mm", ylim=(0, None))
    axes.legend()
    axes.grid(axis="y", alpha=0.3)
    return png_bytes(figure, dpi=110)


def write_report(evaluation: Evaluation, title: str, command: str, out: Path) -> None:
    """Write ``metrics.json``, ``metrics.md`` and ``joints.png`` into ``out``.

    Raises ``DataError`` when they cannot be written.
    """
    write_report_files(
        out,
        {
            "metrics.json": json_text({"title": title, "command": command, **evaluation.to_dict()}),
            "metrics.md": to_markdown(evaluation, title) + f"\nMade by `{command}`.\n",
            "joints.png": plot_joints(evaluation),
        },
    )
