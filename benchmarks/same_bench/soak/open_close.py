"""Open a tracker, track a frame, close it, by the thousand."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from same_bench.measuring.made_up_stream import made_up_stream
from same_bench.soak.process_state import process_state
from same_engines.errors import EngineError
from same_runtime.options import TrackerOptions
from same_runtime.tracker import SamePoseTracker

BACKEND: Final = "onnxruntime"
PRECISION: Final = "fp32"


def open_and_close(bundle: Path, times: int) -> None:
    """Raises ``EngineError`` for a pose that is not finite."""
    options = TrackerOptions(precision=PRECISION, threads=1)
    for _ in range(times):
        with SamePoseTracker(bundle, None, BACKEND, options) as tracker:
            frame, imu = next(iter(made_up_stream(tracker.rig, 1)))
            if not np.isfinite(tracker.push(frame, imu).joints_world).all():
                raise EngineError("a joint is not finite")


def soak_cycles(bundle: Path, cycles: int, warm_up: int) -> dict[str, Any]:
    """What the process holds before ``cycles``, at every tenth of them and after; what libraries
    set up once is set up in ``warm_up`` cycles before."""
    open_and_close(bundle, warm_up)
    states = [process_state()]
    for part in range(10):
        open_and_close(bundle, (part + 1) * cycles // 10 - part * cycles // 10)
        states.append(process_state())
    return {
        "backend": BACKEND,
        "precision": PRECISION,
        "warm_up": warm_up,
        "cycles": cycles,
        "before": states[0]._asdict(),
        "after": states[-1]._asdict(),
        "rss_mib": [state.rss_mib for state in states],
    }
