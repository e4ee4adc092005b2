"""Settings of a started tracker."""

from dataclasses import dataclass
from typing import Final, Literal

from same_engines.field_checks import checked_choice, checked_number
from same_runtime.field_docs import with_field_docs
from same_runtime.samples import check_timestamp_ns

BETWEEN_FRAMES: Final = ("reanchor", "image_free", "hold")


@with_field_docs
@dataclass(frozen=True)
class LiveOptions:
    """How a started tracker schedules its work. Raises ``InvalidInputError`` naming the field."""

    display_rate_hz: float = 90.0
    """Poses given out a second, 1..1000."""
    lead_ns: int = 0
    """How far ahead of now each pose is for: the time until its frame is seen."""
    between_frames: Literal["reanchor", "image_free", "hold"] = "reanchor"
    """Between camera frames: ``reanchor`` carries the newest estimate on and ties it to the head
    and controllers; ``image_free`` also runs the network on the newest device samples without
    images, whenever it is idle; ``hold`` repeats the newest estimate."""
    cameras_lost_after_ns: int = 100_000_000
    """Without a frame for this long, the network goes on without images, at ``lost_rate_hz``."""
    lost_rate_hz: float = 30.0
    """Estimates a second while the cameras are lost, 1..240."""
    max_wait_ns: int = 5_000_000
    """How long a frame waits for device samples as new as itself, so that they need not be
    extrapolated."""

    def __post_init__(self) -> None:
        checked_choice("between_frames", self.between_frames, BETWEEN_FRAMES)
        for name, highest in (("display_rate_hz", 1000.0), ("lost_rate_hz", 240.0)):
            rate_hz = checked_number(name, getattr(self, name), 1.0, highest, "Hz")
            object.__setattr__(self, name, rate_hz)
        for name in ("lead_ns", "cameras_lost_after_ns", "max_wait_ns"):
            object.__setattr__(self, name, check_timestamp_ns(name, getattr(self, name)))
