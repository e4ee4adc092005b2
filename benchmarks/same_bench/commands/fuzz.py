"""``same-bench fuzz``: hostile and broken files, each kind to the reader that must survive it.

Exits with 2 when anything but a typed error came out: an exception of another kind, a dead process
or a reader that took longer than ten seconds.
"""

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from same_bench.fuzz.attack import attack
from same_bench.fuzz.target import BUNDLE
from same_bench.fuzz.targets import TARGETS
from same_bench.reporting.record import about_the_run, write_record
from same_engines import Bundle
from same_engines.errors import InvalidInputError, SameError
from same_engines.field_checks import check_ranges
from same_runtime.cli.output_places import check_file_place, make_folder


@dataclass(frozen=True)
class FuzzCommand:
    """Read changed files by the thousand; only typed errors may come out."""

    targets: tuple[str, ...] = ()
    """Readers to attack, such as 'graph'; default: all."""
    inputs: int = 100_000
    """Files for each reader."""
    seconds: float = 60.0
    """Longest time for each reader."""
    seed: int = 0
    """The same seed makes the same files."""
    found: Path = Path("fuzz-found")
    """Folder for the files that something fell over."""
    out: Path | None = None
    """JSON record to write."""

    def __post_init__(self) -> None:
        check_ranges(self, inputs=(1, 1e9), seconds=(0.1, 1e6), seed=(0, 2**32 - 1))


def run(command: FuzzCommand) -> None:
    """Run the command. Raises ``SameError`` when something fell."""
    unknown = [name for name in command.targets if name not in TARGETS]
    if unknown:
        raise InvalidInputError(f"--targets: expected of {', '.join(TARGETS)}; got {unknown[0]!r}")
    if not BUNDLE.is_dir():
        raise InvalidInputError("fuzz: needs the sources: run it from a checkout, pip install -e .")
    check_file_place("--out", command.out)
    make_folder("--found", command.found)
    about = about_the_run("same-bench/fuzz/2", Bundle.open(BUNDLE))
    rows: dict[str, dict[str, Any]] = {}
    for name in command.targets or TARGETS:
        outcome = attack(name, command.seed, command.inputs, command.seconds, command.found / name)
        rows[name] = {**asdict(replace(outcome, fell=Counter())), "fell": dict(outcome.fell)}
        fell = ", ".join(f"{count} {kind}" for kind, count in outcome.fell.items()) or "-"
        print(
            f"{name:12} {outcome.inputs:8} files in {outcome.seconds:6.0f} s: {outcome.read} read, "
            f"{outcome.refused} refused, at most {outcome.grown_mb:.0f} MB more and "
            f"{outcome.slowest_s:.2f} s, fell: {fell}",
            flush=True,
        )
        if command.out is not None:  # after each: a run may be long
            write_record(command.out, {**about, "seed": command.seed, "targets": rows})
    fallen = [name for name, row in rows.items() if row["fell"]]
    if fallen:
        raise SameError(f"fuzz: {', '.join(fallen)} fell; the files are in {command.found}")
