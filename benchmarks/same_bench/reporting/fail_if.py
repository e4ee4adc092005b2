"""Conditions that fail a build: ``--fail-if 'p99>11.1ms'``."""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from same_bench.reporting.report import Run
from same_bench.reporting.stats import DEADLINE_RATES_HZ, QUANTILES, samples_needed
from same_engines.errors import InvalidInputError

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_TIMES: Final = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
_LATENCIES: Final = (*QUANTILES, "max", "mean", "std", "jitter")
_MISSES: Final = {f"missed{rate:g}": rate for rate in DEADLINE_RATES_HZ}
_COUNTS: Final = (*_MISSES, "dropped")
_SHARES: Final = ("outside",)
METRICS: Final = (*_LATENCIES, *_COUNTS, "rss", *_SHARES)


@dataclass(frozen=True)
class FailIf:
    """One condition on every run."""

    text: str
    metric: str
    comparison: str
    limit: float
    """Nanoseconds, a count, MiB or a share."""

    def fails(self, run: Run) -> bool:
        """Whether it holds for ``run``. Raises ``InvalidInputError`` when the run does not tell
        its metric: too few samples for a percentile, or memory that was not measured."""
        return _OPERATORS[self.comparison](self._value(run), self.limit)

    def _value(self, run: Run) -> float:
        if self.metric in QUANTILES:
            value = run.summary.percentiles[self.metric]
            if value is None:
                needed = samples_needed(QUANTILES[self.metric])
                raise InvalidInputError(
                    f"--fail-if {self.text!r}: {self.metric} needs {needed} samples, "
                    f"{run.samples.name} has {run.summary.count}; make --duration longer"
                )
            return value
        if self.metric in _LATENCIES:
            return float(getattr(run.summary, self.metric))
        if self.metric in _MISSES:
            return run.misses[_MISSES[self.metric]]
        if self.metric == "dropped":
            return run.samples.dropped
        if self.metric == "outside":
            return run.outside_network_share
        rss = (run.cold_start or {}).get("peak_rss_mib")
        if rss is None:
            raise InvalidInputError(f"--fail-if {self.text!r}: this system does not tell it")
        return float(rss)


def parse_fail_if(text: str) -> FailIf:
    """Read ``METRIC OP NUMBER UNIT``: latencies need ns, us, ms or s; rss MiB; outside (the share
    of push outside the network) %; counts no unit. Raises ``InvalidInputError``."""
    found = re.fullmatch(r"\s*([a-z0-9.]+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d+)?)\s*([a-zA-Z%]*)\s*", text)
    if found is None or found[1] not in METRICS:
        raise InvalidInputError(
            f"--fail-if {text!r}: expected a metric ({', '.join(METRICS)}), one of "
            f"{' '.join(_OPERATORS)} and a number, such as 'p99>11.1ms'"
        )
    metric, comparison, number, unit = found.groups()
    units = (
        _TIMES
        if metric in _LATENCIES
        else {"MiB": 1.0}
        if metric == "rss"
        else {"%": 0.01}
        if metric in _SHARES
        else {"": 1.0}
    )
    if unit not in units:
        raise InvalidInputError(
            f"--fail-if {text!r}: expected unit {' or '.join(units) or 'none'} for {metric}, "
            f"got {unit or 'none'}"
        )
    return FailIf(text, metric, comparison, float(number) * units[unit])
