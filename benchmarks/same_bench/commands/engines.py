"""``same-bench engines``: the processor's engines, precisions, thread counts and bundles side by
side in one run, as fast as they go and paced, with the processor time that each takes.

Ratios within the run hold on a machine that others use too; absolute figures are that machine's.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.progress import Progress
from rich.table import Table

from same_bench.measuring.clip import Clip, load_clip
from same_bench.measuring.clock import SleepingClock
from same_bench.measuring.machine import QuietWatch
from same_bench.measuring.measure import Samples, interleaved, paced
from same_bench.measuring.probe import ProbedTracker
from same_bench.reporting.record import about_the_engine, about_the_run, write_record
from same_bench.reporting.stats import QUANTILES, deadline_misses, told_percentile
from same_engines import Bundle, Engine, open_engine
from same_engines.errors import EngineError, InvalidInputError
from same_engines.field_checks import check_ranges, checked_number
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_runtime.cli.console import messages, results
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

SPINNING: Final = "onnxruntime-spinning"
"""ONNX Runtime as it was when it was the default engine: its own thread settings, and the
operator's function."""


class _SpinningEngine(OnnxRuntimeEngine):
    spin_us = None
    takes_operator = False


@dataclass(frozen=True)
class EnginesCommand:
    """Compare the processor's engines; the first of --runs is what the others are divided by."""

    runs: tuple[str, ...] = (
        f"{SPINNING}:fp32:2",
        "onnxruntime:fp32:2",
        "onnxruntime:fp32:1",
        "openvino:fp32:2",
        "openvino:fp32:1",
        "openvino:auto:2",
        "openvino:auto:1",
    )
    """BACKEND:PRECISION:THREADS each, or BACKEND:PRECISION:THREADS:BUNDLE for another bundle than
    --bundle; onnxruntime-spinning is ONNX Runtime as it was when it was the default."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording to feed; default: the one that ships with the package."""
    rounds: int = 1000
    """Frames that every run gets in turn."""
    rates: tuple[float, ...] = (72.0, 90.0, 120.0)
    """Frames a second of the paced parts."""
    seconds: float = 60.0
    """Length of each paced part."""
    one_core: bool = False
    """Let the process use one core only, as an app may leave it (Linux)."""
    out: Path = Path("benchmarks/results/engines.json")
    """JSON report to write."""

    def __post_init__(self) -> None:
        check_ranges(self, rounds=(1, 1e6), seconds=(0.1, 86_400.0))
        for rate_hz in self.rates:
            checked_number("rates", rate_hz, 1.0, 1000.0, "Hz")


