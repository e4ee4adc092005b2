"""The cameras of the tiny bundle."""

import numpy as np

from same_runtime.camera import CameraRig, FisheyeCamera


def make_small_rig() -> CameraRig:
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
