"""``same-bench figures``: put the picture and the table of a report of record into the README.

Writes the picture beside the report and replaces what stands between the README's markers
``<!-- same-bench -->`` and ``<!-- /same-bench -->``.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from same_bench.reporting.marked_block import check_marked, replace_marked
from same_bench.reporting.pages import headline, latency_picture, markdown_table
from same_bench.reporting.report import read_report, write_whole
from same_bench.reporting.tables import describe, peer_table, percentile_text

_MARK = "same-bench"


@dataclass(frozen=True)
class FiguresCommand:
    """Write the README's latency picture and table from a same-bench report."""

    report: Path = Path("benchmarks/results/lite-90hz/report.json")
    """JSON report of record."""
    readme: Path = Path("README.md")
    """Markdown file with the two markers."""


def run(command: FiguresCommand) -> None:
    """Run the command. Raises ``InvalidInputError`` when the README has no markers."""
    report = read_report(command.report)
    first = report.runs[0]
    picture = command.report.with_name("latency.svg")
    check_marked(command.readme, _MARK)
    write_whole(picture, latency_picture(first))
    link = Path(os.path.relpath(picture, command.readme.resolve().parent)).as_posix()
    names = list(first.summary.percentiles)
    cells = [percentile_text(first, n) for n in names] + [f"{first.summary.max / 1e6:.2f} ms"]
    lines = [
        f"![Latency of each frame over time, with the deadlines of 72, 90 and 120 Hz]({link})",
        "",
        f"{describe(first.samples)}; {headline(first)}. On {report.machine['cpu_model']}, "
        f"{report.machine['usable_processors']} processors; made by `{report.command}`.",
        "",
        "| " + " | ".join([*names, "max"]) + " |",
        "|" + " ---: |" * (len(names) + 1),
        "| " + " | ".join(cells) + " |",
    ]
    peers = peer_table(report)
    if peers is not None:
        lines += ["", *markdown_table(peers)]
    if report.noise_reasons:
        lines += ["", f"Not a quiet machine: {'; '.join(report.noise_reasons)}."]
    replace_marked(command.readme, _MARK, lines)
    print(f"wrote {picture} and the table in {command.readme}")
