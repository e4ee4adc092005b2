"""Settings of a tracker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_choice, checked_flag, checked_number
from same_engines.json_values import whole_number
from same_runtime.calibration.profile import UserProfile
from same_runtime.field_docs import with_field_docs
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock, check_clocks
from same_runtime.samples import check_timestamp_ns
from same_runtime.skeleton.one_euro import OneEuro

MOST_THREADS: Final = 256
PRECISIONS: Final = ("auto", "fp32", "fp16", "bf16", "int8")
_DURATIONS: Final = (
    "max_gap_ns",
    "max_extrapolation_ns",
    "max_prediction_ns",
    "stale_after_ns",
    "max_view_skew_ns",
)


@with_field_docs
@dataclass(frozen=True)
class TrackerOptions:
    """Settings of a tracker; the defaults suit a headset with 72-120 Hz poses.

    Raises ``InvalidInputError`` naming the field of a wrong type or value.
    """

    precision: str = "auto"
    """Which graphs of the bundle run: fp32, fp16 or, on CPUs, int8; bf16 is fp32 that OpenVINO
    computes mostly in bfloat16. auto takes bf16, or int8 if the bundle has it, on a CPU that runs
    it faster, and fp32 otherwise."""
    threads: int | None = None
    """CPU threads for the visual stage; None takes what the process may use, four at most. 1 keeps
    the whole tracker to one core, and starts no pool that waits on another."""
    ground_y_m: float = 0.0
    """Height of the floor in the world frame, metres."""
    ring_capacity: int = 256
    """Samples each device's ring holds; the newest win."""
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
    never stretches."""
    solve_rotations: bool = False
    """Give every pose its ``skeleton``: rotations, velocities, foot contacts and constant bone
    lengths, which ``joints_world`` then has too."""
    plant_feet: bool = False
    """Hold the toes of a foot that stands where they are, and both feet above the floor, by
    bending the legs; the body stays where it is. With ``solve_rotations``."""
    profile: UserProfile | None = None
    """What was calibrated in an earlier session: ``UserProfile.load(path)``."""
    smoothing: OneEuro | None = None
    """Filter that takes jitter out of the poses and adds delay: see ``docs/skeleton.md``."""

    def __post_init__(self) -> None:
        checked_choice("precision", self.precision, PRECISIONS)
        checked: dict[str, object] = {
            "ground_y_m": checked_number("ground_y_m", self.ground_y_m, -1e3, 1e3, "metres"),
            "ring_capacity": whole_number("ring_capacity", self.ring_capacity, 2, 1 << 20),
        }
        for name in ("hold_bone_lengths", "solve_rotations", "plant_feet"):
            checked[name] = checked_flag(name, getattr(self, name))
        checked["solve_rotations"] = checked["solve_rotations"] or checked["plant_feet"]
        if self.smoothing is not None and not isinstance(self.smoothing, OneEuro):
            raise InvalidInputError(
                f"smoothing: expected OneEuro or None, got {type(self.smoothing).__name__}"
            )
        if self.profile is not None and not isinstance(self.profile, UserProfile):
            raise InvalidInputError(
                f"profile: expected UserProfile or None, got {type(self.profile).__name__}"
            )
        if self.threads is not None:
            checked["threads"] = whole_number("threads", self.threads, 1, MOST_THREADS)
        for name in _DURATIONS:
            checked[name] = check_timestamp_ns(name, getattr(self, name))
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        check_clocks(self.clocks)
