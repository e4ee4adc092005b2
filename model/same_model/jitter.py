"""How unsteady joints are over time: training watches it, evaluation reports it."""

import numpy as np
from numpy.typing import NDArray


def jitter(joints: NDArray[np.float64], timestamps_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """(F,) mean over the joints of the jerk of ``joints`` (F, J, 3) metres, m/s^3; NaN in a
    sequence's first three frames and across gaps."""
    found = np.full(len(joints), np.nan)
    if len(joints) >= 4:
        step_s = float(np.median(np.diff(timestamps_ns))) / 1e9
        jerk = np.diff(joints, n=3, axis=0) / step_s**3
        found[3:] = np.linalg.norm(jerk, axis=-1).mean(axis=-1)
        # Differences across a gap are no motion.
        broken = np.diff(timestamps_ns) > 1.5e9 * step_s
        for offset in range(3):
            found[1 + offset :][broken[: len(broken) - offset]] = np.nan
    return found
