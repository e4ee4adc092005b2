"""``same-bench latency``: measure the tracker on this machine and write a report."""

import contextlib
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro
from rich.console import Console
from rich.progress import Progress

from same_bench.measuring.clip import Clip, load_clip
from same_bench.measuring.clock import SystemClock
from same_bench.measuring.cold_start import cold_start
from same_bench.measuring.machine import QuietWatch, machine_facts, thread_settings, versions
from same_bench.measuring.measure import interleaved, paced, single_stream
from same_bench.measuring.memory import frame_memory
from same_bench.measuring.probe import ProbedTracker, probe_cost_ns
from same_bench.peers.engines import PEERS
from same_bench.peers.python_reference import time_twins
from same_bench.reporting.fail_if import FailIf, parse_fail_if
from same_bench.reporting.live_view import LiveView, rich_table
from same_bench.reporting.pages import headline, html, markdown
from same_bench.reporting.record import command_line
from same_bench.reporting.report import Report, Run, Twin, to_json, write_whole
from same_bench.reporting.tables import all_tables, describe
from same_engines import BACKENDS, Bundle, open_engine
from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.bundle.reader import sha256_file
from same_engines.errors import EngineError, InvalidInputError
from same_engines.field_checks import check_ranges
from same_runtime.camera import CameraRig
from same_runtime.cli.command import EXIT_CONDITION_MET
from same_runtime.cli.console import messages, results
from same_runtime.cli.option_types import Flag, Precision, one_of
from same_runtime.cli.output_places import make_folder
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.options import MOST_THREADS
from same_runtime.recording import Recording
from same_runtime.tracker import TrackerOptions

_RATES: Final = ("72", "90", "120", "max")
_FULL_WINDOW_EVERY: Final = 16
_UNITS_S: Final = {"ms": 1e-3, "s": 1.0, "m": 60.0, "": 1.0}


@dataclass(frozen=True)
class LatencyCommand:
    """Measure the tracker's latency on this machine, part by part, and write a report.

    $ same-bench --rate 90 --duration 30s --report report
    """

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    backend: Annotated[str, one_of("auto", "all", *BACKENDS)] = "auto"
    """Inference backend, or all of them."""
    precision: Precision = "fp32"
    """Graphs to run."""
    threads: int | None = None
    """CPU threads for the visual stage; default: all this process may use, four at most."""
    rate: Annotated[str, one_of(*_RATES)] = "max"
    """Frames per second that arrive (72, 90, 120: latency counts from each frame's scheduled
    time, late frames are dropped and counted), or max: as fast as they are taken."""
    duration: str = "60s"
    """Measured time of each run, such as 60s, 2m or 500ms; warm-up comes before it."""
    warm_up: int = 64
    """Frames before the measured ones."""
    recording: Path | None = None
    """MCAP recording to feed; default: the one that ships with the package."""
    report: Annotated[Path | None, tyro.conf.arg(aliases=["--out"])] = None
    """Folder for report.json, report.md and report.html; made if missing."""
    peers: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Also run the same frames through a peer, in turn with the tracker; may be repeated: all,
    torch-eager, torch-compile, onnxruntime-plain, openvino, full-window, or twins (plain Python
    twins of the C++ core)."""
    peer_rounds: int = 200
    """Frames given to each peer (full-window: one in 16)."""
    fail_if: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Exit with 1 when this holds for a run, such as 'p99>11.1ms' or 'missed90>0'; may be
    repeated."""
    live: Flag = True
    """Show the run while it is measured, if this is a terminal."""

    def __post_init__(self) -> None:
        check_ranges(self, threads=(1, MOST_THREADS), warm_up=(0, 1e6), peer_rounds=(1, 1e6))


