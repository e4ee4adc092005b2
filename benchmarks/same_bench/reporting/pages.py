"""A report as Markdown and as one HTML page that needs nothing but itself."""

from html import escape
from importlib import resources

import numpy as np

from same_bench.reporting import svg
from same_bench.reporting.report import Report, Run
from same_bench.reporting.stats import DEADLINE_RATES_HZ
from same_bench.reporting.tables import (
    TextTable,
    all_tables,
    describe,
    milliseconds,
    percentile_text,
)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page may load nothing; a browser enforces what a test checks."""


def headline(run: Run) -> str:
    """The run in one sentence."""
    summary, samples = run.summary, run.samples
    tail = "p99" if summary.percentiles["p99"] is not None else "max"
    value = summary.percentiles["p99"] if tail == "p99" else summary.max
    p50 = summary.percentiles["p50"]
    middle = f"p50 {milliseconds(p50)}" if p50 is not None else f"mean {milliseconds(summary.mean)}"
    if samples.rate_hz is None:
        return f"{middle}, {tail} {milliseconds(value)}"
    misses = int((np.asarray(samples.latency_ns) > 1e9 / samples.rate_hz).sum()) + samples.dropped
    total = len(samples.slot) + samples.dropped
    return (
        f"{middle}, {tail} {milliseconds(value)}; {misses:,} of {total:,} frames missed their "
        f"deadline at {samples.rate_hz:g} Hz"
    )


def markdown(report: Report) -> str:
    """The report as Markdown."""
    lines = ["# same-bench", ""]
    for run in report.runs:
        lines += [f"**{describe(run.samples)}.** {headline(run)}.", ""]
    if report.noise_reasons:
        lines += [f"> **Not a quiet machine:** {'; '.join(report.noise_reasons)}.", ""]
    for table in all_tables(report):
        lines += [f"## {table.title}", "", *markdown_table(table), ""]
    lines += ["## Command", "", "```", report.command, "```", ""]
    return "\n".join(lines)


def markdown_table(table: TextTable) -> list[str]:
    """A table's Markdown lines."""

    def row(cells: object) -> str:
        assert isinstance(cells, list | tuple)
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    rule = ["---", *["---:"] * (len(table.header) - 1)]
    return [row(list(table.header)), row(rule), *(row(list(cells)) for cells in table.rows)]


def html(report: Report) -> str:
    """The report as one self-contained HTML page."""
    style = _style("charts.css") + _style("page.css")
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">",
        "<meta name='viewport' content='width=device-width,initial-scale=1'>",
        f"<title>same-bench</title><style>{style}</style></head><body>",
        "<h1>Latency of full-body tracking</h1>",
        f"<p class='lead'>{escape(' '.join((report.bundle['preset'], report.bundle['precision'])))}"
        f" on {escape(str(report.machine.get('cpu_model')))}, taken {escape(report.created)}</p>",
    ]
    if report.noise_reasons:
        reasons = escape("; ".join(report.noise_reasons))
        parts.append(f"<p class='banner'><b>Not a quiet machine.</b> {reasons}.</p>")
    for run in report.runs:
        parts += _run_section(run)
    if report.peers:
        parts += ["<h2>The same frames through other runners</h2>", "<div class='card'>"]
        parts += [_comparison(report.peers), "</div>"]
    elif len(report.runs) > 1:
        parts += ["<h2>Runs compared</h2><div class='card'>", _comparison(report.runs), "</div>"]
    for table in all_tables(report):
        parts += [f"<h2>{escape(table.title)}</h2><div class='card'>", _html_table(table), "</div>"]
    parts += ["<h2>Command</h2>", f"<p><code>{escape(report.command)}</code></p>"]
    parts.append("</body></html>\n")
    return "\n".join(parts)


def _run_section(run: Run) -> list[str]:
    samples, summary = run.samples, run.summary
    latency_ms = [ns / 1e6 for ns in samples.latency_ns]
    own = {f"{samples.rate_hz:g} Hz": 1e3 / samples.rate_hz} if samples.rate_hz else {}
    marks = {
        name: summary.percentiles[name] / 1e6  # type: ignore[operator]
        for name in ("p50", "p99")
        if summary.percentiles[name] is not None
    }
    rate = samples.rate_hz or 90.0
    missed = int((np.asarray(samples.latency_ns) > 1e9 / rate).sum()) + samples.dropped
    tiles = [
        *(
            (name, milliseconds(summary.percentiles[name]), "")
            if summary.percentiles[name] is not None
            else (f"{name} {percentile_text(run, name)}", "-", "")
            for name in ("p50", "p99")
        ),
        ("max", milliseconds(summary.max), ""),
        ("jitter", milliseconds(summary.jitter), ""),
        (f"missed at {rate:g} Hz", f"{missed:,}", "bad" if missed else "good"),
        ("outside the network", f"{run.outside_network_share:.1%}", ""),
    ]
    return [
        f"<h2>{escape(describe(samples))}</h2>",
        "<div class='tiles'>",
        *(
            f"<div class='tile {kind}'><b>{escape(value)}</b><span>{escape(name)}</span></div>"
            for name, value, kind in tiles
        ),
        "</div>",
        "<h3>How long frames took</h3><div class='card'>",
        svg.histogram(latency_ms, {**marks, **(own or {"90 Hz": 1e3 / 90.0})}),
        "</div><h3>Latency over time</h3><div class='card'>",
        _timeline(run),
        "</div><h3>Where a push spends its time</h3><div class='card'>",
        svg.waterfall({name: ns / 1e3 for name, ns in run.stage_mean_ns.items() if ns}),
        "</div>",
    ]


def _timeline(run: Run) -> str:
    samples = run.samples
    return svg.timeline(
        [ns / 1e9 for ns in samples.finished_ns],
        [ns / 1e6 for ns in samples.latency_ns],
        {f"{rate:g} Hz": 1e3 / rate for rate in DEADLINE_RATES_HZ},
        _dropped_times(run),
    )


def latency_picture(run: Run) -> str:
    """Latency over time as an SVG file of its own, for light and dark pages."""
    return _timeline(run).replace(">", f"><style>{_style('charts.css')}</style>", 1) + "\n"


def _style(name: str) -> str:
    return resources.files("same_bench.reporting").joinpath(name).read_text()


def _dropped_times(run: Run) -> list[float]:
    samples = run.samples
    if samples.rate_hz is None:
        return []
    there = set(samples.slot)
    arrived = range(samples.scheduled or 0)
    return [slot / samples.rate_hz for slot in arrived if slot not in there]


def _comparison(runs: tuple[Run, ...]) -> str:
    medians = [float(np.median(run.samples.latency_ns)) / 1e6 for run in runs]
    return svg.bars(
        [
            (run.samples.name, median, run.summary.max / 1e6, f"{median / medians[0]:.2f} x")
            for run, median in zip(runs, medians, strict=True)
        ]
    )


def _html_table(table: TextTable) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.header)
    rows = (
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    head = f"<thead><tr>{head}</tr></thead>" if any(table.header) else ""
    return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"
