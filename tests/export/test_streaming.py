"""The tracker, frame by frame on an exported bundle, gives the poses of the PyTorch network."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from both_readers import change_manifest
from tiny_model import TINY, tiny_model

from same_bench.measuring.made_up_stream import made_up_stream
from same_runtime import SamePoseTracker
from same_runtime._core import FrameAssembler, ImagePreprocessor, Synchroniser
from same_runtime.camera import CameraRig

FRAMES = 110


def offline_world_joints(rig: CameraRig, column_zoom: float, row_zoom: float) -> np.ndarray:
    """The whole recording through PyTorch in one offline pass."""
    config, window = TINY, TINY.window
    synchroniser, assembler = Synchroniser(), FrameAssembler(rig.left.T_head_cam, 0.0, window)
    preprocess = ImagePreprocessor(
        rig.left.height,
        rig.left.width,
        config.input_height,
        config.input_width,
        config.image_mean,
        config.image_std,
        column_zoom,
        row_zoom,
    )
    inputs: dict[str, np.ndarray] = {
        "images": np.zeros((FRAMES, 2, 1, config.input_height, config.input_width), np.float32),
        "view_valid": np.ones((FRAMES, 2), np.float32),
        "imu_features": np.zeros((FRAMES, 5, 16), np.float32),
        "T_anchor_cam": np.zeros((FRAMES, window, 4, 4), np.float32),
        "time_offset_s": np.zeros((FRAMES, window), np.float32),
        "window_valid": np.zeros((FRAMES, window), np.float32),
    }
    anchors = []
    for index, (frame, imu) in enumerate(made_up_stream(rig, FRAMES)):
        for device, pose in enumerate((imu.head, imu.ctrl_left, imu.ctrl_right)):
            synchroniser.push_pose(device, imu.timestamp_ns, pose.position, pose.orientation_xyzw)
        for device, leg in enumerate((imu.leg_left, imu.leg_right), start=3):
            synchroniser.push_leg(device, imu.timestamp_ns, leg.orientation_xyzw, leg.acceleration)
        assert assembler.assemble(
            frame.timestamp_ns,
            synchroniser.lookup(frame.timestamp_ns),
            *(
                inputs[name][index]
                for name in ("imu_features", "T_anchor_cam", "time_offset_s", "window_valid")
            ),
        )
        preprocess(frame.left, inputs["images"][index, 0, 0])
        preprocess(frame.right, inputs["images"][index, 1, 0])
        anchors.append(assembler.T_world_anchor)
    rays, origins, _ = rig.ray_map(
        config.feature_width, config.feature_height, column_zoom=column_zoom, row_zoom=row_zoom
    )
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    with torch.no_grad():
        joints = (
            tiny_model()
            .forward_sequence(
                **tensors, rays=torch.from_numpy(rays), origins=torch.from_numpy(origins), axes=None
            )
            .joints_anchor.numpy()
        )
    T = np.array(anchors)
    return np.einsum("tij,tkj->tki", T[:, :3, :3], joints) + T[:, None, :3, 3]


@pytest.mark.parametrize("zooms", [(1.0, 1.0), (1.8, 1.5)])
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_streaming_equals_one_offline_pass(
    exported_bundle: Path, tmp_path: Path, backend: str, zooms: tuple[float, float]
) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    bundle = Path(shutil.copytree(exported_bundle, tmp_path / "tiny.same"))
    settings = dict(zip(("column_zoom", "row_zoom"), zooms, strict=True))
    change_manifest(bundle, lambda content: content["config"].update(settings))
    with SamePoseTracker(bundle, backend=backend) as tracker:
        assert tracker.backend == backend
        streamed = np.array(
            [tracker.push(*inputs).joints_world for inputs in made_up_stream(tracker.rig, FRAMES)]
        )
    expected = offline_world_joints(tracker.rig, *zooms)
    assert np.linalg.norm(streamed - expected, axis=-1).max() < 1e-4
    assert np.ptp(streamed[:, 20], axis=0).max() > 0.05, "the stream must move"
