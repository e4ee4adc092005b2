"""Does the exported bundle compute what the PyTorch model computes?

Every stage is fed the same inputs on both sides, and a whole stream is run frame by frame
through the bundle's engine and in one offline pass through PyTorch.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray

from same_engines import Bundle, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.errors import ExportError
from same_export.stages import FusionFrame, InertialFrame, TemporalFrame, VisualFrame
from same_model.same_network import SameModel
from same_runtime.camera import CameraRig

STREAM_FRAMES: Final = 40
TOLERANCE: Final = {"fp32": 1e-4, "fp16": 3e-2}
"""Largest difference over an output's largest magnitude. Half precision is compared with the
float32 model, so its figure is the cost of the precision, not an error of the export."""

_FRAMES = {
    "visual": VisualFrame,
    "inertial": InertialFrame,
    "fusion": FusionFrame,
    "temporal": TemporalFrame,
}


_PER_RIG = ("rays", "origins", "axes")


@dataclass(frozen=True)
class Parity:
    """Differences between a bundle's graphs and PyTorch (float32)."""

    stages: dict[str, float]
    """Stage -> largest difference relative to the output's largest magnitude."""
    stream_max_m: float
    """Largest joint distance over the stream, metres."""
    stream_frames: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values for the manifest."""
        return {
            "stages_max_relative": self.stages,
            "stream_max_m": self.stream_max_m,
            "stream_frames": self.stream_frames,
        }


def check_parity(bundle: Bundle, model: SameModel, rig: CameraRig, precision: str) -> Parity:
    """Compare ``bundle``'s graphs of one precision with ``model`` on made-up, plausible input.

    Raises ``ExportError`` when a difference exceeds ``TOLERANCE``.
    """
    tolerance = TOLERANCE[precision]
    stream = _made_up_stream(model, rig)
    with torch.no_grad():
        stages = _compare_stages(bundle, model, precision, stream)
        stream_max_m = _compare_stream(bundle, model, precision, stream)
    for stage, difference in stages.items():
        if not difference <= tolerance:
            raise ExportError(
                f"{precision} {stage}: differs from PyTorch by {difference:.2e} of full scale, "
                f"{tolerance:.0e} is allowed; the export is not written"
            )
    if not stream_max_m <= tolerance:
        raise ExportError(
            f"{precision} stream: joints differ from PyTorch by up to {stream_max_m:.2e} m, "
            f"{tolerance:.0e} m is allowed; the export is not written"
        )
    return Parity(stages, stream_max_m, STREAM_FRAMES)


def _made_up_stream(model: SameModel, rig: CameraRig) -> dict[str, NDArray[np.float32]]:
    """Inputs of ``STREAM_FRAMES`` frames: smooth random images and sensors, a moving head."""
    config = model.config
    random = np.random.default_rng(0)
    frames, window = STREAM_FRAMES, config.window
    coarse = random.normal(size=(frames, 2, 1, config.input_height // 8, config.input_width // 8))
    images = np.kron(coarse, np.ones((8, 8)))
    images += 0.3 * random.normal(size=images.shape)
    rays, origins, axes = rig.ray_map(
        config.feature_width, config.feature_height, config.depth_mode, *config.zooms
    )
    T = np.broadcast_to(np.eye(4), (frames, window, 4, 4)).copy()
    T[..., :3, :3] = np.diag([1.0, -1.0, -1.0])
    T[..., :3, 3] = (0.0, 1.6, 0.0) + 0.02 * np.cumsum(random.normal(size=(window, 3)), axis=0)
    offsets = np.broadcast_to(np.arange(1 - window, 1) / 30.0, (frames, window)).copy()
    valid = np.arange(window)[None, :] >= window - 1 - np.arange(frames)[:, None]
    T[~valid] = np.eye(4)
    offsets[~valid] = 0.0
    imu_features = 0.5 * random.normal(size=(frames, 5, 16))
    imu_features[:, 0, :3] /= np.linalg.norm(imu_features[:, 0, :3], axis=-1, keepdims=True)
    imu_features[..., 15] = 1.0
    made_up = {
        "images": images,
        "view_valid": np.ones((frames, 2)),
        "imu_features": imu_features,
        "rays": rays,
        "origins": origins,
        "axes": axes,
        "T_anchor_cam": T,
        "time_offset_s": offsets,
        "window_valid": valid,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in made_up.items()}


def _compare_stages(
    bundle: Bundle, model: SameModel, precision: str, stream: dict[str, NDArray[np.float32]]
) -> dict[str, float]:
    """Run the stream's last frame through each stage on both sides, fed with PyTorch's tensors."""
    tensors = {
        name: torch.from_numpy(value if name in _PER_RIG else value[-1])
        for name, value in stream.items()
    }
    worst: dict[str, float] = {}
    for stage in STAGES:
        spec = bundle.graph(precision, stage)
        for tensor in spec.inputs:
            tensors.setdefault(tensor.name, torch.zeros(tensor.shape))
        expected = _FRAMES[stage](model)(*(tensors[tensor.name] for tensor in spec.inputs))
        session = ort.InferenceSession(
            bundle.graph_bytes(precision, stage), providers=["CPUExecutionProvider"]
        )
        feeds = {tensor.name: tensors[tensor.name].numpy() for tensor in spec.inputs}
        came = session.run(
            [tensor.name for tensor in spec.outputs],
            {tensor.name: feeds[tensor.name].astype(tensor.dtype) for tensor in spec.inputs},
        )
        worst[stage] = max(map(_relative_difference, came, expected))
        for tensor, value in zip(spec.outputs, expected, strict=True):
            tensors[tensor.name] = value
    return worst


def _relative_difference(came: NDArray[np.floating], expected: torch.Tensor) -> float:
    reference = expected.numpy()
    difference = np.abs(came.astype(np.float32) - reference).max()
    return float(difference / max(np.abs(reference).max(), 1e-6))


def _compare_stream(
    bundle: Bundle, model: SameModel, precision: str, stream: dict[str, NDArray[np.float32]]
) -> float:
    tensors: dict[str, Any] = {name: torch.from_numpy(value) for name, value in stream.items()}
    if model.config.depth_mode != "z":
        tensors["axes"] = None
    expected = model.forward_sequence(**tensors).joints_anchor.numpy()
    fed = [name for name in stream if tensors[name] is not None]
    worst = 0.0
    with open_engine(bundle, "onnxruntime", precision) as engine:
        for frame in range(STREAM_FRAMES):
            for name in fed:
                value = stream[name]
                engine.host_input(name)[:] = value if name in _PER_RIG else value[frame]
            for stage in STAGES:
                engine.run(stage)
            difference = engine.host_output("joints_anchor")[-1] - expected[frame]
            worst = max(worst, float(np.linalg.norm(difference, axis=-1).max()))
    return worst
