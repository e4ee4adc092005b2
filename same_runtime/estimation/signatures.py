"""The tensors that each stage graph reads and writes, derived from the network's sizes.

The exporter writes them so and the tracker, which indexes them frame after frame, opens no bundle
that has others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES, TensorSpec
from same_engines.bundle.signature import check_signature
from same_engines.errors import BundleError
from same_runtime._core import VELOCITY_FRAMES
from same_runtime.conventions import (
    FEATURE_DIM,
    FEATURE_STRIDE,
    JOINT_NAMES,
    NUM_DEVICES,
    NUM_JOINTS,
    NUM_VIEWS,
)

_HALF_TENSORS: Final = ("features",)
"""What may lie between two stages in half precision."""


class NetworkSizes(Protocol):
    """What a network's configuration says of its tensors."""

    @property
    def input_width(self) -> int: ...
    @property
    def input_height(self) -> int: ...
    @property
    def feature_dim(self) -> int: ...
    @property
    def inertial_blocks(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def depth_mode(self) -> str: ...
    @property
    def pose_frame(self) -> str: ...
    @property
    def use_imu_filter(self) -> bool: ...


@dataclass(frozen=True)
class StageSignature:
    """Shapes by name, in the graph's order."""

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]


def newest_rows(window: int) -> int:
    """Rows of the window that the temporal stage gives out: those that the tracker reads."""
    return min(window, VELOCITY_FRAMES)


def stage_signatures(sizes: NetworkSizes) -> dict[str, StageSignature]:
    """What each stage reads and writes in one frame."""
    views, joints, devices = NUM_VIEWS, NUM_JOINTS, NUM_DEVICES
    dim, window = sizes.feature_dim, sizes.window
    height, width = sizes.input_height // FEATURE_STRIDE, sizes.input_width // FEATURE_STRIDE
    state = (sizes.inertial_blocks, devices, dim)
    visual = {
        "features": (views, dim, height, width),
        "joints_2d": (views, joints, 2),
        "visibility": (views, joints),
    }
    inertial = {"joints_imu": (joints, 3), "imu_tokens": (devices, dim)}
    fusion: dict[str, tuple[int, ...]] = {
        **visual,
        "view_valid": (views,),
        **inertial,
        "rays": (views, 3, height, width),
        "origins": (views, 3),
    }
    if sizes.depth_mode == "z":
        fusion["axes"] = (views, 3)
    if sizes.pose_frame == "upright":
        fusion["imu_features"] = (devices, FEATURE_DIM)
    window_joints = (window, joints, 3)
    temporal: dict[str, tuple[int, ...]] = {}
    if sizes.use_imu_filter:
        window_joints = (window, 2 * joints, 3)
        temporal["joints_imu"] = (joints, 3)
    return {
        "visual": StageSignature(
            {"images": (views, 1, sizes.input_height, sizes.input_width)}, visual
        ),
        "inertial": StageSignature(
            {"imu_features": (devices, FEATURE_DIM), "lstm_h": state, "lstm_c": state},
            {**inertial, "lstm_h_next": state, "lstm_c_next": state},
        ),
        "fusion": StageSignature(
            fusion, {"joints_local": (joints, 3), "joint_confidence": (joints,)}
        ),
        "temporal": StageSignature(
            {
                "joints_local": (joints, 3),
                "window_joints": window_joints,
                "T_anchor_cam": (window, 4, 4),
                "time_offset_s": (window,),
                "window_valid": (window,),
                **temporal,
            },
            {
                "joints_anchor": (newest_rows(window), joints, 3),
                "window_joints_next": window_joints,
            },
        ),
    }


def check_bundle(bundle: Bundle, trusted_keys: Sequence[str] | None) -> None:
    """Check everything that can be checked of ``bundle`` before a graph is read: who signed it,
    unless ``trusted_keys`` is None, and its tensors. Raises ``BundleError`` and
    ``InvalidInputError``."""
    if trusted_keys is not None:
        check_signature(bundle, trusted_keys)
    check_signatures(bundle)


def check_signatures(bundle: Bundle) -> None:
    """Raise ``BundleError`` unless ``bundle`` is of the 22 SMPL joints and every graph of it reads
    and writes what its configuration says, float32 but where half precision may be."""
    names = bundle.manifest.joint_names
    if names != JOINT_NAMES:
        raise BundleError(
            f"{bundle.path}: expected the {NUM_JOINTS} SMPL joints, got "
            f"{len(names)}: {', '.join(map(str, names[:3]))}..."
        )
    window = bundle.manifest.config.window
    expected = stage_signatures(bundle.manifest.config)
    for precision, stages in bundle.manifest.graphs.items():
        for stage in STAGES:
            graph = stages[stage]
            for kind, specs, shapes in (
                ("inputs", graph.inputs, expected[stage].inputs),
                ("outputs", graph.outputs, expected[stage].outputs),
            ):
                came = {spec.name: spec.shape for spec in specs}
                every_row = came.get("joints_anchor") == (window, NUM_JOINTS, 3)
                if every_row and "joints_anchor" in shapes:
                    # A bundle of an earlier version, whose temporal stage gives out every row.
                    came["joints_anchor"] = shapes["joints_anchor"]
                if came != shapes or len(specs) != len(shapes):
                    wrong = sorted(dict(came.items() ^ shapes.items()))
                    raise BundleError(
                        f"{bundle.path}: {precision} {stage}: its {kind} do not follow from its "
                        f"configuration: {', '.join(map(repr, wrong)):.200}"
                    )
                for spec in specs:
                    _check_type(bundle, f"{precision} {stage}", spec)


def _check_type(bundle: Bundle, graph: str, spec: TensorSpec) -> None:
    if spec.dtype != "float32" and spec.name not in _HALF_TENSORS:
        raise BundleError(
            f"{bundle.path}: {graph}: expected {spec.name} in float32, got {spec.dtype}"
        )
