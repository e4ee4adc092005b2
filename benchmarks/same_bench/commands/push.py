"""``same-bench push``: what one ``push`` costs, as ratios within one run, against PyTorch eager
and against recomputing the window, with the parts outside the network, the core's own rates and
the process's memory.

Variants are interleaved frame by frame. Prints a table and writes a JSON report.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress
from rich.table import Table

from same_bench.measuring.checkout import find_checkout
from same_bench.measuring.clip import load_clip
from same_bench.measuring.clock import SystemClock
from same_bench.measuring.cold_start import cold_start
from same_bench.measuring.machine import QuietWatch
from same_bench.measuring.measure import OVERHEAD, Samples, interleaved, single_stream
from same_bench.measuring.probe import NETWORK, ProbedTracker, probe_cost_ns
from same_bench.peers.engines import PEERS
from same_bench.reporting.record import about_the_engine, about_the_run
from same_bench.reporting.report import write_whole
from same_bench.reporting.stats import summarise
from same_engines import Bundle, open_engine
from same_engines.errors import EngineError
from same_engines.field_checks import check_ranges
from same_runtime.cli.console import messages, results
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.options import MOST_THREADS
from same_runtime.recording import Recording

_FULL_WINDOW_EVERY = 16


@dataclass(frozen=True)
class PushCommand:
    """Compare push with PyTorch eager and with recomputing the window, in one run."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording to feed; default: the one that ships with the package."""
    rounds: int = 400
    """Frames given to every variant (the full window: one in 16)."""
    alone_s: float = 10.0
    """Seconds of push alone, as fast as it goes, for the split into stages."""
    threads: int = 2
    """CPU threads of each variant's network."""
    out: Path = Path("benchmarks/results/push_latency.json")
    """JSON report to write."""

    def __post_init__(self) -> None:
        check_ranges(self, rounds=(16, 1e6), alone_s=(0.1, 86_400.0), threads=(1, MOST_THREADS))


