"""How far feet slide that stand: training holds them, evaluation reports it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES

TOES: Final = (JOINT_NAMES.index("left_foot"), JOINT_NAMES.index("right_foot"))
STANDS_BELOW_MPS, STANDS_BELOW_M = 0.15, 0.10
"""Toes stand that are slower than this, and lower over the floor than this."""
_MM = 1000.0


def skating_mm_per_s(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    timestamps_ns: NDArray[np.int64],
    ground_y_m: float = 0.0,
) -> NDArray[np.float64]:
    """(F,) mean speed over the floor, mm/s, at which ``predicted`` moves the toes that in ``truth``
    stand: slower than 0.15 m/s and lower than 10 cm over the floor. NaN where none stands, in the
    first frame and after a gap. ``predicted``, ``truth``: (F, 22, 3) metres."""
    skating = np.full(len(predicted), np.nan)
    if len(predicted) < 2:
        return skating
    step_s = 1e-9 * np.diff(timestamps_ns)[:, None]
    toes, true = predicted[:, TOES], truth[:, TOES]
    speeds = np.linalg.norm(np.diff(true, axis=0), axis=-1) / step_s
    stands = (speeds < STANDS_BELOW_MPS) & (true[1:, :, 1] < ground_y_m + STANDS_BELOW_M)
    stands &= step_s < 1.5 * np.median(step_s)
    slid = _MM * np.linalg.norm(np.diff(toes[..., [0, 2]], axis=0), axis=-1) / step_s
    counts = stands.sum(axis=1)
    totals = np.where(stands, slid, 0.0).sum(axis=1)
    skating[1:] = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return skating
