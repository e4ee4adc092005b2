"""Write how much ``at_time`` gains over holding the last pose: benchmarks/results/at_time.json.

Run ``python benchmarks/at_time.py [RECORDING]``; the default is the shipped demo recording.
"""

import json
import sys
from pathlib import Path

from same_bench.prediction import prediction_gain
from same_runtime.demo import demo_recording
from same_runtime.recording import Recording

_HORIZONS_MS = (11, 22, 33, 50)
_NOISES_MM = (0.0, 2.0, 5.0)
_RESULT = Path(__file__).parent / "results" / "at_time.json"


def main() -> None:
    """Measure and write."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else demo_recording()
    recording = Recording(path)
    rows = [
        prediction_gain(recording, horizon_ms * 1_000_000, noise_mm).to_dict()
        for noise_mm in _NOISES_MM
        for horizon_ms in _HORIZONS_MS
    ]
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps({"recording": path.name, "rows": rows}, indent=1) + "\n")
    for row in rows:
        print(
            f"{row['horizon_ms']:5.0f} ms ahead, {row['estimate_noise_mm']:.0f} mm noise: "
            f"hold {row['hold_mm']:.1f} mm, at_time {row['at_time_mm']:.1f} mm ({row['gain']:.0%})"
        )


if __name__ == "__main__":
    main()
