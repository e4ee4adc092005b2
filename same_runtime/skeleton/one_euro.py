"""Settings of the One Euro filter: smooth while slow, quick while fast.

Source: Casiez, Roussel and Vogel, "1 Euro Filter", CHI 2012.
"""

from dataclasses import dataclass

from same_engines.field_checks import checked_number


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
