"""Every hyper-parameter of the network in one frozen dataclass, and the presets."""

import math
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final

from same_engines.bundle.config import BEFORE_IT_WAS_A_FIELD, CHOICES
from same_engines.errors import CheckpointError, InvalidInputError
from same_engines.field_checks import check_ranges
from same_engines.json_values import real_number
from same_runtime.conventions import FEATURE_STRIDE, NUM_JOINTS, WINDOW

ZOOMS: Final = (1.0, 4.0)
"""Least and most ``column_zoom`` and ``row_zoom``."""
# Bounds keep a damaged or hostile configuration from building without end.
_LARGEST_WIDTH: Final = 8192
_LARGEST: Final = {
    "input_width": 4096,
    "input_height": 4096,
    "iterations": 64,
    "mmf_layers": 64,
    "inertial_blocks": 64,
    "ttn_layers": 64,
}

_CHOICES: Final = {
    **CHOICES,
    "backbone": ("resnet10", "resnet18", "resnet50"),
    "pe_weighting": ("attention", "sum"),
    "fusion_kind": ("same", "concat_lstm"),
}
_BEFORE_IT_WAS_A_FIELD: Final = {**BEFORE_IT_WAS_A_FIELD, "use_joint_filter": False}
"""What checkpoints from before a field's time were trained with."""


def _check_value(name: str, expected: object, value: Any) -> None:
    """Raise ``InvalidInputError`` where field ``name`` cannot be ``value`` by itself."""
    if type(value) is not expected:
        raise InvalidInputError(
            f"{name}: expected {getattr(expected, '__name__', expected)}, got {value!r}"
        )
    largest = _LARGEST.get(name, _LARGEST_WIDTH)
    if expected is int and not 1 <= value <= largest:
        raise InvalidInputError(f"{name}: expected 1 to {largest}, got {value}")
    if expected is float and not math.isfinite(value):
        raise InvalidInputError(f"{name}: expected a finite number, got {value}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise InvalidInputError(
            f"{name}: expected one of {', '.join(_CHOICES[name])}, got {value!r}"
        )


@dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters of ``SameModel``; the defaults are the ``lite`` preset.

    Raises ``InvalidInputError`` for a value out of range or widths that do not divide by
    their heads.
    """

    preset: str = "lite"
    """Name under which checkpoints and bundles report this configuration."""
    input_width: int = 160
    """Width of one eye's network input, pixels; a multiple of 4."""
    input_height: int = 120
    """Height of one eye's network input, pixels; a multiple of 4."""
    column_zoom: float = 1.0
    """How much denser than evenly spaced the columns of the image's middle are, where legs and feet
    are, 1 to 4; those at the sides are sparser for it."""
    row_zoom: float = 1.0
    """The same of its rows."""
    image_mean: float = 0.5
    """Subtracted from pixel / 255."""
    image_std: float = 0.25
    """Divides the centred pixel."""
    backbone: str = "resnet10"
    """``resnet10`` (one block a layer), ``resnet18`` or ``resnet50``."""
    backbone_width: float = 0.5
    """Multiplier of the backbone's channel counts."""
    feature_dim: int = 64
    """D: channels of the feature map, of the queries and of the inertial tokens."""
    iterations: int = 2
    """N: rounds of multi-view and multi-modal fusion."""
    mmf_layers: int = 2
    """M: layers of each multi-modal fusion."""
    mmf_heads: int = 4
    """Attention heads of the multi-modal fusion and of the self-attention over joints."""
    fusion_ffn_dim: int = 128
    """Hidden width of the feed-forward networks in fusion."""
    sampling_heads: int = 4
    """M_a of Eq. 3."""
    sampling_points: int = 8
    """K_s of Eq. 3: points per head."""
    shell_points: int = 8
    """N_s: 3D points along each viewing ray."""
    shell_half_depth_m: float = 0.2
    """delta: half thickness of the sampled shell, metres; about 1.8 x the foot error of the
    inertial branch."""
    pe_hidden: int = 32
    """H: hidden width of the MLP of Eq. 4."""
    confidence_threshold: float = 0.3
    """Joints whose visibility in a view is below this are masked in that view (with a ramp of
    0.1 around it). Hidden joints inside an image are trained to 0.5, so they are not."""
    depth_mode: str = "range"
    """``range``: distance along unit rays (defined at any incidence); ``z``: the paper's letter."""
    pe_weighting: str = "attention"
    """Whether A weights f_PE in Eq. 3 (``attention``) or the points are summed (``sum``)."""
    inertial_blocks: int = 2
    """Blocks of {one LSTM per token, Transformer over tokens}."""
    inertial_heads: int = 4
    """Attention heads over the inertial tokens."""
    inertial_ffn_dim: int = 128
    """Hidden width of the feed-forward networks over the inertial tokens."""
    pose_frame: str = "upright"
    """``upright``: the inertial and the fusion stage work in axes that know gravity
    (``network/upright.py``), inside; ``camera``: in the left camera's, as in the paper."""
    window: int = WINDOW
    """T: frames that the temporal stage looks at."""
    ttn_layers: int = 3
    """Layers of the temporal Transformer."""
    ttn_dim: int = 128
    """Width of the temporal Transformer."""
    ttn_heads: int = 8
    """Attention heads of the temporal Transformer."""
    ttn_ffn_dim: int = 256
    """Hidden width of the feed-forward networks of the temporal Transformer."""
    use_joint_embedding: bool = True
    """False: a query knows its joint by the paper's scalar identifier alone, which learns far
    more slowly which image token is its own."""
    use_sa_mvf_pe: bool = True
    """False: deformable attention without the 3D positional embedding (Table 2, SA-MVF)."""
    use_ma_mmf: bool = True
    """False: one key and value projection for both modalities (Table 2, MA-MMF)."""
    use_ttn: bool = True
    """False: no refinement in the global frame (Table 2, TTN)."""
    use_joint_filter: bool = True
    """False: the temporal network reads joints as fusion gives them, as in the paper, and not after
    a linear filter over each joint's past (``network/joint_filter.py``), nor are windows left alone
    that do not shake (``network/shaking.py``)."""
    use_imu_filter: bool = True
    """False: the filter is over fusion's joints alone, and not also over the inertial stage's,
    whose motion is steadier. False wherever ``use_joint_filter``, ``use_ttn`` or ``use_imu`` is."""
    use_leg_straps: bool = True
    """False: the inertial stage does not know whether leg straps were measured, and makes little of
    it. False wherever ``use_imu`` is."""
    use_imu: bool = True
    """False: inertial tokens are zero and the first pose is a learned constant (Table 3)."""
    use_left: bool = True
    """False: the left view counts as missing (Table 3)."""
    use_right: bool = True
    """False: the right view counts as missing (Table 3)."""
    fusion_kind: str = "same"
    """``same``: the paper's fusion; ``concat_lstm``: the features concatenated and an LSTM over
    time, after MEPoser (Table 1), which ignores every switch and size of the fusion above."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, real_number(field.name, value))
            else:
                _check_value(field.name, field.type, value)
        if not (self.use_joint_filter and self.use_ttn and self.use_imu):
            object.__setattr__(self, "use_imu_filter", False)
        if not self.use_imu:
            object.__setattr__(self, "use_leg_straps", False)
        for name in ("input_width", "input_height"):
            if getattr(self, name) % FEATURE_STRIDE:
                raise InvalidInputError(
                    f"{name}: expected a multiple of {FEATURE_STRIDE}, got {getattr(self, name)}"
                )
        if self.fusion_kind == "concat_lstm" and not (
            self.use_imu and self.use_left and self.use_right
        ):
            raise InvalidInputError(
                "fusion_kind: concat_lstm takes every modality; expected use_imu, use_left and "
                "use_right"
            )
        for name in ("image_std", "shell_half_depth_m"):
            if getattr(self, name) <= 0:
                raise InvalidInputError(f"{name}: expected more than 0, got {getattr(self, name)}")
        check_ranges(self, column_zoom=ZOOMS, row_zoom=ZOOMS)
        if not 0 < self.backbone_width <= 4:
            raise InvalidInputError(
                f"backbone_width: expected a value in (0, 4], got {self.backbone_width}"
            )
        if not 0 <= self.confidence_threshold < 1:
            raise InvalidInputError(
                f"confidence_threshold: expected a value in [0, 1), got {self.confidence_threshold}"
            )
        for width, heads in (
            ("feature_dim", "mmf_heads"),
            ("feature_dim", "sampling_heads"),
            ("feature_dim", "inertial_heads"),
            ("ttn_dim", "ttn_heads"),
        ):
            if getattr(self, width) % getattr(self, heads):
                raise InvalidInputError(
                    f"{width}: expected a multiple of {heads} = {getattr(self, heads)}, "
                    f"got {getattr(self, width)}"
                )

    @property
    def uses_images(self) -> bool:
        """Whether what it makes depends on the images."""
        return self.use_left or self.use_right

    @property
    def zooms(self) -> tuple[float, float]:
        """``column_zoom`` and ``row_zoom``, as the core takes them."""
        return self.column_zoom, self.row_zoom

    @property
    def feature_width(self) -> int:
        """Width of the feature map, pixels."""
        return self.input_width // FEATURE_STRIDE

    @property
    def feature_height(self) -> int:
        """Height of the feature map, pixels."""
        return self.input_height // FEATURE_STRIDE

    @property
    def window_points(self) -> int:
        """P: points that the temporal stage's window keeps of a frame: fusion's joints, and with
        ``use_imu_filter`` the inertial stage's after them."""
        return NUM_JOINTS * (2 if self.use_imu_filter else 1)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> "ModelConfig":
        """Rebuild a configuration from ``to_dict``; nothing is guessed.

        Raises ``CheckpointError`` for a missing or unknown field or an invalid value.
        """
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise CheckpointError(f"config: expected a mapping, got {type(values).__name__}")
        values = {**_BEFORE_IT_WAS_A_FIELD, **values}
        names = {field.name for field in fields(cls)}
        for problem, found in (
            ("unknown", values.keys() - names),
            ("missing", names - values.keys()),
        ):
            if found:
                raise CheckpointError(f"config: {problem} field {', '.join(sorted(found))}")
        try:
            return cls(**values)
        except InvalidInputError as error:
            raise CheckpointError(f"config: {error}") from None


PRESETS: Final = MappingProxyType(
    {
        "lite": ModelConfig(),
        "base": ModelConfig(
            preset="base",
            backbone="resnet18",
            input_width=320,
            input_height=240,
            backbone_width=1.0,
            feature_dim=128,
            iterations=3,
            fusion_ffn_dim=256,
            sampling_points=16,
            pe_hidden=64,
            inertial_ffn_dim=256,
            ttn_dim=256,
        ),
        "large": ModelConfig(
            preset="large",
            input_width=640,
            input_height=480,
            backbone="resnet50",
            backbone_width=1.0,
            feature_dim=256,
            iterations=3,
            mmf_layers=3,
            mmf_heads=8,
            fusion_ffn_dim=512,
            sampling_heads=8,
            sampling_points=16,
            pe_hidden=128,
            inertial_heads=8,
            inertial_ffn_dim=512,
            ttn_dim=256,
        ),
    }
)
"""``lite`` (embedded, CPU), ``base`` and ``large`` (GPU)."""
