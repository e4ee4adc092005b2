"""A benchmark report: raw samples, everything derived from them, and where they were taken.

The JSON form is versioned (``SCHEMA``). Its raw samples are the truth; summaries in it are for
readers of the file and are computed again on reading.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from same_bench.measuring.measure import STAGE_NAMES, Samples
from same_bench.measuring.probe import NETWORK, WHOLE_NETWORK
from same_bench.reporting.stats import (
    DEADLINE_RATES_HZ,
    PoseAge,
    Summary,
    deadline_misses,
    pose_age,
    summarise,
)
from same_engines.atomic_files import replace_file, told_disk
from same_engines.errors import RecordingError

SCHEMA: Final = "same-bench/1"

_MAX_REPORT_BYTES = 1 << 30


@dataclass(frozen=True)
class Run:
    """One measured run and its surroundings."""

    samples: Samples
    noise: Mapping[str, Any]
    """What else ran on the machine meanwhile: ``machine.QuietWatch.report``."""
    cold_start: Mapping[str, Any] | None = None
    """``cold_start.cold_start`` of this backend; None where it was not measured."""
    memory: Mapping[str, Any] | None = None
    """``memory.frame_memory`` of this tracker; None where it was not measured."""
    precision: str | None = None
    """In which the network ran; None where a report from before does not say."""

    @property
    def summary(self) -> Summary:
        """Percentiles and spread of the latencies."""
        return summarise(self.samples.latency_ns)

    @property
    def misses(self) -> dict[float, int]:
        """Deadline rate, Hz -> frames not out within its period; dropped ones count."""
        samples = self.samples
        return {
            rate: deadline_misses(samples.latency_ns, samples.dropped, rate)
            for rate in DEADLINE_RATES_HZ
        }

    @property
    def stage_mean_ns(self) -> dict[str, float]:
        """Mean time per stage; they add up to the mean time of ``push``."""
        return {name: float(np.mean(ns)) for name, ns in self.samples.stage_ns.items()}

    @property
    def outside_network_share(self) -> float:
        """Share of all ``push`` time that no network stage accounts for."""
        mean = self.stage_mean_ns
        total = sum(mean.values())
        return 1 - sum(mean[part] for part in NETWORK) / total if total else 0.0

    @property
    def age(self) -> PoseAge | None:
        """Motion-to-pose age; None without a schedule or with one frame."""
        samples = self.samples
        if samples.mode != "paced" or len(samples.slot) < 2:
            return None
        return pose_age(samples.slot, samples.finished_ns, samples.latency_ns)

    @property
    def joules_per_frame(self) -> float | None:
        """Energy of processor packages and GPUs per frame; None where the machine does not tell."""
        joules = self.noise.get("energy_j")
        frames = self.samples.warm_up_frames + len(self.samples.slot)
        return None if joules is None else joules / frames


@dataclass(frozen=True)
class Twin:
    """A part of the core against plain Python doing the same."""

    part: str
    core: str
    """What the core's version is."""
    twin: str
    """What the plain version is."""
    core_ns: Sequence[int]
    twin_ns: Sequence[int]

    @property
    def speed_up(self) -> float:
        """Median of the twin over median of the core."""
        return float(np.median(self.twin_ns) / np.median(self.core_ns))


@dataclass(frozen=True)
class Report:
    """Everything one invocation of ``same-bench`` found."""

    created: str
    """UTC, ISO 8601."""
    command: str
    bundle: Mapping[str, Any]
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, Any]
    thread_environment: Mapping[str, str]
    probe_cost_ns: float
    """What timing one call costs."""
    runs: tuple[Run, ...]
    peers: tuple[Run, ...] = ()
    """Variants interleaved frame by frame; the first is the tracker as it ships."""
    not_run: Mapping[str, str] | None = None
    """Peer -> why it was not run."""
    twins: tuple[Twin, ...] = ()

    @property
    def noise_reasons(self) -> list[str]:
        """Why figures of this report cannot be trusted; empty on a quiet machine."""
        reasons = [
            f"{run.samples.name}: {reason}"
            for run in (*self.runs, *self.peers[:1])
            for reason in run.noise["reasons"]
        ]
        unknown = {run.samples.name for run in self.runs if run.noise["verdict"] == "unknown"}
        return reasons + [f"{name}: this system does not tell its load" for name in sorted(unknown)]

    def measuring_share(self, run: Run) -> float:
        """The benchmark's own share of the time it measured."""
        total = sum(sum(values) for values in run.samples.stage_ns.values())
        return run.samples.probe_calls * self.probe_cost_ns / total if total else 0.0


def to_json(report: Report) -> str:
    """Serialise, summaries included."""
    content = {"schema": SCHEMA, **asdict(report)}
    for key, runs in (("runs", report.runs), ("peers", report.peers)):
        for written, run in zip(content[key], runs, strict=True):
            written["summary"] = {
                **asdict(run.summary),
                "deadline_misses": {f"{rate:g}": n for rate, n in run.misses.items()},
                "dropped": run.samples.dropped,
                "stage_mean_ns": run.stage_mean_ns,
                "outside_network_share": run.outside_network_share,
                "measuring_share": report.measuring_share(run),
                "motion_to_pose_age_ns": run.age and asdict(run.age),
                "joules_per_frame": run.joules_per_frame,
            }
    return json.dumps(content, allow_nan=False) + "\n"


def read_report(path: Path) -> Report:
    """Read a JSON report. Raises ``RecordingError`` for a file that is not one of this version."""
    try:
        if path.stat().st_size > _MAX_REPORT_BYTES:
            raise RecordingError(f"{path}: larger than any report")
        content = json.loads(path.read_text())
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path}: not a same-bench report ({error})") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise RecordingError(f"{path}: expected a report of schema {SCHEMA!r}, got {schema!r}")
    try:
        values = {field.name: content[field.name] for field in fields(Report)}
        # Reports from before do not say what ran, only what was asked for.
        asked = values["bundle"]["precision"]
        before = {"precision": None if asked == "auto" else asked}
        values["runs"] = tuple(_run({**before, **item}) for item in values["runs"])
        if not values["runs"]:
            raise ValueError("runs: expected at least one")
        values["peers"] = tuple(_run({"precision": None, **item}) for item in values["peers"])
        values["twins"] = tuple(Twin(**item) for item in values["twins"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordingError(
            f"{path}: a damaged report ({type(error).__name__}: {error})"
        ) from None
    return Report(**values)


def _run(content: dict[str, Any]) -> Run:
    values = {field.name: content[field.name] for field in fields(Run)}
    samples = Samples(**values["samples"])
    # Reports from before engines' whole frames were timed have none.
    samples.stage_ns.setdefault(WHOLE_NETWORK, [0] * len(samples.slot))
    counts = {len(samples.latency_ns), len(samples.finished_ns), len(samples.slot)}
    counts |= {len(samples.stage_ns[name]) for name in STAGE_NAMES}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"run {samples.name}: its sample lists have lengths {sorted(counts)}")
    for values_ns in (samples.latency_ns, samples.finished_ns, samples.slot):
        if not all(type(value) is int for value in values_ns):
            raise ValueError(f"run {samples.name}: samples must be integers")
    return Run(**{**values, "samples": samples})


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all. Raises ``RecordingError`` when the disk refuses."""
    with told_disk(RecordingError, path):
        replace_file(path, content.encode("utf-8") if isinstance(content, str) else content)