def parse_duration(text: str) -> float:
    """Seconds of ``60s``, ``2m``, ``500ms`` or ``60``. Raises ``InvalidInputError``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|)", text.strip())
    if found is None or float(found[1]) == 0:
        raise InvalidInputError(f"--duration {text!r}: expected more than 0, such as 60s or 2m")
    return float(found[1]) * _UNITS_S[found[2]]


def run(command: LatencyCommand) -> int:
    """Run the command; 1 when a ``fail_if`` condition holds. Everything the user can mend raises
    a ``SameError`` kind, whatever can be checked before anything is measured."""
    duration_s = parse_duration(command.duration)
    if command.rate not in _RATES:
        raise InvalidInputError(f"--rate: expected {', '.join(_RATES)}; got {command.rate!r}")
    conditions = [parse_fail_if(text) for text in command.fail_if]
    peers = _peers(command.peers)
    if command.backend not in ("auto", "all", *BACKENDS):
        raise InvalidInputError(
            f"--backend: expected auto, all, {', '.join(BACKENDS)}; got {command.backend!r}"
        )
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = command.recording or demo_recording()
    clip = load_clip(Recording(recording), bundle)
    if command.report is not None:
        _make_folder(command.report)
    report = _measure_all(command, bundle, recording, clip, peers, duration_s)
    console = results()
    _print(console, report)
    if command.report is not None:
        for name, text in (
            ("report.json", to_json(report)),
            ("report.md", markdown(report)),
            ("report.html", html(report)),
        ):
            write_whole(command.report / name, text)
        console.print(f"wrote {command.report}/: report.html, report.md, report.json")
    return EXIT_CONDITION_MET if _any_fails(console, conditions, report.runs) else 0


def _measure_all(
    command: LatencyCommand,
    bundle: Bundle,
    recording: Path,
    clip: Clip,
    peers: Sequence[str],
    duration_s: float,
) -> Report:
    runs, not_run = _measure_backends(command, bundle, clip.rig, recording, clip, duration_s)
    peer_runs: tuple[Run, ...] = ()
    if [name for name in peers if name != "twins"]:
        peer_runs, peers_not_run = _measure_peers(command, bundle, clip.rig, clip, peers)
        not_run |= peers_not_run
    return Report(
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        command=command_line(),
        bundle={
            "name": bundle.path.name,
            "preset": bundle.manifest.preset,
            "precision": command.precision,
            "manifest_sha256": sha256_file(bundle.path / MANIFEST_NAME),
        },
        settings={
            "threads": command.threads,
            "rate": command.rate,
            "duration_s": duration_s,
            "recording": Path(recording).name,
            "clip_frames": len(clip),
        },
        machine=machine_facts(),
        versions=versions(),
        thread_environment=thread_settings(),
        probe_cost_ns=probe_cost_ns(),
        runs=runs,
        peers=peer_runs,
        not_run=not_run,
        twins=_twins(bundle, clip) if "twins" in peers else (),
    )


def _peers(wanted: Sequence[str]) -> tuple[str, ...]:
    known = (*PEERS, "twins")
    unknown = [name for name in wanted if name not in ("all", *known)]
    if unknown:
        raise InvalidInputError(f"--peers: expected all, {', '.join(known)}; got {unknown[0]!r}")
    return known if "all" in wanted else tuple(dict.fromkeys(wanted))


def _make_folder(folder: Path) -> None:
    # Also tries to write: better to learn now than after the measurement.
    make_folder("--report", folder)
    probe = folder / ".same-bench"
    write_whole(probe, "\n" * 4096)
    probe.unlink()


def _measure_backends(
    command: LatencyCommand,
    bundle: Bundle,
    rig: CameraRig,
    recording: Path,
    clip: Clip,
    duration_s: float,
) -> tuple[tuple[Run, ...], dict[str, str]]:
    """A run per backend; with ``all``, those that cannot open here are named with the reason."""
    if command.backend != "all":
        return (_measure(command, bundle, rig, recording, clip, command.backend, duration_s),), {}
    runs: list[Run] = []
    not_run: dict[str, str] = {}
    for backend in BACKENDS:
        try:
            runs.append(_measure(command, bundle, rig, recording, clip, backend, duration_s))
        except EngineError as error:
            not_run[backend] = str(error)
    if not runs:
        raise EngineError("no backend can be opened here: " + "; ".join(not_run.values()))
    return tuple(runs), not_run


def _measure(
    command: LatencyCommand,
    bundle: Bundle,
    rig: CameraRig,
    recording: Path,
    clip: Clip,
    backend: str,
    duration_s: float,
) -> Run:
    clock = SystemClock()
    options = TrackerOptions(precision=command.precision, threads=command.threads)
    engine = open_engine(bundle, backend, command.precision, command.threads)
    cold = cold_start(bundle.path, recording, backend, command.precision, command.threads)
    with (
        contextlib.closing(ProbedTracker(bundle.path, engine, rig, options)) as tracker,
        LiveView(duration_s, command.live and sys.stderr.isatty(), clock) as view,
    ):
        watch = QuietWatch()
        if command.rate == "max":
            samples = single_stream(
                tracker.backend, tracker, clip, duration_s, clock, command.warm_up, view.after_frame
            )
        else:
            samples = paced(
                tracker.backend,
                tracker,
                clip,
                float(command.rate),
                duration_s,
                clock,
                command.warm_up,
                view.after_frame,
            )
        quiet = watch.report()
        memory = frame_memory(tracker, clip)
    return Run(samples, quiet, cold, memory, engine.precision)


def _measure_peers(
    command: LatencyCommand, bundle: Bundle, rig: CameraRig, clip: Clip, peers: Sequence[str]
) -> tuple[tuple[Run, ...], dict[str, str]]:
    threads = command.threads or 2
    engines = {"same": open_engine(bundle, "onnxruntime", "fp32", threads)}
    trackers = {"same": ProbedTracker(bundle.path, engines["same"], rig)}
    not_run: dict[str, str] = {}
    progress_console = messages()
    try:
        with progress_console.status("opening peers"):
            for name in peers:
                if name not in PEERS:
                    continue
                try:
                    engines[name] = PEERS[name](bundle, threads)
                    trackers[name] = ProbedTracker(bundle.path, engines[name], rig)
                except EngineError as error:
                    not_run[name] = str(error)
        watch = QuietWatch()
        with Progress(console=progress_console) as progress:
            task = progress.add_task("peers, frame by frame", total=command.peer_rounds)
            runs = interleaved(
                trackers,
                clip,
                command.peer_rounds,
                SystemClock(),
                every={"full-window": _FULL_WINDOW_EVERY},
                # The recomputed window must be full before it is measured.
                warm_up_frames=bundle.manifest.config.window,
                after_round=lambda _: progress.advance(task),
            )
        quiet = watch.report()
    finally:
        for tracker in trackers.values():
            tracker.close()
    found = (
        Run(samples, quiet, precision=engines[name].precision) for name, samples in runs.items()
    )
    return tuple(found), not_run


def _twins(bundle: Bundle, clip: Clip) -> tuple[Twin, ...]:
    config = bundle.manifest.config
    return time_twins(
        clip,
        config.input_height,
        config.input_width,
        config.image_mean,
        config.image_std,
        (config.column_zoom, config.row_zoom) != (1.0, 1.0),
    )


def _print(console: Console, report: Report) -> None:
    for table in all_tables(report):
        console.print(rich_table(table))
    for run in report.runs:
        console.print(f"{describe(run.samples)}: {headline(run)}", style="bold")
    if report.noise_reasons:
        console.print(f"not a quiet machine: {'; '.join(report.noise_reasons)}", style="yellow")


def _any_fails(console: Console, conditions: Sequence[FailIf], runs: Sequence[Run]) -> bool:
    failed = False
    for condition in conditions:
        for run in runs:
            if condition.fails(run):
                console.print(f"fails: {condition.text} ({run.samples.name})", style="red")
                failed = True
    return failed
