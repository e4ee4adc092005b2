"""Camera rigs: of a file, and like EMHI's."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json
from same_runtime.camera import CameraRig, FisheyeCamera

# From the published EMHI facts: a fit to its 2D joints, and its constant camera <- headset
# translation in camera axes (the headset lies 0.078 m down and 0.071 m behind the camera).
EMHI_SIZE = (640, 480)
EMHI_FOCAL = 231.0
EMHI_CENTRES = ((324.0, 248.0), (318.0, 239.0))
EMHI_CAM_HEAD_M = (0.10, 0.078, -0.071)
EMHI_MAX_INCIDENCE = np.deg2rad(86.0)
# The two coefficients that give the published 157 x 116 degrees over 640 x 480 at 231 px; they
# put the image circle's 86 degrees at 345 px, published as about 340.
EMHI_K = (0.0495, -0.0232, 0.0, 0.0)
TILT_DEG = 68.0
"""Below the headset's forward axis. EMHI does not publish it; this comes nearest to its shares of
joints in front of the cameras (82 %) and inside the images (70 %)."""


def make_camera(
    side: int,
    width: int,
    height: int,
    *,
    tilt_deg: float = TILT_DEG,
    cam_head_m: tuple[float, float, float] = EMHI_CAM_HEAD_M,
    focal: float = EMHI_FOCAL,
    centre: tuple[float, float] | None = None,
    k: tuple[float, float, float, float] = EMHI_K,
    twist: Rotation | None = None,
) -> FisheyeCamera:
    """One camera of an EMHI-like headset.

    ``side``: 0 left, 1 right. ``focal``, ``centre``: pixels at 640x480; scaled to the given
    size. ``cam_head_m``: headset origin in camera axes for the left camera (x mirrored for the
    right). ``twist``: extra rotation of the camera in its own axes.
    """
    sx, sy = width / EMHI_SIZE[0], height / EMHI_SIZE[1]
    cx, cy = centre or EMHI_CENTRES[side]
    tilt = np.deg2rad(tilt_deg)
    forward = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    right = np.array([1.0, 0.0, 0.0])
    R = np.stack([right, np.cross(forward, right), forward], axis=1)
    T = np.eye(4)
    T[:3, 3] = -R @ (np.array(cam_head_m) * (1 if side == 0 else -1, 1, 1))
    T[:3, :3] = R if twist is None else R @ twist.as_matrix()
    return FisheyeCamera(
        width,
        height,
        focal * sx,
        focal * sy,
        (cx + 0.5) * sx - 0.5,
        (cy + 0.5) * sy - 0.5,
        k,
        T,
        float(EMHI_MAX_INCIDENCE),
    )


def emhi_like_rig(width: int = 640, height: int = 480) -> CameraRig:
    """The nominal rig: two 157 x 116 degree fisheye cameras 0.2 m apart, tilted down."""
    return CameraRig(make_camera(0, width, height), make_camera(1, width, height))


_MOST_RIG_BYTES = 1 << 20


def read_rig(path: Path) -> CameraRig:
    """Read a rig file. Raises ``DataError`` naming the file."""
    try:
        return CameraRig.from_dict(parse_json(read_regular(path, _MOST_RIG_BYTES)))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: {error}") from None
