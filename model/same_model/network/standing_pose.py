"""The pose that a fresh network predicts: a person standing upright, in the left-camera frame."""

import numpy as np
from numpy.typing import NDArray

# World axes (y up, facing -z), metres, a 1.70 m person with arms hanging, floor at y = 0.
_STANDING_WORLD = np.array(
    [
        (0.00, 0.93, 0.00),  # pelvis
        (-0.08, 0.86, 0.00),
        (0.08, 0.86, 0.00),  # hips
        (0.00, 1.04, 0.02),  # spine1
        (-0.09, 0.48, 0.00),
        (0.09, 0.48, 0.00),  # knees
        (0.00, 1.17, 0.02),  # spine2
        (-0.09, 0.08, 0.03),
        (0.09, 0.08, 0.03),  # ankles
        (0.00, 1.23, 0.01),  # spine3
        (-0.11, 0.02, -0.10),
        (0.11, 0.02, -0.10),  # feet
        (0.00, 1.44, 0.03),  # neck
        (-0.08, 1.36, 0.03),
        (0.08, 1.36, 0.03),  # collars
        (0.00, 1.52, 0.00),  # head
        (-0.18, 1.39, 0.03),
        (0.18, 1.39, 0.03),  # shoulders
        (-0.22, 1.13, 0.02),
        (0.22, 1.13, 0.02),  # elbows
        (-0.24, 0.89, -0.06),
        (0.24, 0.89, -0.06),  # wrists
    ]
)

_CAMERA_FROM_HEAD_JOINT = np.array((-0.06, 0.08, -0.07))
_CAMERA_PITCH_DOWN = np.deg2rad(50.0)


def standing_camera_axes() -> NDArray[np.float64]:
    """``R_cam_upright`` (3, 3) of a standing wearer's left camera, which looks forward and 50
    degrees down, as body-facing headset cameras roughly do; upright: x right, y up, z back."""
    sin, cos = np.sin(_CAMERA_PITCH_DOWN), np.cos(_CAMERA_PITCH_DOWN)
    return np.array([(1.0, 0.0, 0.0), (0.0, -cos, sin), (0.0, -sin, -cos)])


def standing_joints_upright() -> NDArray[np.float32]:
    """The 22 joints of a standing 1.70 m person: (J, 3) float32 metres from the left camera, axes
    x right, y up, z back.

    The camera sits 0.08 m above, 0.07 m in front of and 0.06 m left of the head joint.
    """
    centre = _STANDING_WORLD[15] + _CAMERA_FROM_HEAD_JOINT
    return (_STANDING_WORLD - centre).astype(np.float32)


def standing_joints_cam_left() -> NDArray[np.float32]:
    """``standing_joints_upright`` in the left-camera frame: (J, 3) float32 metres."""
    return (standing_joints_upright() @ standing_camera_axes().T).astype(np.float32)
