"""The report's figures as rows of text: one source for terminal, Markdown and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from same_bench.measuring.measure import Samples
from same_bench.reporting.report import Report, Run
from same_bench.reporting.stats import QUANTILES, samples_needed

NOT_TOLD = "not told"


@dataclass(frozen=True)
class TextTable:
    """A titled table; the first column names the row."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def milliseconds(ns: float | None) -> str:
    """A time in ms with the digits that matter."""
    if ns is None:
        return NOT_TOLD
    ms = ns / 1e6
    return f"{ms:.4f} ms" if ms < 0.1 else f"{ms:.3f} ms" if ms < 10 else f"{ms:.2f} ms"


def describe(samples: Samples) -> str:
    """What kind of run this was, in one line."""
    how = "single-stream" if samples.rate_hz is None else f"paced at {samples.rate_hz:g} Hz"
    return (
        f"{samples.name}, {how}: {len(samples.slot):,} frames in {samples.seconds:.1f} s "
        f"after {samples.warm_up_frames} of warm-up"
    )


def percentile_text(run: Run, name: str) -> str:
    """A percentile, or how many samples it lacks."""
    value = run.summary.percentiles[name]
    if value is None:
        return f"needs {samples_needed(QUANTILES[name]):,} samples"
    return milliseconds(value)


def latency_table(runs: Sequence[Run]) -> TextTable:
    """Percentiles and spread, a column per run."""
    rows = [[name, *(percentile_text(run, name) for run in runs)] for name in QUANTILES]
    for title, values in (
        ("max", [milliseconds(run.summary.max) for run in runs]),
        ("mean", [milliseconds(run.summary.mean) for run in runs]),
        ("standard deviation", [milliseconds(run.summary.std) for run in runs]),
        ("jitter (frame to frame)", [milliseconds(run.summary.jitter) for run in runs]),
        ("frames", [f"{run.summary.count:,}" for run in runs]),
        ("dropped frames", [f"{run.samples.dropped:,}" for run in runs]),
        *(
            (f"missed at {rate:g} Hz", [f"{run.misses[rate]:,}" for run in runs])
            for rate in runs[0].misses
        ),
        ("stalls (over 2 x p50)", [_stalls(run) for run in runs]),
        ("poses", [_statuses(run.samples) for run in runs]),
        ("precision", [run.precision or NOT_TOLD for run in runs]),
    ):
        rows.append([title, *values])
    for title, attribute in (
        ("motion-to-pose age, mean", "mean"),
        ("motion-to-pose age, peak p50", "peak_p50"),
        ("motion-to-pose age, worst", "peak_max"),
    ):
        ages = [run.age for run in runs]
        if any(ages):
            rows.append(
                [title, *(milliseconds(getattr(age, attribute)) if age else "-" for age in ages)]
            )
    return TextTable("Latency", ["", *(run.samples.name for run in runs)], rows)


def _stalls(run: Run) -> str:
    stalls = run.summary.stalls
    if not stalls.count:
        return "none"
    spacing = f", every {stalls.every_frames} frames" if stalls.every_frames else ""
    return f"{stalls.count:,}{spacing}, worst {milliseconds(stalls.worst_ns)}"


def _statuses(samples: Samples) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in sorted(samples.status.items()))


def resource_table(report: Report) -> TextTable:
    """Start, memory, energy and quiet, a column per run."""
    runs = report.runs

    def cold(run: Run, key: str, unit: str) -> str:
        value = (run.cold_start or {}).get(key)
        return NOT_TOLD if value is None else f"{value:,.0f} {unit}"

    def memory(run: Run, key: str, pattern: str) -> str:
        value = (run.memory or {}).get(key)
        return NOT_TOLD if value is None else pattern.format(value)

    def energy(run: Run) -> str:
        joules = run.joules_per_frame
        return NOT_TOLD if joules is None else f"{1e3 * joules:.2f} mJ"

    def gpu(run: Run) -> str:
        used = (run.memory or {}).get("gpu_used_mib")
        return "no GPU seen" if not used else ", ".join(f"{mib:,.0f} MiB" for mib in used)

    rows = [
        ["cold start: import", *(cold(run, "import_ms", "ms") for run in runs)],
        ["cold start: load and verify", *(cold(run, "load_ms", "ms") for run in runs)],
        ["cold start: build engine", *(cold(run, "build_ms", "ms") for run in runs)],
        ["cold start: warm up", *(cold(run, "warm_up_ms", "ms") for run in runs)],
        ["cold start: first pose", *(cold(run, "first_pose_ms", "ms") for run in runs)],
        ["tracker process, peak RSS", *(cold(run, "peak_rss_mib", "MiB") for run in runs)],
        ["GPU memory in use", *(gpu(run) for run in runs)],
        [
            "held within a frame",
            *(memory(run, "allocated_bytes_per_frame", "{:,.0f} bytes") for run in runs),
        ],
        [
            "blocks kept per frame",
            *(memory(run, "blocks_kept_per_frame", "{:.2f}") for run in runs),
        ],
        ["energy per frame (processor, GPU)", *(energy(run) for run in runs)],
        ["outside the network", *(f"{run.outside_network_share:.2%}" for run in runs)],
        ["benchmark's own share", *(f"{report.measuring_share(run):.3%}" for run in runs)],
        ["machine meanwhile", *(str(run.noise["verdict"]) for run in runs)],
    ]
    return TextTable("Start, memory, energy", ["", *(run.samples.name for run in runs)], rows)