def run(command: EnginesCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    if not command.runs:
        raise InvalidInputError("--runs: expected at least one BACKEND:PRECISION:THREADS")
    twice = next((name for name, n in Counter(command.runs).items() if n > 1), None)
    if twice is not None:
        raise InvalidInputError(f"--runs: expected each run once, got {twice!r} again")
    check_file_place("--out", command.out)
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = Recording(command.recording or demo_recording())
    clip = load_clip(recording, bundle)
    with _cores(command.one_core):
        trackers, ran_on, not_run = _open(command.runs, bundle, clip)
        watch = QuietWatch()
        with Progress(console=messages()) as bar:
            task = bar.add_task("in turn", total=command.rounds)
            in_turn = interleaved(
                trackers,
                clip,
                command.rounds,
                SleepingClock(),
                warm_up_frames=64,
                after_round=lambda _: bar.advance(task),
            )
        figures = _in_turn_figures(in_turn)
        paced_figures = {
            f"{rate_hz:g}": _paced_figures(trackers, clip, rate_hz, command.seconds)
            for rate_hz in command.rates
        }
        noise = watch.report()
    for tracker in trackers.values():
        tracker.close()
    record = {
        **about_the_run("same-engines/1", bundle),
        "one_core": command.one_core,
        "noise": noise,
        "ran_on": ran_on,
        "not_run": not_run,
        "in_turn": figures,
        "paced": paced_figures,
        "latency_ns": {name: samples.latency_ns for name, samples in in_turn.items()},
    }
    write_record(command.out, record)
    _print(figures, paced_figures, ran_on, not_run)


def _open(
    runs: tuple[str, ...], bundle: Bundle, clip: Clip
) -> tuple[dict[str, ProbedTracker], dict[str, dict[str, str]], dict[str, str]]:
    """The trackers, on which backend and in which precision each runs, and why others do not."""
    trackers: dict[str, ProbedTracker] = {}
    ran_on: dict[str, dict[str, str]] = {}
    not_run: dict[str, str] = {}
    for name in runs:
        backend, precision, threads, other = _parse(name)
        opened = Bundle.open(other) if other else bundle
        try:
            engine = _open_engine(opened, backend, precision, threads)
        except EngineError as error:
            not_run[name] = str(error)
            continue
        ran_on[name] = about_the_engine(engine)
        trackers[name] = ProbedTracker(opened.path, engine, clip.rig)
    if runs[0] not in trackers:
        raise EngineError(f"--runs {runs[0]}: {not_run[runs[0]]}; name another first")
    return trackers, ran_on, not_run


def _open_engine(bundle: Bundle, backend: str, precision: str, threads: int) -> Engine:
    if backend == SPINNING:
        return _SpinningEngine(bundle, precision, threads)
    return open_engine(bundle, backend, precision, threads)


def _parse(name: str) -> tuple[str, str, int, str]:
    backend, _, rest = name.partition(":")
    precision, _, rest = rest.partition(":")
    threads, _, other = rest.partition(":")
    if not (backend and precision and re.fullmatch("[0-9]{1,3}", threads)):
        raise InvalidInputError(
            f"--runs {name!r}: expected BACKEND:PRECISION:THREADS, such as openvino:fp32:1"
        )
    return backend, precision, int(threads), other


def _in_turn_figures(runs: dict[str, Samples]) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for name, samples in runs.items():
        own = _percentiles_ms(samples)
        first = next(iter(found.values()), own)
        ratios = {
            key.replace("_ms", "_ratio"): _ratio(value, first[key]) for key, value in own.items()
        }
        found[name] = {**own, **ratios}
    return found


def _percentiles_ms(samples: Samples) -> dict[str, float | None]:
    """None where there are too few frames for one."""
    ordered = np.sort(samples.latency_ns) / 1e6
    return {f"{name}_ms": told_percentile(ordered, QUANTILES[name]) for name in ("p50", "p99")}


def _ratio(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value / first


def _paced_figures(
    trackers: dict[str, ProbedTracker], clip: Clip, rate_hz: float, seconds: float
) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for name, tracker in trackers.items():
        tracker.reset()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        samples = paced(name, tracker, clip, rate_hz, seconds, SleepingClock())
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        found[name] = {
            **_percentiles_ms(samples),
            "missed": float(deadline_misses(samples.latency_ns, samples.dropped, rate_hz)),
            "frames": float(samples.scheduled or 0),
            "cores_used": cpu_s / wall_s,
        }
    return found


@contextmanager
def _cores(one: bool) -> Iterator[None]:
    if not one:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise InvalidInputError("--one-core: this system has no call for it; use its own tools")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _print(
    in_turn: dict[str, dict[str, float | None]],
    paced_figures: dict[str, dict[str, dict[str, float | None]]],
    ran_on: dict[str, dict[str, str]],
    not_run: dict[str, str],
) -> None:
    console = results()

    def text(value: float | None, digits: int = 2) -> str:
        return "too few frames" if value is None else f"{value:.{digits}f}"

    table = Table("in turn", "ran in", "p50 ms", "p99 ms", "p50 ratio", "p99 ratio")
    for name, row in in_turn.items():
        table.add_row(name, ran_on[name]["precision"], *map(text, row.values()))
    console.print(table)
    for rate, rows in paced_figures.items():
        table = Table(f"paced at {rate} Hz", "p50 ms", "p99 ms", "missed", "frames", "cores used")
        for name, row in rows.items():
            p50, p99, missed, frames, cores = row.values()
            counts = (text(missed, 0), text(frames, 0))
            table.add_row(name, text(p50), text(p99), *counts, text(cores))
        console.print(table)
    for name, reason in not_run.items():
        console.print(f"{name}: not run: {reason}", style="yellow")
