"""Camera rigs of other headsets than the nominal one, and worse calibrations."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.data.rig import (
    EMHI_CAM_HEAD_M,
    EMHI_CENTRES,
    EMHI_FOCAL,
    EMHI_K,
    EMHI_SIZE,
    TILT_DEG,
    make_camera,
)
from same_runtime.camera import CameraRig


def random_rig(rng: np.random.Generator, width: int, height: int, spread: float = 1.0) -> CameraRig:
    """A headset of another make or size: tilt, baseline, mounting and intrinsics vary.

    ``spread`` scales the variation; 0 gives the nominal rig.
    """
    tilt = TILT_DEG + spread * rng.normal(0.0, 3.0)
    position = np.array(EMHI_CAM_HEAD_M) + spread * rng.normal(0.0, (0.006, 0.005, 0.005))
    focal = EMHI_FOCAL * (1 + spread * rng.normal(0.0, 0.012))
    k1 = EMHI_K[0] + spread * rng.normal(0.0, 0.003)
    cameras = []
    for side in (0, 1):
        centre = np.array(EMHI_CENTRES[side]) + spread * rng.normal(0.0, 3.0, 2)
        twist = Rotation.from_rotvec(spread * rng.normal(0.0, np.deg2rad(0.8), 3))
        own = position + spread * rng.normal(0.0, 0.001, 3)
        cameras.append(
            make_camera(
                side,
                width,
                height,
                tilt_deg=tilt,
                cam_head_m=(float(own[0]), float(own[1]), float(own[2])),
                focal=focal * (1 + spread * rng.normal(0.0, 0.002)),
                centre=(float(centre[0]), float(centre[1])),
                k=(k1, *EMHI_K[1:]),
                twist=twist,
            )
        )
    return CameraRig(*cameras)


def miscalibrated(rng: np.random.Generator, rig: CameraRig) -> CameraRig:
    """The rig as an application would have it: a good calibration, not the truth.

    Errors are those of a careful factory calibration: 0.15 % focal length, 0.4 px centre at
    640x480, 0.1 degrees and 0.5 mm mounting (each one standard deviation).
    """
    cameras = []
    for c in rig.cameras:
        scale = c.width / EMHI_SIZE[0]
        T = c.T_head_cam.copy()
        T[:3, :3] = (
            T[:3, :3] @ Rotation.from_rotvec(rng.normal(0.0, np.deg2rad(0.1), 3)).as_matrix()
        )
        T[:3, 3] += rng.normal(0.0, 0.0005, 3)
        error = 1 + rng.normal(0.0, 0.0015)
        cameras.append(
            replace(
                c,
                fx=c.fx * error,
                fy=c.fy * error,
                cx=c.cx + rng.normal(0.0, 0.4) * scale,
                cy=c.cy + rng.normal(0.0, 0.4) * scale,
                k=(c.k[0] + rng.normal(0.0, 0.0004), *c.k[1:]),
                T_head_cam=T,
            )
        )
    return CameraRig(*cameras)
