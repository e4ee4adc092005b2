"""The One Euro filter: smooth while slow, quick while fast.

Source: Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines.field_checks import checked_number

_VELOCITY_CUTOFF_HZ = 2.0


@dataclass(frozen=True)
class OneEuro:
    """Settings of the filter. Raises ``InvalidInputError`` naming the field."""

    min_cutoff_hz: float = 2.0
    """Cut-off of a joint that rests; lower is smoother and later. 0.05..100 Hz."""
    cutoff_per_speed: float = 4.0
    """Hz that each m/s of speed adds to the cut-off (the paper's beta); 0..1000."""

    def __post_init__(self) -> None:
        cutoff = checked_number("min_cutoff_hz", self.min_cutoff_hz, 0.05, 100.0, "Hz")
        slope = checked_number("cutoff_per_speed", self.cutoff_per_speed, 0.0, 1e3, "Hz per m/s")
        object.__setattr__(self, "min_cutoff_hz", cutoff)
        object.__setattr__(self, "cutoff_per_speed", slope)


@dataclass(frozen=True, eq=False)
class OneEuroState:
    """What the filter carries from one sample to the next; never changed once made."""

    values: NDArray[np.float64]
    """(n, 3) metres, filtered."""
    raw: NDArray[np.float64]
    """(n, 3) metres, as they came."""
    velocities: NDArray[np.float64]
    """(n, 3) m/s, filtered."""

    @staticmethod
    def start(points: NDArray[np.float64]) -> "OneEuroState":
        """At the first sample, (n, 3) metres."""
        return OneEuroState(points, points, np.zeros_like(points))

    def after(self, points: NDArray[np.float64], gap_s: float, settings: OneEuro) -> "OneEuroState":
        """With one more sample, ``gap_s`` > 0 seconds later."""
        velocities = (points - self.raw) / gap_s
        share = _share(gap_s, np.asarray(_VELOCITY_CUTOFF_HZ))
        velocities = self.velocities + share * (velocities - self.velocities)
        speeds = np.sqrt(np.einsum("ij,ij->i", velocities, velocities))
        cutoffs_hz = settings.min_cutoff_hz + settings.cutoff_per_speed * speeds
        values = self.values + _share(gap_s, cutoffs_hz)[:, None] * (points - self.values)
        return OneEuroState(values, points, velocities)


def _share(gap_s: float, cutoff_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far a first-order low-pass goes towards a new sample."""
    return np.asarray(1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * gap_s)))
