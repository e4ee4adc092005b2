"""Percentiles, sample-count rules, stalls, pose age and the bootstrap, against definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from same_bench.reporting.stats import (
    QUANTILES,
    block_bootstrap_ratio,
    deadline_misses,
    find_stalls,
    percentile,
    pose_age,
    samples_needed,
    summarise,
)


def test_p99_needs_662_samples() -> None:
    assert samples_needed(0.99) == 662
    assert samples_needed(0.95) == 130
    assert samples_needed(0.999) == 6636
    few, enough = summarise(range(1, 662)), summarise(range(1, 663))
    assert few.percentiles["p99"] is None and few.percentiles["p95"] is not None
    assert enough.percentiles["p99"] == 656 and enough.percentiles["p99.9"] is None


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=400), st.sampled_from([*QUANTILES]))
def test_percentile_is_a_measured_value(values: list[int], name: str) -> None:
    ordered = np.sort(np.array(values))
    found = percentile(ordered, QUANTILES[name])
    assert found in values
    assert found == np.percentile(ordered, 100 * QUANTILES[name], method="inverted_cdf")


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=400))
def test_nothing_is_trimmed(values: list[int]) -> None:
    summary = summarise(values)
    assert (summary.max, summary.count) == (max(values), len(values))
    assert summary.mean == pytest.approx(np.mean(values))


def test_irregular_stalls_have_no_period() -> None:
    latency = np.full(300, 10)
    latency[[10, 60, 200]] = 50
    stalls = find_stalls(latency)
    assert (stalls.count, stalls.worst_ns, stalls.every_frames) == (3, 50, None)


def test_a_dropped_frame_is_a_missed_deadline() -> None:
    assert deadline_misses([5_000_000, 11_200_000, 11_000_000], 2, 90.0) == 3


def test_pose_age_by_sampling_a_reader() -> None:
    random = np.random.default_rng(1)
    scheduled = np.arange(200) * 10.0
    latency = random.uniform(3, 9, 200)
    finished = scheduled + latency
    instants = random.uniform(finished[0], finished[-1], 200_000)
    newest = np.searchsorted(finished, instants, side="right") - 1
    ages = instants - scheduled[newest]
    age = pose_age(range(200), finished.tolist(), latency.tolist())  # type: ignore[arg-type]
    assert age.mean == pytest.approx(ages.mean(), rel=5e-3)
    assert age.peak_max == pytest.approx(ages.max(), rel=1e-3)


def _latencies(seed: int, scale: float = 1.0, n: int = 2000) -> list[int]:
    """Autocorrelated, as real latencies are."""
    noise = np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        noise[i] += 0.8 * noise[i - 1]
    return (scale * (5e6 + 1e5 * noise)).astype(int).tolist()


def test_bootstrap_covers_no_change_and_finds_five_percent() -> None:
    covered = 0
    for seed in range(20):
        ratio, low, high = block_bootstrap_ratio(
            _latencies(2 * seed), _latencies(2 * seed + 1), 0.5, resamples=300
        )
        assert low <= ratio <= high or abs(ratio - 1) < 0.02
        covered += low <= 1 <= high
    assert covered >= 16
    _, low, high = block_bootstrap_ratio(_latencies(100), _latencies(101, 1.05), 0.5)
    assert 1.03 < low <= high < 1.07
