"""``same-bench engines``: the processor's engines, precisions, thread counts and bundles side by
side in one run, as fast as they go and paced, with the processor time that each takes.

Ratios within the run hold on a machine that others use too; absolute figures are that machine's.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.progress import Progress
from rich.table import Table

from same_bench.measuring.clip import Clip, load_clip
from same_bench.measuring.clock import SleepingClock
from same_bench.measuring.machine import QuietWatch
from same_bench.measuring.measure import Samples, interleaved, paced
from same_bench.measuring.probe import ProbedTracker
from same_bench.reporting.record import about_the_run, write_record
from same_bench.reporting.stats import deadline_misses
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
    check_file_place("--out", command.out)
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = Recording(command.recording or demo_recording())
    clip = load_clip(recording, bundle)
    with _cores(command.one_core):
        trackers, not_run = _open(command.runs, bundle, clip)
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
        "not_run": not_run,
        "in_turn": figures,
        "paced": paced_figures,
        "latency_ns": {name: samples.latency_ns for name, samples in in_turn.items()},
    }
    write_record(command.out, record)
    _print(figures, paced_figures, not_run)


def _open(
    runs: tuple[str, ...], bundle: Bundle, clip: Clip
) -> tuple[dict[str, ProbedTracker], dict[str, str]]:
    trackers, not_run = {}, {}
    for name in runs:
        backend, precision, threads, other = _parse(name)
        opened = Bundle.open(other) if other else bundle
        try:
            engine = _open_engine(opened, backend, precision, threads)
        except EngineError as error:
            not_run[name] = str(error)
            continue
        trackers[name] = ProbedTracker(opened.path, engine, clip.rig)
    if runs[0] not in trackers:
        raise EngineError(f"--runs {runs[0]}: {not_run[runs[0]]}; name another first")
    return trackers, not_run


def _open_engine(bundle: Bundle, backend: str, precision: str, threads: int) -> Engine:
    if backend == SPINNING:
        return _SpinningEngine(bundle, precision, threads)
    return open_engine(bundle, backend, precision, threads)


def _parse(name: str) -> tuple[str, str, int, str]:
    backend, _, rest = name.partition(":")
    precision, _, rest = rest.partition(":")
    threads, _, other = rest.partition(":")
    if not (backend and precision and threads.isdigit()):
        raise InvalidInputError(
            f"--runs {name!r}: expected BACKEND:PRECISION:THREADS, such as openvino:fp32:1"
        )
    return backend, precision, int(threads), other


def _in_turn_figures(runs: dict[str, Samples]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, samples in runs.items():
        p50, p99 = (float(q) / 1e6 for q in np.percentile(samples.latency_ns, (50, 99)))
        first = next(iter(found.values()), {"p50_ms": p50, "p99_ms": p99})
        found[name] = {
            "p50_ms": p50,
            "p99_ms": p99,
            "p50_ratio": p50 / first["p50_ms"],
            "p99_ratio": p99 / first["p99_ms"],
        }
    return found


def _paced_figures(
    trackers: dict[str, ProbedTracker], clip: Clip, rate_hz: float, seconds: float
) -> dict[str, dict[str, float]]:
    found = {}
    for name, tracker in trackers.items():
        tracker.reset()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        samples = paced(name, tracker, clip, rate_hz, seconds, SleepingClock())
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        p50, p99 = (float(q) / 1e6 for q in np.percentile(samples.latency_ns, (50, 99)))
        found[name] = {
            "p50_ms": p50,
            "p99_ms": p99,
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
    in_turn: dict[str, dict[str, float]],
    paced_figures: dict[str, dict[str, Any]],
    not_run: dict[str, str],
) -> None:
    console = results()
    table = Table("in turn", "p50 ms", "p99 ms", "p50 ratio", "p99 ratio")
    for name, row in in_turn.items():
        table.add_row(name, *(f"{row[key]:.2f}" for key in row))
    console.print(table)
    for rate, rows in paced_figures.items():
        table = Table(f"paced at {rate} Hz", "p50 ms", "p99 ms", "missed", "frames", "cores used")
        for name, row in rows.items():
            p50, p99, missed, frames, cores = row.values()
            table.add_row(
                name, f"{p50:.2f}", f"{p99:.2f}", f"{missed:.0f}", f"{frames:.0f}", f"{cores:.2f}"
            )
        console.print(table)
    for name, reason in not_run.items():
        console.print(f"{name}: not run: {reason}", style="yellow")
