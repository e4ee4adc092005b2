"""``same-bench prediction``: how much ``at_time`` gains over holding the last pose.

Once with true poses (and noise) as estimates, once with the bundle's. A network's own error stays
whatever is predicted, so its rows also tell what is lost and regained by motion alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from same_bench.accuracy.prediction_gain import prediction_gain, tracked_gains
from same_bench.reporting.record import about_the_engine, write_record
from same_engines import Bundle, open_engine
from same_engines.errors import InvalidInputError
from same_runtime import SamePoseTracker
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

_NOISES_MM = (0.0, 2.0, 5.0)


@dataclass(frozen=True)
class PredictionCommand:
    """Compare poses predicted by at_time with the last pose held, on a recording's truth."""

    recordings: tyro.conf.Positional[tuple[Path, ...]] = ()
    """MCAP recordings with true joints; default: the one that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    horizons_ms: tuple[int, ...] = (11, 22, 33, 50)
    """How far ahead of each estimate, milliseconds."""
    out: Path = Path("benchmarks/results/at_time.json")
    """JSON record to write."""


def run(command: PredictionCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    check_file_place("--out", command.out)
    if not command.horizons_ms or not all(1 <= ms <= 1000 for ms in command.horizons_ms):
        raise InvalidInputError(f"--horizons-ms: expected 1..1000, got {command.horizons_ms}")
    bundle = Bundle.open(command.bundle or demo_bundle())
    reports = [
        _measure(bundle, Recording(path), [1_000_000 * ms for ms in command.horizons_ms])
        for path in command.recordings or (demo_recording(),)
    ]
    checkpoint = bundle.manifest.checkpoint_sha256
    write_record(command.out, {"checkpoint_sha256": checkpoint, "recordings": reports})
    for report in reports:
        _print(report)
    print(f"wrote {command.out}")


def _measure(bundle: Bundle, recording: Recording, horizons_ns: list[int]) -> dict[str, Any]:
    engine = open_engine(bundle, precision="auto")
    with SamePoseTracker(bundle.path, recording.rig, engine) as tracker:
        tracked = tracked_gains(tracker, recording, horizons_ns)
    return {
        "recording": recording.path.name,
        **about_the_engine(engine),
        "truth_and_noise": [
            prediction_gain(recording, horizon_ns, noise_mm).to_dict()
            for noise_mm in _NOISES_MM
            for horizon_ns in horizons_ns
        ],
        "tracked": [gain.to_dict() for gain in tracked],
    }


def _print(report: dict[str, Any]) -> None:
    print(report["recording"])
    for row in report["truth_and_noise"]:
        print(
            f"{row['horizon_ms']:5.0f} ms ahead, {row['estimate_noise_mm']:.0f} mm noise: "
            f"hold {row['hold_mm']:.1f} mm, at_time {row['at_time_mm']:.1f} mm "
            f"({_share(row['gain'])})"
        )
    for row in report["tracked"]:
        print(
            f"{row['horizon_ms']:5.0f} ms ahead, tracked: hold {row['hold_mm']:.1f} mm, "
            f"at_time {row['at_time_mm']:.1f} mm ({_share(row['gain'])}); "
            f"the estimate itself {row['estimate_mm']:.1f} mm; "
            f"motion alone: hold {row['motion_hold_mm']:.1f} mm, "
            f"at_time {row['motion_at_time_mm']:.1f} mm ({_share(row['motion_gain'])}); "
            f"{row['invalid']} frames INVALID"
        )


def _share(gain: float | None) -> str:
    return "nothing moved" if gain is None else f"{gain:.0%}"
