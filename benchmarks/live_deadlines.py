"""A started tracker in real time: display deadlines, what samples cost, drops, allocations, memory.

Cameras and 6DOF devices at the recording's own rates (30 and 90 Hz in the shipped one), legs
interpolated to 200 Hz, poses at 90 Hz. Devices are one thread, the application another. A display
tick is missed when its pose comes over a period late; the miss is explained when it would not be
one without the time in which the network ran. Writes one JSON record.
"""

import gc
import json
import os
import shlex
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from same_bench.deadlines import Ticks, judge_ticks
from same_bench.endless import STREAMS, EndlessDevices, send
from same_bench.machine import QuietWatch, machine_facts, thread_settings, versions
from same_engines import Bundle, Engine, open_engine
from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.bundle.reader import sha256_file
from same_engines.errors import InvalidInputError
from same_runtime import SamePoseTracker, StereoFrame
from same_runtime.cli.command import run_command
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.live.worker import LiveOptions
from same_runtime.recording import FRAME_STREAM, Recording
from same_runtime.stats import RollingFigures

_MIB: Final = 2**20
_SECOND_NS: Final = 1_000_000_000
_SETTLE_S: Final = 10.0
"""Start of the run that memory's slope leaves out."""
_ALLOCATION_CALLS: Final = 200
_STATM: Final = Path("/proc/self/statm")


@dataclass(frozen=True)
class LiveDeadlinesCommand:
    """Track in real time and report every missed display deadline with its cause."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording to play back and forth; default: the one that ships with the package."""
    minutes: float = 1.0
    """How long to track; 30 for the record of memory."""
    display_hz: float = 90.0
    leg_hz: float = 200.0
    threads: int = 2
    """CPU threads of the visual stage."""
    between_frames: str = "reanchor"
    """Policy between camera frames: reanchor, image_free or hold."""
    out: Path = Path("benchmarks/results/live_deadlines.json")
    """JSON report to write."""
    ticks: Path | None = None
    """Also write every display tick and every run of the network, as .npz."""


class _Series:
    """Integers noted one by one in memory that is there from the start."""

    def __init__(self, capacity: int, columns: int) -> None:
        self._rows = np.full((capacity, columns), -1, np.int64)
        self._count = 0

    def add(self, *row: int) -> None:
        if self._count < len(self._rows):
            self._rows[self._count] = row
            self._count += 1

    @property
    def rows(self) -> NDArray[np.int64]:
        return self._rows[: self._count]


class _Noted(RollingFigures):
    """Rolling figures of which every event is kept."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.series = _Series(capacity, 2)

    def add(self, time_ns: int, latency_ns: int) -> None:
        super().add(time_ns, latency_ns)
        self.series.add(time_ns, latency_ns)


class _TimedEngine(Engine):
    """An engine that notes begin and end of each frame's network."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine, self.runs = engine, _Series(capacity, 2)
        self.backend, self.precision = engine.backend, engine.precision

    def host_input(self, name: str) -> np.ndarray:
        return self._engine.host_input(name)

    def host_output(self, name: str) -> np.ndarray:
        return self._engine.host_output(name)

    def run(self, stage: str) -> None:
        self._engine.run(stage)

    def run_frame(self, with_images: bool = True) -> None:
        began_ns = time.monotonic_ns()
        self._engine.run_frame(with_images)
        self.runs.add(began_ns, time.monotonic_ns())

    def peek(self, stage: str) -> None:
        self._engine.peek(stage)

    def reset_state(self) -> None:
        self._engine.reset_state()

    def warm_up(self, runs: int = 3) -> None:
        self._engine.warm_up(runs)

    def close(self) -> None:
        self._engine.close()


