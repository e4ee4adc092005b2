"""``same-bench faults``: error against the truth as the input gets worse.

What is published are the errors at each level, not a verdict.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from same_bench.accuracy.perturbations import SWEEP, perturbed_error
from same_bench.reporting.record import about_the_engine, write_record
from same_engines import Bundle, open_engine
from same_engines.errors import InvalidInputError
from same_runtime import SamePoseTracker
from same_runtime.cli.console import messages
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording


@dataclass(frozen=True)
class FaultsCommand:
    """Track a recording whose images, samples and cameras are made worse, level by level."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    recording: Path | None = None
    """MCAP recording with true joints; default: the one that ships with the package."""
    only: tuple[str, ...] = ()
    """Names of the perturbations to apply, such as 'blur'; default: all."""
    out: Path = Path("benchmarks/results/perturbations.json")
    """JSON record to write."""


def run(command: FaultsCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    unknown = [name for name in command.only if name not in SWEEP]
    if unknown:
        raise InvalidInputError(f"--only: expected of {', '.join(SWEEP)}; got {unknown[0]!r}")
    check_file_place("--out", command.out)
    bundle = Bundle.open(command.bundle or demo_bundle())
    recording = Recording(command.recording or demo_recording())
    cases = [
        (name, unit, level, perturb)
        for name, (unit, levels, perturb) in SWEEP.items()
        for level in levels
        if name in (command.only or SWEEP)
    ]
    ran_on: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    for name, unit, level, perturb in track(cases, "perturbing", console=messages()):
        engine = open_engine(bundle, "auto", "fp32")
        ran_on = about_the_engine(engine)
        with SamePoseTracker(bundle.path, recording.rig, engine) as tracker:
            found = perturbed_error(tracker, recording, perturb, level)
        mean_mm = None if found.mpjpe_mm is None else round(found.mpjpe_mm, 2)
        row = {"perturbation": name, "level": level, "unit": unit}
        rows.append({**row, **asdict(found), "mpjpe_mm": mean_mm})
    about = {
        "checkpoint_sha256": bundle.manifest.checkpoint_sha256,
        "recording": recording.path.name,
    }
    write_record(command.out, {**about, **ran_on, "rows": rows})
    for row in rows:
        error = "no pose" if row["mpjpe_mm"] is None else f"{row['mpjpe_mm']} mm"
        print(
            f"{row['perturbation']:22} {row['level']:5g} {row['unit']:32} {error}, "
            f"{row['invalid']} of {row['frames']} frames INVALID"
        )
    print(f"wrote {command.out}")
