"""Settings of a tracker."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from same_engines.errors import InvalidInputError
from same_engines.json_values import real_number, whole_number
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock, check_clocks
from same_runtime.samples import check_timestamp_ns


@dataclass(frozen=True)
class TrackerOptions:
    """Settings of a tracker; the defaults suit a headset with 72-120 Hz poses."""

    precision: str = "fp32"
    """Which graphs of the bundle run: fp32 or fp16."""
    threads: int | None = None
    """CPU threads for the visual stage; None takes what the process may use, four at most."""
    ground_y_m: float = 0.0
    """Height of the floor in the world frame, metres."""
    ring_capacity: int = 256
    """Samples each device's ring holds; the newest win. Or give ``ring_seconds``."""
    ring_seconds: float | None = None
    """History each device's ring holds, seconds, at up to 1000 samples a second."""
    max_gap_ns: int = 100_000_000
    """Longest gap between two samples that is bridged by interpolation."""
    max_extrapolation_ns: int = 50_000_000
    """Furthest beyond a device's newest sample that its motion is continued."""
    max_prediction_ns: int = 100_000_000
    """Furthest beyond the newest estimate that ``at_time`` continues the body's motion."""
    stale_after_ns: int = 200_000_000
    """Age of the newest estimate from which ``at_time`` calls its poses LIMITED (STALE)."""
    max_view_skew_ns: int = 5_000_000
    """Furthest apart in time that a left and a right image are still one stereo pair."""
    clocks: Mapping[str, GivenClock | EstimatedClock] = field(default_factory=dict)
    """Clocks of streams (``conventions.DEVICES``, ``cameras``) that do not share the tracker's."""
    hold_bone_lengths: bool = False
    """Give every pose the bone lengths of ``calibration``, for applications that need a body that
    never stretches. The mean joint error stays as it is."""

    def __post_init__(self) -> None:
        real_number("ground_y_m", self.ground_y_m)
        capacity = whole_number("ring_capacity", self.ring_capacity, 2, 1 << 20)
        object.__setattr__(self, "ring_capacity", capacity)
        if self.ring_seconds is not None:
            seconds = real_number("ring_seconds", self.ring_seconds)
            if not 0.01 <= seconds <= 600.0:
                raise InvalidInputError(f"ring_seconds: expected 0.01..600 seconds, got {seconds}")
        check_clocks(self.clocks)
        for name in (
            "max_gap_ns", "max_extrapolation_ns", "max_prediction_ns", "stale_after_ns",
            "max_view_skew_ns",
        ):  # fmt: skip
            check_timestamp_ns(name, getattr(self, name))

    @property
    def ring_samples(self) -> int:
        """Samples each device's ring holds, however its size was given."""
        if self.ring_seconds is None:
            return self.ring_capacity
        return max(2, round(1000 * self.ring_seconds))
