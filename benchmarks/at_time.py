"""Write how much ``at_time`` gains over holding the last pose: benchmarks/results/at_time.json.

Run ``python benchmarks/at_time.py [RECORDING...]``; the default is the shipped recording. Once with
true poses (and noise) as estimates, once with the shipped bundle's. A network's own error stays
whatever is predicted, so its rows also tell what is lost and regained by motion alone.
"""

import json
import sys
from pathlib import Path

from same_bench.prediction import prediction_gain, tracked_gains
from same_engines import Bundle
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording

_HORIZONS_MS = (11, 22, 33, 50)
_NOISES_MM = (0.0, 2.0, 5.0)
_RESULT = Path(__file__).parent / "results" / "at_time.json"


def main() -> None:
    """Measure and write."""
    paths = [Path(argument) for argument in sys.argv[1:]] or [demo_recording()]
    horizons_ns = [1_000_000 * horizon_ms for horizon_ms in _HORIZONS_MS]
    reports = []
    for path in paths:
        recording = Recording(path)
        rows = [
            prediction_gain(recording, horizon_ns, noise_mm).to_dict()
            for noise_mm in _NOISES_MM
            for horizon_ns in horizons_ns
        ]
        tracked = [g.to_dict() for g in tracked_gains(demo_bundle(), recording, horizons_ns)]
        reports.append({"recording": path.name, "truth_and_noise": rows, "tracked": tracked})
        print(path.name)
        for row in rows:
            print(
                f"{row['horizon_ms']:5.0f} ms ahead, {row['estimate_noise_mm']:.0f} mm noise: "
                f"hold {row['hold_mm']:.1f} mm, at_time {row['at_time_mm']:.1f} mm "
                f"({row['gain']:.0%})"
            )
        for row in tracked:
            print(
                f"{row['horizon_ms']:5.0f} ms ahead, tracked: hold {row['hold_mm']:.1f} mm, "
                f"at_time {row['at_time_mm']:.1f} mm ({row['gain']:.0%}); "
                f"the estimate itself {row['estimate_mm']:.1f} mm; "
                f"motion alone: hold {row['motion_hold_mm']:.1f} mm, "
                f"at_time {row['motion_at_time_mm']:.1f} mm ({row['motion_gain']:.0%})"
            )
    checkpoint = Bundle.open(demo_bundle()).manifest.checkpoint_sha256
    report = {"checkpoint_sha256": checkpoint, "recordings": reports}
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
