"""Fixtures that several test folders share."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from same_runtime.camera import CameraRig, FisheyeCamera

REPO_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real motion and headset data beside the checkout; skips where it is absent."""
    folder = REPO_ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared data beside this checkout")
    return folder


@pytest.fixture(scope="session")
def small_rig() -> CameraRig:
    """A 128x96 rig that looks down and forward."""

    def camera(x: float) -> FisheyeCamera:
        tilt = np.deg2rad(-40.0)
        T_head_cam = np.eye(4)
        T_head_cam[:3, :3] = [
            [1.0, 0.0, 0.0],
            [0.0, -np.cos(tilt), np.sin(tilt)],
            [0.0, -np.sin(tilt), -np.cos(tilt)],
        ]
        T_head_cam[:3, 3] = (x, -0.05, -0.07)
        return FisheyeCamera(128, 96, 46.0, 46.0, 64.1, 48.9, (0.02, -0.01, 0, 0), T_head_cam)

    return CameraRig(camera(-0.1), camera(0.1))


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, small_rig: CameraRig) -> Path:
    """A bundle of the tiny network with both precisions; copy it before changing it."""
    from tiny_model import tiny_model

    from same_export.write_bundle import write_bundle

    folder = tmp_path_factory.mktemp("bundle") / "tiny.same"
    write_bundle(tiny_model(), "0" * 64, small_rig, folder)
    return folder


@pytest.fixture(scope="session")
def npu_bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle compiled for XR2 Gen 2 with few frames; copy it before changing it."""
    from npu import needs_qnn

    needs_qnn()
    from same_engines import Bundle
    from same_export.qnn.build import build_and_write
    from same_runtime.demo import demo_recording
    from same_runtime.recording import Recording

    folder = tmp_path_factory.mktemp("npu") / "tiny.same"
    shutil.copytree(tiny_bundle, folder)
    build_and_write(
        Bundle.open(folder), "qnn-xr2gen2", Recording(demo_recording()),
        check_frames=2, calibration_frames=4,
    )  # fmt: skip
    return folder