def stage_table(runs: Sequence[Run]) -> TextTable:
    """Mean time of each stage, a column per run; a column adds up to the mean push."""
    # An engine has its stages timed or its whole frames, not both.
    names = [name for name in runs[0].stage_mean_ns if any(run.stage_mean_ns[name] for run in runs)]
    rows = [[name, *(f"{run.stage_mean_ns[name] / 1e3:,.1f} us" for run in runs)] for name in names]
    return TextTable("Stages, mean", ["", *(run.samples.name for run in runs)], rows)


def peer_table(report: Report) -> TextTable | None:
    """The interleaved variants against the first, by medians, and what could not be run."""
    if not report.peers and not report.not_run:
        return None
    first = report.peers[0] if report.peers else report.runs[0]
    base = first.summary.percentiles["p50"]
    rows = []
    for run in report.peers:
        p50 = run.summary.percentiles["p50"]
        ratio = "" if base is None or p50 is None else f"{p50 / base:.2f} x"
        rows.append(
            [
                run.samples.name,
                percentile_text(run, "p50"),
                milliseconds(run.summary.max),
                f"{run.summary.count:,}",
                ratio,
            ]
        )
    rows += [[name, "not run", "", "", reason] for name, reason in (report.not_run or {}).items()]
    header = [
        "same frames, in turn",
        "p50",
        "max",
        "frames",
        f"against {first.samples.name}",
    ]
    return TextTable("Peers", header, rows)


def twin_table(report: Report) -> TextTable | None:
    """The core's parts against plain Python, by medians."""
    if not report.twins:
        return None
    rows = []
    for twin in report.twins:
        core_us, twin_us = sorted(twin.core_ns), sorted(twin.twin_ns)
        rows.append(
            [
                twin.part,
                f"{twin.core}: {core_us[len(core_us) // 2] / 1e3:.1f} us",
                f"{twin.twin}: {twin_us[len(twin_us) // 2] / 1e3:.1f} us",
                f"{twin.speed_up:.1f} x",
            ]
        )
    return TextTable("C++ core against plain Python", ["part", "core", "plain", "gain"], rows)


def machine_table(report: Report) -> TextTable:
    """Where the figures were taken."""
    facts = report.machine
    rows = [
        ["processor", str(facts.get("cpu_model") or NOT_TOLD)],
        ["processors", f"{facts.get('usable_processors')} usable of {facts.get('processors')}"],
        ["clock now", f"{facts['cpu_mhz']:.0f} MHz" if facts.get("cpu_mhz") else NOT_TOLD],
        ["governor", str(facts.get("governor") or NOT_TOLD)],
        ["virtual machine", "yes" if facts.get("hypervisor") else "no sign of one"],
        ["memory", f"{facts['memory_gib']} GiB" if facts.get("memory_gib") else NOT_TOLD],
        ["system", str(facts.get("system"))],
        ["GPUs", ", ".join(gpu["name"] for gpu in facts.get("gpus") or []) or "none seen"],
        ["versions", ", ".join(f"{n} {v}" for n, v in report.versions.items() if v)],
        [
            "bundle",
            f"{report.bundle['preset']} {report.bundle['precision']}, manifest SHA-256 "
            f"{report.bundle['manifest_sha256'][:16]}...",
        ],
        [
            "threads",
            f"{report.settings['threads'] or 'default'}"
            + "".join(f", {n}={v}" for n, v in report.thread_environment.items()),
        ],
        ["clip", f"{report.settings['clip_frames']} frames of {report.settings['recording']}"],
        ["taken", report.created],
    ]
    return TextTable("Machine and settings", ["", ""], rows)


def all_tables(report: Report) -> list[TextTable]:
    """Every table of the report, in reading order."""
    tables = [
        latency_table(report.runs),
        stage_table(report.runs),
        resource_table(report),
        peer_table(report),
        twin_table(report),
        machine_table(report),
    ]
    return [table for table in tables if table is not None]