def run(command: PushCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = command.recording or demo_recording()
    clip = load_clip(Recording(recording), bundle)
    rig = clip.rig
    check_file_place("--out", command.out)
    cold = cold_start(bundle.path, recording, "onnxruntime", "fp32", command.threads)
    core = core_rates()
    engines = {
        "push": open_engine(bundle, "onnxruntime", "fp32", command.threads),
        "torch-eager": PEERS["torch-eager"](bundle, command.threads),
        "full-window": PEERS["full-window"](bundle, command.threads),
    }
    trackers = {name: ProbedTracker(bundle.path, engine, rig) for name, engine in engines.items()}
    watch = QuietWatch()
    # What push costs outside the network is taken without the others, which empty its caches.
    alone = single_stream("push", trackers["push"], clip, command.alone_s, SystemClock())
    trackers["push"].reset()
    with Progress(console=messages()) as progress:
        task = progress.add_task("interleaved rounds", total=command.rounds)
        runs = interleaved(
            trackers,
            clip,
            command.rounds,
            SystemClock(),
            every={"full-window": _FULL_WINDOW_EVERY},
            # A full window must be full before it is measured.
            warm_up_frames=bundle.manifest.config.window,
            after_round=lambda _: progress.advance(task),
        )
    quiet = watch.report()
    for tracker in trackers.values():
        tracker.close()
    figures = _figures(runs, alone, core, cold)
    ran_on = about_the_engine(engines["push"])
    about = {**about_the_run("same-push-latency/1", bundle), **ran_on}
    raw = {
        "latency_ns": {name: samples.latency_ns for name, samples in runs.items()},
        "alone_latency_ns": alone.latency_ns,
        "alone_stage_ns": alone.stage_ns,
    }
    record = {**about, "threads": command.threads, "noise": quiet, "figures": figures}
    # In one line: the raw samples are long.
    write_whole(command.out, json.dumps({**record, "cold_start": cold, **raw}) + "\n")
    _print(figures, quiet, command)


def core_rates() -> dict[str, float]:
    """Nanoseconds of the core's ring push and synchroniser lookup, from C++: a Python call
    costs more than what it would measure. Builds ``cpp/bench`` when needed."""
    root = find_checkout()
    build = root / "build" / "bench"
    configure = [
        "cmake",
        "-S",
        str(root),
        "-B",
        str(build),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DSAME_PYTHON=OFF",
        "-DSAME_BENCH=ON",
    ]
    try:
        for step in (configure, ["cmake", "--build", str(build), "--target", "core_bench"]):
            subprocess.run(step, check=True, capture_output=True, text=True)
        done = subprocess.run([build / "core_bench"], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise EngineError(f"core_bench: {error.filename} not found; pip install cmake") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise EngineError(f"core_bench: could not be built or run: {' '.join(last)}") from None
    return json.loads(done.stdout)


def _figures(
    runs: dict[str, Samples], alone: Samples, core: dict[str, float], cold: dict[str, Any]
) -> dict[str, Any]:
    p50_ms = {name: float(np.median(samples.latency_ns)) / 1e6 for name, samples in runs.items()}
    network = np.sum([alone.stage_ns[part] for part in NETWORK], axis=0)
    outside = np.asarray(alone.latency_ns) - network
    probes = alone.probe_calls / len(alone.slot)
    alone_ms = np.asarray(alone.latency_ns) / 1e6
    return {
        "push_p50_ms": p50_ms["push"],
        "push_alone_p50_ms": float(np.median(alone_ms)),
        "push_alone_percentiles_ns": summarise(alone.latency_ns).percentiles,
        "torch_eager_p50_ms": p50_ms["torch-eager"],
        "full_window_p50_ms": p50_ms["full-window"],
        "torch_eager_over_push": p50_ms["torch-eager"] / p50_ms["push"],
        "full_window_over_push": p50_ms["full-window"] / p50_ms["push"],
        "outside_network_p50_ms": float(np.median(outside)) / 1e6,
        "outside_network_share": float(outside.sum() / np.sum(alone.latency_ns)),
        "stage_p50_us": {
            name: float(np.median(values)) / 1e3 for name, values in alone.stage_ns.items()
        },
        "ring_push_per_s": 1e9 / core["ring_push_ns"],
        "synchroniser_lookup_us": core["synchroniser_lookup_ns"] / 1e3,
        "tracker_rss_mib": cold["peak_rss_mib"],
        "measuring_share": probes * probe_cost_ns() / (1e6 * float(alone_ms.mean())),
    }


def _print(figures: dict[str, Any], quiet: dict[str, Any], command: PushCommand) -> None:
    table = Table(title=f"push, {command.threads} threads", title_justify="left")
    for title in ("figure", "measured", "goal"):
        table.add_column(title, justify="left" if title == "figure" else "right")
    rss = figures["tracker_rss_mib"]
    for row in (
        ("push p50", f"{figures['push_p50_ms']:.2f} ms", "<= 11.1 ms"),
        ("push p50, alone", f"{figures['push_alone_p50_ms']:.2f} ms", "<= 11.1 ms"),
        ("PyTorch eager / push", f"{figures['torch_eager_over_push']:.1f} x", ">= 3 x"),
        ("full window / push", f"{figures['full_window_over_push']:.1f} x", ">= 25 x"),
        ("outside the network, p50", f"{figures['outside_network_p50_ms']:.3f} ms", "<= 0.3 ms"),
        ("outside the network, share", f"{figures['outside_network_share']:.1%}", "<= 3 %"),
        ("ring push", f"{figures['ring_push_per_s'] / 1e6:.1f} M/s", ">= 5 M/s"),
        ("synchroniser lookup", f"{figures['synchroniser_lookup_us']:.2f} us", "<= 2 us"),
        ("tracker process, peak RSS", "unknown" if rss is None else f"{rss:.0f} MiB", "<= 286 MiB"),
        ("measuring's own share", f"{figures['measuring_share']:.2%}", "<= 1 %"),
    ):
        table.add_row(*row)
    console = results()
    console.print(table)
    stages = figures["stage_p50_us"]
    order = sorted((name for name in stages if name != OVERHEAD), key=stages.__getitem__)
    parts = ", ".join(f"{name} {stages[name]:.0f}" for name in (*reversed(order), OVERHEAD))
    console.print(f"p50 by stage, us: {parts}")
    if quiet["verdict"] != "quiet":
        console.print(f"machine {quiet['verdict']}: {'; '.join(quiet['reasons'])}", style="yellow")
    console.print(f"wrote {command.out}")
