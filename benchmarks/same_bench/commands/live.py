"""``same-bench live``: a started tracker in real time, and every display deadline it missed.

Cameras and 6DOF devices at the recording's own rates (30 and 90 Hz in the shipped one), legs
interpolated to 200 Hz, poses at 90 Hz. Devices are one thread, the application another. A display
tick is missed when its pose comes over a period late; the miss is explained when it would not be
one without the time in which the network ran. Writes one JSON record.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from same_bench.live import figures
from same_bench.live.allocations import allocations
from same_bench.live.deadlines import Ticks, judge_ticks
from same_bench.live.endless_devices import EndlessDevices
from same_bench.live.series import NotingObserver, Series, TimedEngine
from same_bench.live.threads import send_devices, use_poses
from same_bench.measuring.machine import QuietWatch
from same_bench.reporting.record import about_the_engine, about_the_run, write_record
from same_engines import Bundle, open_engine
from same_engines.atomic_files import told_disk, whole_file
from same_engines.errors import RecordingError
from same_engines.field_checks import check_ranges
from same_runtime import SamePoseTracker
from same_runtime.cli.console import results
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.live.options import LiveOptions
from same_runtime.options import MOST_THREADS
from same_runtime.recording import Recording
from same_runtime.stats import TrackerStats

_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True)
class LiveCommand:
    """Track in real time and report every missed display deadline with its cause."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording to play back and forth; default: the one that ships with the package."""
    minutes: float = 1.0
    """How long to track; 30 for the record of memory."""
    display_hz: float = 90.0
    """Poses given out a second."""
    leg_hz: float = 200.0
    """Samples of each leg sensor a second."""
    threads: int = 2
    """CPU threads of the visual stage."""
    between_frames: Literal["reanchor", "image_free", "hold"] = "reanchor"
    """What is given out between camera frames."""
    out: Path = Path("benchmarks/results/live_deadlines.json")
    """JSON report to write."""
    ticks: Path | None = None
    """Also write every display tick and every run of the network, as .npz."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            minutes=(0.05, 1440.0),
            display_hz=(1.0, 1000.0),
            leg_hz=(10.0, 1000.0),
            threads=(1, MOST_THREADS),
        )


def run(command: LiveCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    check_file_place("--out", command.out)
    check_file_place("--ticks", command.ticks)
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = Recording(command.recording or demo_recording())
    devices = EndlessDevices(recording, command.leg_hz)
    poses = round(1.2 * command.minutes * 60 * command.display_hz) + 1000
    engine = TimedEngine(open_engine(bundle, "auto", "fp32", command.threads), poses)
    observer = NotingObserver(poses)
    watch = QuietWatch()
    with SamePoseTracker(bundle.path, recording.rig, engine, observer=observer) as tracker:
        began_ns, stats, noted = _track(command, tracker, devices, poses)
        noise = watch.report()
        runs_ns = engine.runs.rows
        ready_ns, late_ns = observer.output.rows.T
        ticks = judge_ticks(ready_ns, late_ns, round(1e9 / command.display_hz), runs_ns)
        found = {
            "display": figures.display(ticks, ticks.due_ns > began_ns + _SECOND_NS),
            "network": figures.milliseconds(runs_ns[:, 1] - runs_ns[:, 0]),
            "frame_to_pose": figures.milliseconds(observer.estimates.rows[:, 1]),
            **noted,
            **_counts(stats),
            "python_allocations": allocations(tracker, devices),
        }
    settings = {
        "recording": recording.path.name,
        "minutes": command.minutes,
        "threads": command.threads,
        "display_hz": command.display_hz,
        "between_frames": command.between_frames,
        **about_the_engine(engine),
        "noise": noise,
    }
    about = about_the_run("same-live-deadlines/1", bundle)
    write_record(command.out, {**about, **settings, "figures": found})
    if command.ticks is not None:
        _write_ticks(command.ticks, ticks, runs_ns)
    _print(found, noise, command)


def _track(
    command: LiveCommand, tracker: SamePoseTracker, devices: EndlessDevices, poses: int
) -> tuple[int, TrackerStats, dict[str, Any]]:
    """When it began, the tracker's own figures at the end, and what both threads noted."""
    duration_ns = round(60 * command.minutes * _SECOND_NS)
    costs = Series(devices.samples_in(duration_ns), 3)
    calls = Series(poses, 2)
    memory = Series(round(60 * command.minutes) + 60, 2)
    tracker.start(LiveOptions(command.display_hz, between_frames=command.between_frames))
    began_ns = time.monotonic_ns()
    feeder = threading.Thread(
        target=send_devices, args=(tracker, devices, duration_ns, began_ns, costs), name="devices"
    )
    feeder.start()
    use_poses(tracker, command.display_hz, feeder, began_ns, duration_ns, calls, memory)
    feeder.join()
    stats = tracker.stats()
    tracker.stop()
    noted = {
        "at_time_us": figures.microseconds(calls.rows[:, 0]),
        "latest_us": figures.microseconds(calls.rows[:, 1]),
        "ingestion_us": figures.ingestion(costs.rows),
        "sent_late_ms": figures.milliseconds(costs.rows[:, 2]),
        "memory": figures.memory(memory.rows),
    }
    return began_ns, stats, noted


def _counts(stats: TrackerStats) -> dict[str, Any]:
    return {
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
    }


def _write_ticks(path: Path, ticks: Ticks, runs_ns: NDArray[np.int64]) -> None:
    with (
        told_disk(RecordingError, f"--ticks {path}"),
        whole_file(path) as partial,
        partial.open("wb") as file,  # to a name without .npz NumPy would add it
    ):
        np.savez(
            file,
            due_ns=ticks.due_ns,
            late_ns=ticks.late_ns,
            network_ns=ticks.network_ns,
            runs_ns=runs_ns,
        )


def _print(found: dict[str, Any], noise: dict[str, Any], command: LiveCommand) -> None:
    console = results()
    display, network, said = found["display"], found["network"], figures.said
    console.print(
        f"display: {display['ticks']} ticks, {display['missed']} missed, "
        f"{display['missed_unexplained']} of them not by the network; "
        f"ms late at p99: {said(display['late_ms'], 'p99')}"
    )
    console.print(f"network, ms: median {said(network, 'p50')}, p99 {said(network, 'p99')}")
    samples = found["ingestion_us"]["all device samples"]
    console.print(
        f"ingestion, us a sample (goal 5): median {said(samples, 'p50')}, "
        f"p99 {said(samples, 'p99')}"
    )
    console.print(f"frames: {found['frames']}")
    console.print(f"memory: {found['memory']}")
    console.print(f"python allocations: {found['python_allocations']}")
    if noise["verdict"] != "quiet":
        console.print(f"machine {noise['verdict']}: {'; '.join(noise['reasons'])}", style="yellow")
    console.print(f"wrote {command.out}")