def run(command: LiveDeadlinesCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    if not 0.05 <= command.minutes <= 24 * 60:
        raise InvalidInputError(f"--minutes: expected 0.05..1440, got {command.minutes}")
    if not 10.0 <= command.leg_hz <= 1000.0:
        raise InvalidInputError(f"--leg-hz: expected 10..1000, got {command.leg_hz}")
    if not command.out.parent.is_dir():
        raise InvalidInputError(f"--out {command.out}: its folder does not exist")
    options = LiveOptions(
        display_rate_hz=command.display_hz,
        between_frames=command.between_frames,  # type: ignore[arg-type]
    )
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = Recording(command.recording or demo_recording())
    devices = EndlessDevices(recording, command.leg_hz)
    duration_ns = round(60 * command.minutes * _SECOND_NS)
    poses = round(1.2 * command.minutes * 60 * command.display_hz) + 1000
    engine = _TimedEngine(open_engine(bundle, "auto", "fp32", command.threads), poses)
    with SamePoseTracker(bundle.path, recording.rig, engine) as tracker:
        output, estimates = _Noted(poses), _Noted(poses)
        tracker._pipeline.estimates = estimates
        doors = _Series(devices.samples_in(duration_ns), 3)
        calls = _Series(poses, 2)
        memory = _Series(round(60 * command.minutes) + 60, 2)
        watch = QuietWatch()
        tracker.start(options)
        tracker._live_figures.output = output
        began_ns = time.monotonic_ns()
        feeder = threading.Thread(
            target=_feed, args=(tracker, devices, duration_ns, began_ns, doors), name="devices"
        )
        feeder.start()
        _use(tracker, command.display_hz, feeder, began_ns, duration_ns, calls, memory)
        feeder.join()
        stats = tracker.stats()
        tracker.stop()
        noise = watch.report()
        runs_ns = engine.runs.rows
        ready_ns, late_ns = output.series.rows.T
        ticks = judge_ticks(ready_ns, late_ns, round(1e9 / command.display_hz), runs_ns)
        settled = ticks.due_ns > began_ns + _SECOND_NS
        figures = {
            "display": _display(ticks, settled),
            "network": _milliseconds(runs_ns[:, 1] - runs_ns[:, 0]),
            "frame_to_pose": _milliseconds(estimates.series.rows[:, 1]),
            "at_time_us": _microseconds(calls.rows[:, 0]),
            "latest_us": _microseconds(calls.rows[:, 1]),
            "ingestion_us": _doors(doors.rows),
            "sent_late_ms": _milliseconds(doors.rows[:, 2]),
            "streams": {
                name: {
                    "rate_hz": stream.rate_hz,
                    "accepted": stream.accepted,
                    "refused": stream.refused,
                }
                for name, stream in stats.streams.items()
            },
            "frames": {
                "accepted": stats.frames.accepted,
                "tracked": stats.estimates.count,
                "dropped": stats.frames.dropped,
                "too_late": stats.frames_too_late,
                "unpaired": stats.frames.unpaired,
            },
            "relocalisations": stats.relocalisations,
            "engine_failures": stats.engine_failures,
            "memory": _memory(memory.rows),
            "python_allocations": _allocations(tracker, devices),
        }
    report = {
        "schema": "same-live-deadlines/1",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": shlex.join(["python", "benchmarks/live_deadlines.py", *sys.argv[1:]]),
        "preset": bundle.manifest.preset,
        "bundle_sha256": sha256_file(bundle.path / MANIFEST_NAME),
        "recording": recording.path.name,
        "minutes": command.minutes,
        "threads": command.threads,
        "display_hz": command.display_hz,
        "between_frames": command.between_frames,
        "machine": machine_facts(),
        "versions": versions(),
        "thread_environment": thread_settings(),
        "noise": noise,
        "figures": figures,
    }
    command.out.write_text(json.dumps(report, indent=1) + "\n")
    if command.ticks is not None:
        np.savez(
            command.ticks, due_ns=ticks.due_ns, late_ns=ticks.late_ns,
            network_ns=ticks.network_ns, runs_ns=runs_ns,
        )  # fmt: skip
    _print(figures, noise, command)


def _feed(
    tracker: SamePoseTracker,
    devices: EndlessDevices,
    duration_ns: int,
    began_ns: int,
    doors: _Series,
) -> None:
    for passed_ns, event in devices.events(duration_ns):
        due_ns = began_ns + passed_ns
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(1e-9 * wait_ns)
        late_ns = time.monotonic_ns() - due_ns
        doors.add(event.stream, send(tracker.ingest, event, due_ns), late_ns)


def _use(
    tracker: SamePoseTracker,
    display_hz: float,
    feeder: threading.Thread,
    began_ns: int,
    duration_ns: int,
    calls: _Series,
    memory: _Series,
) -> None:
    """What an application does: at each of its frames it asks for poses."""
    period_ns, due_ns = round(1e9 / display_hz), began_ns
    next_look_ns = began_ns
    with Progress(console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("tracking", total=duration_ns)
        while feeder.is_alive():
            due_ns = max(due_ns + period_ns, time.monotonic_ns())
            time.sleep(max(0.0, 1e-9 * (due_ns - time.monotonic_ns())))
            now_ns = time.monotonic_ns()
            began_call_ns = time.perf_counter_ns()
            tracker.at_time(now_ns + period_ns)
            between_ns = time.perf_counter_ns()
            tracker.latest()
            calls.add(between_ns - began_call_ns, time.perf_counter_ns() - between_ns)
            if now_ns >= next_look_ns:
                next_look_ns += _SECOND_NS
                memory.add(now_ns - began_ns, _resident_bytes())
                progress.update(task, completed=now_ns - began_ns, refresh=True)


def _resident_bytes() -> int:
    if not _STATM.exists():
        return -1
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _spread(values: NDArray[np.int64], unit_ns: float) -> dict[str, float]:
    if not len(values):
        return {"count": 0}
    shown = values / unit_ns
    p50, p99, p999 = np.percentile(shown, (50, 99, 99.9))
    return {
        "count": len(shown),
        "p50": round(float(p50), 4),
        "p99": round(float(p99), 4),
        "p99_9": round(float(p999), 4),
        "max": round(float(shown.max()), 4),
        "mean": round(float(shown.mean()), 4),
    }


def _milliseconds(values_ns: NDArray[np.int64]) -> dict[str, float]:
    return _spread(values_ns, 1e6)


def _microseconds(values_ns: NDArray[np.int64]) -> dict[str, float]:
    return _spread(values_ns, 1e3)


def _display(ticks: Ticks, settled: NDArray[np.bool_]) -> dict[str, Any]:
    missed, unexplained = ticks.missed & settled, ticks.unexplained & settled
    return {
        "ticks": int(settled.sum()),
        "late_ms": _milliseconds(ticks.late_ns[settled]),
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


def _doors(rows: NDArray[np.int64]) -> dict[str, dict[str, float]]:
    samples = rows[:, 0] != STREAMS.index(FRAME_STREAM)
    found = {"all device samples": _microseconds(rows[samples, 1])}
    for index, name in enumerate(STREAMS):
        found[name] = _microseconds(rows[rows[:, 0] == index, 1])
    return found


def _memory(rows: NDArray[np.int64]) -> dict[str, float] | None:
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


def _allocations(tracker: SamePoseTracker, devices: EndlessDevices) -> dict[str, dict[str, float]]:
    """What one call takes from Python's and NumPy's memory, the worker being stopped."""
    events = {event.stream: event for _, event in devices.events(devices.round_ns // 2)}
    now_ns = [time.monotonic_ns()]

    def door(name: str) -> Callable[[], object]:
        event = events[STREAMS.index(name)]

        def call() -> None:
            now_ns[0] += 1_000_000
            send(tracker.ingest, event, now_ns[0])

        return call

    def frame_and_step() -> None:
        now_ns[0] += 1_000_000
        for event in events.values():
            send(tracker.ingest, event, now_ns[0])
        tracker.step()

    assert isinstance(events[STREAMS.index(FRAME_STREAM)].value, StereoFrame)
    cases = {
        "head": door("head"),
        "leg": door("leg_left"),
        "frame": door(FRAME_STREAM),
        "latest": tracker.latest,
        "at_time": lambda: tracker.at_time(now_ns[0]),
        "five samples, frame and step": frame_and_step,
    }
    return {name: _allocations_of(call) for name, call in cases.items()}


def _allocations_of(call: Callable[[], object]) -> dict[str, float]:
    for _ in range(50):
        call()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(_ALLOCATION_CALLS):
        call()
    gc.collect()
    kept = (sys.getallocatedblocks() - blocks) / _ALLOCATION_CALLS
    tracemalloc.start()
    peaks = []
    for _ in range(_ALLOCATION_CALLS):
        before, _peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return {
        "blocks_kept_per_call": round(kept, 4),
        "bytes_held_within_call": float(np.median(peaks)),
    }


def _print(figures: dict[str, Any], noise: dict[str, Any], command: LiveDeadlinesCommand) -> None:
    console = Console()
    display, network = figures["display"], figures["network"]
    console.print(
        f"display: {display['ticks']} ticks, {display['missed']} missed, "
        f"{display['missed_unexplained']} of them not by the network; "
        f"{display['late_ms']['p99']:.2f} ms late at p99"
    )
    console.print(f"network: {network['p50']:.2f} ms median, {network['p99']:.2f} ms p99")
    samples = figures["ingestion_us"]["all device samples"]
    console.print(
        f"ingestion: {samples['p50']:.2f} us a sample, {samples['p99']:.2f} us p99 (goal 5 us)"
    )
    console.print(f"frames: {figures['frames']}")
    console.print(f"memory: {figures['memory']}")
    console.print(f"python allocations: {figures['python_allocations']}")
    if noise["verdict"] != "quiet":
        console.print(f"machine {noise['verdict']}: {'; '.join(noise['reasons'])}", style="yellow")
    console.print(f"wrote {command.out}")


if __name__ == "__main__":
    sys.exit(run_command("live_deadlines.py", LiveDeadlinesCommand, run))
