"""Percentiles that are measured values, with the number of samples each one needs.

Nothing is trimmed, smoothed or interpolated: a percentile is by nearest rank, so it is a latency
that really occurred.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

QUANTILES: Final = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
DEADLINE_RATES_HZ: Final = (72.0, 90.0, 120.0)

_CONFIDENCE = 0.99
_STALL_FACTOR = 2.0
_MIN_STALLS_FOR_PERIOD = 3


@lru_cache
def samples_needed(quantile: float) -> int:
    """Fewest samples whose range covers a share ``quantile`` of all latencies with 99 %
    confidence (two-sided distribution-free tolerance interval): 662 for p99.

    Source: Wilks, "Determination of sample sizes for setting tolerance limits", 1941.
    """
    n = 2
    while 1 - n * quantile ** (n - 1) + (n - 1) * quantile**n < _CONFIDENCE:
        n += 1
    return n


def percentile(sorted_values: NDArray[Any], quantile: float) -> float:
    """Nearest-rank percentile of ascending values: the smallest one with at least that share
    of the values at or below it."""
    # Rounded so that 0.9 * 10 is rank 9 in floating point too.
    rank = math.ceil(round(quantile * len(sorted_values), 9))
    return float(sorted_values[max(rank, 1) - 1])


def told_percentile(sorted_values: NDArray[Any], quantile: float) -> float | None:
    """``percentile``; None where there are fewer values than ``samples_needed``."""
    enough = len(sorted_values) >= samples_needed(quantile)
    return percentile(sorted_values, quantile) if enough else None


@dataclass(frozen=True)
class Stalls:
    """Frames slower than twice the median."""

    count: int
    worst_ns: int | None
    every_frames: int | None
    """Their spacing when it is always the same, else None."""


@dataclass(frozen=True)
class Summary:
    """What a run's latencies say; nanoseconds."""

    count: int
    percentiles: dict[str, float | None]
    """None where there are fewer samples than ``samples_needed``."""
    max: float
    mean: float
    std: float
    jitter: float
    """Mean absolute difference of successive latencies."""
    stalls: Stalls


def summarise(latency_ns: Sequence[int] | NDArray[np.int64]) -> Summary:
    """Summarise latencies in the order they were measured. At least one is needed."""
    values = np.asarray(latency_ns, dtype=np.int64)
    ordered = np.sort(values)
    return Summary(
        count=len(values),
        percentiles={name: told_percentile(ordered, q) for name, q in QUANTILES.items()},
        max=float(ordered[-1]),
        mean=float(values.mean()),
        std=float(values.std()),
        jitter=float(np.abs(np.diff(values)).mean()) if len(values) > 1 else 0.0,
        stalls=find_stalls(values),
    )


def find_stalls(latency_ns: NDArray[np.int64]) -> Stalls:
    """Frames of over twice the median, and whether they come at a regular spacing."""
    where = np.flatnonzero(latency_ns > _STALL_FACTOR * np.median(latency_ns))
    if not len(where):
        return Stalls(0, None, None)
    gaps = set(np.diff(where).tolist())
    regular = len(where) >= _MIN_STALLS_FOR_PERIOD and len(gaps) == 1
    return Stalls(len(where), int(latency_ns[where].max()), gaps.pop() if regular else None)


def deadline_misses(latency_ns: Sequence[int], dropped: int, rate_hz: float) -> int:
    """Frames that were not out within one period of ``rate_hz``; a dropped frame is one."""
    return int((np.asarray(latency_ns) > 1e9 / rate_hz).sum()) + dropped


@dataclass(frozen=True)
class PoseAge:
    """How old the newest pose is while an application reads it, nanoseconds."""

    mean: float
    """Over time, as a reader at a random instant sees it."""
    peak_p50: float
    """Age just before the next pose replaces it: median and largest."""
    peak_max: float


def pose_age(slot: Sequence[int], finished_ns: Sequence[int], latency_ns: Sequence[int]) -> PoseAge:
    """Motion-to-pose age in paced mode, where a frame's motion is as old as its schedule.

    Between two poses the age grows with time from the latency of the first. Source: Kaul et al.,
    "Real-time status: how often should one update?", 2012. Needs two poses.
    """
    assert len(slot) == len(finished_ns) == len(latency_ns) > 1
    gaps = np.diff(np.asarray(finished_ns, dtype=np.float64))
    start = np.asarray(latency_ns, dtype=np.float64)[:-1]
    peaks = np.sort(start + gaps)
    mean = float(((start + gaps / 2) * gaps).sum() / gaps.sum())
    return PoseAge(mean, percentile(peaks, 0.5), float(peaks[-1]))


def block_bootstrap_ratio(
    before_ns: Sequence[int], after_ns: Sequence[int], quantile: float, resamples: int = 2000
) -> tuple[float, float, float]:
    """(ratio, low, high): after / before of a percentile, with its 95 % interval.

    Latencies of neighbouring frames are alike, so runs of frames are resampled, not single
    frames: moving blocks of length n^(1/3) x 2. Source: Kuensch, "The jackknife and the bootstrap
    for general stationary observations", 1989. Deterministic.
    """
    random = np.random.default_rng(0)
    estimates = []
    for values in (np.asarray(before_ns), np.asarray(after_ns)):
        n = len(values)
        length = min(n, max(1, round(2 * n ** (1 / 3))))
        blocks = -(-n // length)
        found = np.empty(resamples)
        for i in range(resamples):
            starts = random.integers(0, n - length + 1, blocks)
            chosen = values[(starts[:, None] + np.arange(length)).ravel()[:n]]
            rank = max(math.ceil(round(quantile * n, 9)), 1) - 1
            found[i] = np.partition(chosen, rank)[rank]
        estimates.append(found)
    point = percentile(np.sort(np.asarray(after_ns)), quantile) / percentile(
        np.sort(np.asarray(before_ns)), quantile
    )
    low, high = np.percentile(estimates[1] / estimates[0], [2.5, 97.5])
    return point, float(low), float(high)
