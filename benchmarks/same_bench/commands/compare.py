"""``same-bench compare``: is one report faster than another, or is it chance?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import tyro

from same_bench.reporting.live_view import rich_table
from same_bench.reporting.report import Report, Run, read_report
from same_bench.reporting.stats import QUANTILES, block_bootstrap_ratio
from same_bench.reporting.tables import NOT_TOLD, TextTable, milliseconds
from same_engines.errors import InvalidInputError
from same_runtime.cli.command import EXIT_CONDITION_MET
from same_runtime.cli.console import results

_JUDGED: Final = ("p50", "p95", "p99")
_VERDICT_BY: Final = "p50"
_MATTERS = 0.02
"""Smaller differences between two runs are not worth a word, however certain they are."""

_GROUPS: Final = ("bundle", "settings", "machine", "versions", "thread_environment")
"""Where a report says under what its runs were measured."""
_LABELS: Final = {"cpu_model": "processor", "manifest_sha256": "bundle", "gpus": "GPUs"}
_MOMENTARY: Final = ("cpu_mhz",)


@dataclass(frozen=True)
class CompareCommand:
    """Compare two JSON reports: change of each percentile, its 95 % interval, and a verdict."""

    before: Annotated[Path, tyro.conf.Positional]
    """JSON report to compare against."""
    after: Annotated[Path, tyro.conf.Positional]
    """JSON report that is judged."""
    fail_on_regression: bool = False
    """Exit with 1 when a run of the second report is slower, or cannot be judged: too few samples,
    or not in both reports."""


@dataclass(frozen=True)
class Change:
    """How a percentile moved between two runs, as after / before."""

    percentile: str
    before_ns: float
    after_ns: float
    ratio: float
    low: float
    high: float
    """95 % bootstrap interval of the ratio."""

    @property
    def verdict(self) -> str:
        """``faster`` or ``slower`` when the whole interval says so and by 2 % or more."""
        if self.high < 1 and self.ratio <= 1 - _MATTERS:
            return "faster"
        if self.low > 1 and self.ratio >= 1 + _MATTERS:
            return "slower"
        return "no difference"


def changes(before: Run, after: Run) -> list[Change]:
    """The changes of p50, p95 and p99, as far as both runs have the samples for them."""
    found = []
    for name in _JUDGED:
        old, new = before.summary.percentiles[name], after.summary.percentiles[name]
        if old is None or new is None:
            continue
        ratio = block_bootstrap_ratio(
            before.samples.latency_ns, after.samples.latency_ns, QUANTILES[name]
        )
        found.append(Change(name, old, new, *ratio))
    return found


_Key = tuple[str, str, float | None]
"""Backend, mode and rate: what two runs must have in common to be compared."""


def _by_key(report: Report) -> dict[_Key, Run]:
    return {(run.samples.name, run.samples.mode, run.samples.rate_hz): run for run in report.runs}


def _said(key: _Key) -> str:
    name, mode, rate_hz = key
    return f"{name} {mode}" + (f" {rate_hz:g} Hz" if rate_hz else "")


def cautions(before: Report, after: Report) -> list[str]:
    """What besides the code differs between two reports, and noise in either."""
    found = []
    for group in _GROUPS:
        old, new = _settings(before, group), _settings(after, group)
        for name in dict.fromkeys((*old, *new)):
            if old.get(name) != new.get(name):
                said = name if name.isupper() else name.replace("_", " ")
                label = _LABELS.get(name, said)
                found.append(f"{label} differs: {old.get(name)} and {new.get(name)}")
    earlier = _by_key(before)
    for key, run in _by_key(after).items():
        if key in earlier and earlier[key].precision != run.precision:
            ran = " and ".join(r.precision or NOT_TOLD for r in (earlier[key], run))
            found.append(f"{_said(key)}: precision differs: {ran}")
    for name, report in (("first", before), ("second", after)):
        found += [f"{name} report: {reason}" for reason in report.noise_reasons]
    return found


def _settings(report: Report, group: str) -> dict[str, Any]:
    """What a report says of one of ``_GROUPS``, without what is another from minute to minute."""
    said = {name: x for name, x in getattr(report, group).items() if name not in _MOMENTARY}
    if "manifest_sha256" in said:
        said["manifest_sha256"] = said["manifest_sha256"][:12]
        said.pop("name", None)  # of a folder
        said.pop("precision", None)  # what was asked for; a run has what ran
    if "gpus" in said:
        said["gpus"] = [f"{gpu['name']}, driver {gpu['driver']}" for gpu in said["gpus"]]
    return said


def run(command: CompareCommand) -> int:
    """Run the command; 1 when ``fail_on_regression`` is set and a run got slower or was not
    judged."""
    before, after = read_report(command.before), read_report(command.after)
    earlier, later = _by_key(before), _by_key(after)
    pairs = {key: (earlier[key], run) for key, run in later.items() if key in earlier}
    if not pairs:
        raise InvalidInputError(
            f"nothing to compare: {command.before} has {', '.join(map(_said, earlier))}, "
            f"{command.after} has {', '.join(map(_said, later))}"
        )
    console, failed = results(), False
    for old, new in pairs.values():
        rows, verdict = [], None
        for change in changes(old, new):
            rows.append(
                [
                    change.percentile,
                    milliseconds(change.before_ns),
                    milliseconds(change.after_ns),
                    f"{change.ratio - 1:+.1%}",
                    f"{change.low - 1:+.1%} to {change.high - 1:+.1%}",
                    change.verdict,
                ]
            )
            failed |= change.verdict == "slower"
            if change.percentile == _VERDICT_BY:
                verdict = change.verdict
        header = ["", "before", "after", "change", "95 % interval", "verdict"]
        title = f"{new.samples.name}, {new.samples.mode}"
        console.print(rich_table(TextTable(title, header, rows)))
        failed |= verdict is None
        said = verdict or f"too few samples for {_VERDICT_BY}"
        console.print(f"verdict: {said}", style="bold")
    for path, runs in ((command.before, earlier), (command.after, later)):
        for key in runs:
            if key not in pairs:
                failed = True
                console.print(f"not compared: {_said(key)} is only in {path}", style="yellow")
    for caution in cautions(before, after):
        console.print(f"caution: {caution}", style="yellow")
    return EXIT_CONDITION_MET if failed and command.fail_on_regression else 0
