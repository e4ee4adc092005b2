"""What decides the content of a synthetic data set."""

import hashlib
import json
from dataclasses import asdict, dataclass

from same_engines.errors import DataError
from same_runtime.cli.option_types import Flag

_GENERATOR = 2
"""Goes up when the same settings give other recordings, so that no data set is made of both."""

_ALL_SECONDS = 1e6
"""Longer than any clip; meta.json has no way to write an infinite number."""


@dataclass(frozen=True)
class SynthConfig:
    """Everything that decides the content of a data set, besides the motion sources."""

    width: int = 320
    """Image width, pixels."""
    height: int = 240
    """Image height, pixels."""
    supersample: int = 1
    """Pixels rendered per image pixel and axis; 2 smooths small images."""
    fps: float = 30.0
    """Frames per second, 10 to 120."""
    seed: int = 0
    """The same seed gives the same bytes."""
    variants: int = 1
    """Recordings per clip, each with another body, rig, room and clothes; odd ones mirrored."""
    procedural: int = 8
    """Recordings of procedural motion per split and action."""
    max_seconds: float = 60.0
    """Longer stretches of motion are cut."""
    scatter: Flag = False
    """Cut ``max_seconds`` from anywhere in a longer stretch, not its beginning."""
    restyle: float = 0.0
    """How far poses and tempo of training clips are varied; 1: some 18 degrees at the hips, which
    pays for tens of clips, 0.3 for hundreds."""
    splice: float = 0.0
    """Share of training clips that wear the upper body of another training clip, 0 to 1."""
    rig_spread: float = 1.0
    """How far rigs vary around the nominal one; 0: not at all."""
    render: Flag = True
    """Render images; black ones are far faster to make, and the inertial stage needs no others."""
    depth: bool = False
    """Also write depth maps."""

    def __post_init__(self) -> None:
        if self.width < 16 or self.height < 16 or self.width % 4 or self.height % 4:
            raise DataError("width, height: expected multiples of 4, at least 16")
        if self.supersample not in (1, 2):
            raise DataError(f"supersample: expected 1 or 2, got {self.supersample}")
        if not 10 <= self.fps <= 120:
            raise DataError(f"fps: expected 10 to 120, got {self.fps}")
        if self.variants < 1 or self.procedural < 0 or self.seed < 0:
            raise DataError("variants: at least 1; procedural and seed: at least 0")
        if not 0 <= self.restyle <= 3:
            raise DataError(f"restyle: expected 0 to 3, got {self.restyle}")
        if not 0 <= self.splice <= 1:
            raise DataError(f"splice: expected 0 to 1, got {self.splice}")
        if not 1.5 <= self.max_seconds <= _ALL_SECONDS:
            raise DataError(
                f"max_seconds: expected 1.5 to {_ALL_SECONDS:.0f} (which cuts nothing), got "
                f"{self.max_seconds}"
            )
        if not 0 <= self.rig_spread <= 10:
            raise DataError(f"rig_spread: expected 0 to 10, got {self.rig_spread}")

    @property
    def digest(self) -> str:
        """Changes when any field that shapes a recording changes."""
        shaping = {k: v for k, v in asdict(self).items() if k not in ("variants", "procedural")}
        shaping["generator"] = _GENERATOR
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:16]
