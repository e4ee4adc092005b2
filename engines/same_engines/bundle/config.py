"""What the runtime needs to know of a bundle's network, checked and typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from same_engines.errors import InvalidInputError
from same_engines.json_values import real_number, whole_number

CHOICES: Final = {"depth_mode": ("range", "z"), "pose_frame": ("upright", "camera")}
"""Field -> its values."""
_RANGES: Final = {
    "input_width": (8, 2048),
    "input_height": (8, 2048),
    "window": (2, 1024),
    "feature_dim": (1, 4096),
    "inertial_blocks": (1, 64),
}
_ZOOMS: Final = ("column_zoom", "row_zoom")
_LARGEST_IMAGE_NUMBER: Final = 1e3
BEFORE_IT_WAS_A_FIELD: Final = {
    "pose_frame": "camera",
    "column_zoom": 1.0,
    "row_zoom": 1.0,
    "use_imu_filter": False,
    "use_leg_straps": False,
}
"""What networks from before a field's time have."""


@dataclass(frozen=True)
class BundleConfig:
    """The settings of a bundle's network that whoever feeds it needs.

    ``from_dict`` reads them. Raises ``InvalidInputError`` that names the field for a value of
    another type or out of range.
    """

    input_width: int
    """Width of one eye's network input, pixels."""
    input_height: int
    """Height of one eye's network input, pixels."""
    column_zoom: float
    """How much denser than evenly spaced the columns of the image's middle are, 1 to 4; 1 in a
    bundle from before there was a choice. ``cpp/include/same/image_zoom.hpp`` has the formula."""
    row_zoom: float
    """The same of its rows."""
    image_mean: float
    """Subtracted from pixel / 255."""
    image_std: float
    """Divides the centred pixel; more than 0."""
    depth_mode: str
    """``range``: distance along unit rays; ``z``: along the optical axis."""
    window: int
    """Frames that the temporal stage looks at."""
    feature_dim: int
    """Channels of the feature maps and width of the inertial tokens."""
    inertial_blocks: int
    """Blocks of the inertial stage, each with a recurrent state."""
    pose_frame: str
    """``upright``: fusion reads which way is up from the inertial features; ``camera``: it does
    not, nor does a bundle from before there was a choice."""
    use_imu_filter: bool
    """Whether the temporal stage reads the inertial stage's joints too; not in a bundle from before
    there was a choice."""
    use_leg_straps: bool
    """Whether the inertial stage may be told that leg straps were measured; not in a bundle from
    before there was a choice."""
    network: Mapping[str, Any]
    """Every hyper-parameter, these among them, as the network's own configuration reads them."""

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = whole_number(f"config.{name}", getattr(self, name), low, high)
            object.__setattr__(self, name, value)
        for name in (*_ZOOMS, "image_mean", "image_std"):
            number = real_number(f"config.{name}", getattr(self, name), _LARGEST_IMAGE_NUMBER)
            object.__setattr__(self, name, number)
        if self.image_std <= 0:
            raise InvalidInputError(f"config.image_std: expected more than 0, got {self.image_std}")
        for name in _ZOOMS:
            if not 1 <= (zoom := getattr(self, name)) <= 4:
                raise InvalidInputError(f"config.{name}: expected 1 to 4, got {zoom}")
        for name, choices in CHOICES.items():
            if (chosen := getattr(self, name)) not in choices:
                raise InvalidInputError(
                    f"config.{name}: expected one of {choices}, got {chosen!r:.40}"
                )
        for name in ("use_imu_filter", "use_leg_straps"):
            if type(flag := getattr(self, name)) is not bool:
                raise InvalidInputError(f"config.{name}: expected true or false, got {flag!r:.40}")

    @classmethod
    def from_dict(cls, network: object) -> "BundleConfig":
        """Read the settings out of every hyper-parameter. Raises ``InvalidInputError``."""
        if not isinstance(network, dict):
            raise InvalidInputError(f"config: expected an object, got {type(network).__name__}")
        names = cls.__dataclass_fields__.keys() - {"network"}
        settings = {**BEFORE_IT_WAS_A_FIELD, **network}
        missing = sorted(names - settings.keys())
        if missing:
            raise InvalidInputError(f"config: missing fields {missing}")
        return cls(**{name: settings[name] for name in names}, network=network)
