"""The figures of a live run, as plain numbers."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_bench.live.deadlines import Ticks
from same_bench.live.endless_devices import STREAMS
from same_bench.reporting.stats import QUANTILES, samples_needed, told_percentile
from same_runtime.recording.mcap_reader import FRAME_STREAM

_MIB: Final = 2**20
_SECOND_NS: Final = 1_000_000_000
_SETTLE_S: Final = 10.0
"""Start of the run that memory's slope leaves out."""
_SHOWN: Final = {name.replace(".", "_"): QUANTILES[name] for name in ("p50", "p99", "p99.9")}


def _spread(values: NDArray[np.int64], unit_ns: float) -> dict[str, float | None]:
    if not len(values):
        return {"count": 0}
    shown = np.sort(values) / unit_ns
    percentiles = {name: told_percentile(shown, q) for name, q in _SHOWN.items()}
    return {
        "count": len(shown),
        **{name: None if x is None else round(x, 4) for name, x in percentiles.items()},
        "max": round(float(shown[-1]), 4),
        "mean": round(float(shown.mean()), 4),
    }


def milliseconds(values_ns: NDArray[np.int64]) -> dict[str, float | None]:
    """Percentiles of nanoseconds, in ms; None where there are too few for one."""
    return _spread(values_ns, 1e6)


def microseconds(values_ns: NDArray[np.int64]) -> dict[str, float | None]:
    """Percentiles of nanoseconds, in us; None where there are too few for one."""
    return _spread(values_ns, 1e3)


def said(spread: Mapping[str, float | None], name: str) -> str:
    """A percentile of ``milliseconds`` or ``microseconds`` as text, or how many samples it
    needs."""
    value = spread.get(name)
    if value is None:
        return f"needs {samples_needed(_SHOWN[name]):,} samples, has {spread['count']}"
    return f"{value:.2f}"


def display(ticks: Ticks, settled: NDArray[np.bool_]) -> dict[str, Any]:
    """The ticks that are ``settled``: how late, how many missed, and why."""
    missed, unexplained = ticks.missed & settled, ticks.unexplained & settled
    return {
        "ticks": int(settled.sum()),
        "late_ms": milliseconds(ticks.late_ns[settled]),
        "missed": int(missed.sum()),
        "missed_unexplained": int(unexplained.sum()),
        "missed_ticks": [
            {
                "late_ms": round(1e-6 * int(ticks.late_ns[i]), 3),
                "network_ms": round(1e-6 * int(ticks.network_ns[i]), 3),
                "explained": not bool(unexplained[i]),
            }
            for i in np.flatnonzero(missed)
        ],
    }


def ingestion(rows: NDArray[np.int64]) -> dict[str, dict[str, float | None]]:
    """What input methods cost, us, from rows of (stream, ns, ns late)."""
    samples = rows[:, 0] != STREAMS.index(FRAME_STREAM)
    found = {"all device samples": microseconds(rows[samples, 1])}
    for index, name in enumerate(STREAMS):
        found[name] = microseconds(rows[rows[:, 0] == index, 1])
    return found


def memory(rows: NDArray[np.int64]) -> dict[str, float] | None:
    """Resident memory from rows of (ns, bytes); None where it is not told."""
    rows = rows[rows[:, 1] > 0]
    settled = rows[rows[:, 0] > _SETTLE_S * _SECOND_NS]
    if len(settled) < 2:
        return None
    minutes, mib = settled[:, 0] / (60 * _SECOND_NS), settled[:, 1] / _MIB
    return {
        "first_mib": round(float(mib[0]), 2),
        "last_mib": round(float(mib[-1]), 2),
        "max_mib": round(float(mib.max()), 2),
        "slope_mib_per_minute": round(float(np.polyfit(minutes, mib, 1)[0]), 4),
        "minutes": round(float(minutes[-1] - minutes[0]), 2),
    }
