"""How late joints come: training holds it down, evaluation reports it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Lateness(NamedTuple):
    """How far joints are behind the truth along its motion, and how fast they go that way.

    Sums over frames and joints of the one over those of the other are seconds: of joints that
    follow the truth with a delay, smaller or not, that delay, if it is short beside the motion. An
    error that stays the same along the way that somebody walks counts too.
    """

    behind: NDArray[np.float64]
    """(F, J) (truth - predicted) . velocity of the truth, m^2/s; NaN where that is unknown."""
    along: NDArray[np.float64]
    """(F, J) velocity of predicted . velocity of the truth, m^2/s^2; NaN where that is unknown."""

    def milliseconds(self, joints: tuple[int, ...]) -> float:
        """Delay of ``joints`` over all frames; 0 where they do not go the truth's way at all."""
        along = float(np.nansum(self.along[:, joints]))
        return 1e3 * float(np.nansum(self.behind[:, joints])) / along if along > 0 else 0.0


def lateness(
    predicted: NDArray[np.float64], truth: NDArray[np.float64], timestamps_ns: NDArray[np.int64]
) -> Lateness:
    """``Lateness`` of ``predicted`` against ``truth``, (F, J, 3) metres in the world each, at
    ``timestamps_ns`` (F,); velocities are known between two neighbours without a gap."""
    behind, along = np.full((2, *truth.shape[:2]), np.nan)
    if len(truth) < 3:
        return Lateness(behind, along)
    step_s = np.diff(timestamps_ns) / 1e9
    span_s = (step_s[1:] + step_s[:-1])[:, None, None]
    velocity = (truth[2:] - truth[:-2]) / span_s
    behind[1:-1] = ((truth - predicted)[1:-1] * velocity).sum(axis=-1)
    along[1:-1] = ((predicted[2:] - predicted[:-2]) / span_s * velocity).sum(axis=-1)
    is_gap = step_s > 1.5 * np.median(step_s)
    broken = np.flatnonzero(is_gap[1:] | is_gap[:-1]) + 1
    behind[broken] = along[broken] = np.nan
    return Lateness(behind, along)
