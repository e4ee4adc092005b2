"""``same-bench soak``: hours of running, and whether memory, files or threads grow.

Three parts, each left out with 0: trackers opened and closed, hours of sensor time through the C++
core as fast as they go, and a started tracker in real time.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from same_bench.reporting.record import about_the_run, write_record
from same_bench.soak.core_hours import soak_core
from same_bench.soak.live_hours import soak_live
from same_bench.soak.open_close import soak_cycles
from same_engines import Bundle
from same_engines.errors import InvalidInputError, SameError
from same_engines.field_checks import check_ranges
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording

LEAST: Final = {"hours": 0.01, "minutes": 3.0}
"""In less nothing can be judged."""
_LEAST_SHARE: Final = 0.5
"""Share of frames and poses that comes out also where others take much of the processor."""


@dataclass(frozen=True)
class SoakCommand:
    """Run for hours; exits with 2 when something grew, was lost or was not finite."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording to play back and forth; default: the one that ships with the package."""
    cycles: int = 1000
    """Trackers opened and closed."""
    hours: float = 8.0
    """Sensor time through the C++ core; at least 0.01."""
    minutes: float = 60.0
    """Time that a started tracker runs; at least 3, of which the first is its warm-up."""
    display_hz: float = 90.0
    """Poses that it gives out a second."""
    most_mib: float = 40.0
    """Memory that a part may grow by."""
    out: Path | None = None
    """JSON record to write."""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            cycles=(0, 1e7),
            hours=(0.0, 1e4),
            minutes=(0.0, 1e5),
            display_hz=(1.0, 1000.0),
            most_mib=(0.0, 1e5),
        )
        for name, least in LEAST.items():
            given = getattr(self, name)
            if 0 < given < least:
                raise InvalidInputError(
                    f"{name}: expected at least {least:g}, or 0 to leave it out; got {given:g}"
                )


def run(command: SoakCommand) -> None:
    """Run the command. Raises ``SameError`` when something grew."""
    check_file_place("--out", command.out)
    bundle = Bundle.open(command.bundle or demo_bundle())
    about = about_the_run("same-bench/soak/1", bundle)
    parts: dict[str, dict[str, Any]] = {}
    if command.cycles:
        parts["cycles"] = soak_cycles(bundle.path, command.cycles, warm_up=20)
        _told(command, about, parts)
    if command.hours:
        parts["core"] = soak_core(command.hours)
        _told(command, about, parts)
    if command.minutes:
        recording = command.recording or demo_recording()
        parts["live"] = soak_live(bundle, recording, command.minutes, command.display_hz)
        _told(command, about, parts)
    faults = [
        fault for name, part in parts.items() for fault in faults_of(name, part, command.most_mib)
    ]
    if faults:
        raise SameError(f"soak: {'; '.join(faults)}")


def _told(command: SoakCommand, about: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    """Say what the newest part found, and keep what there is."""
    name, part = list(parts.items())[-1]
    figures = ", ".join(f"{key} {value}" for key, value in part.items() if key != "rows")
    print(f"{name}: {figures}", flush=True)
    if command.out is not None:
        write_record(command.out, {**about, "parts": parts})


def faults_of(name: str, part: dict[str, Any], most_mib: float) -> list[str]:
    """What grew, came wrong or was lost in a part."""
    rows = part.get("rows") or [part["before"], part["after"]]
    # A started tracker's first minute is its warm-up.
    first, last = rows[1 if len(rows) > 2 else 0], rows[-1]
    faults = []
    if last["rss_mib"] - first["rss_mib"] > most_mib:
        faults.append(f"{name} grew from {first['rss_mib']} to {last['rss_mib']} MiB")
    for kind in ("descriptors", "threads"):
        if last[kind] > first[kind]:
            faults.append(f"{name}: {first[kind]} {kind} became {last[kind]}")
    wrong = ("not_finite", "backwards", "engine_failures", "refused")
    faults += [f"{name}: {part[key]} {key}" for key in wrong if part.get(key)]
    return faults + (_lost(name, part) if "display_hz" in part else [])


def _lost(name: str, part: dict[str, Any]) -> list[str]:
    """What of a started tracker's frames and poses did not come out."""
    ticks = round(60 * part["minutes"] * part["display_hz"])
    return [
        f"{name}: {part[key]} {key} of {expected} {what}"
        for key, expected, what in (
            ("frames_tracked", part["frames_accepted"], "accepted"),
            ("tracked", ticks, "poses that the display asked for"),
        )
        if part[key] < _LEAST_SHARE * expected
    ]
