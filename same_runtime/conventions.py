"""Names, orders and layouts that every layer shares; defined here and nowhere else.

World: right-handed, y up, metres (OpenXR STAGE). Cameras: OpenCV axes (x right, y down,
z forward). Head, controllers, legs: OpenXR axes (x right, y up, z backward).
Quaternions: xyzw. Times: int64 nanoseconds on one monotonic clock, a frame's time being
its mid-exposure. ``T_a_b`` maps points of frame b into frame a.
"""

from typing import Final

from same_runtime import _core

JOINT_NAMES: Final[tuple[str, ...]] = _core.JOINT_NAMES
"""The 22 SMPL body joints in SMPL order, from ``pelvis`` to ``right_wrist``."""

JOINT_PARENTS: Final[tuple[int, ...]] = _core.JOINT_PARENTS
"""Index of each joint's parent; -1 for the root."""

NUM_JOINTS: Final = len(JOINT_NAMES)

LOWER_BODY_JOINTS: Final = (0, 1, 2, 4, 5, 7, 8, 10, 11)
UPPER_BODY_JOINTS: Final = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)

VIEWS: Final = ("left", "right")
NUM_VIEWS: Final = len(VIEWS)

DEVICES: Final[tuple[str, ...]] = _core.DEVICES
"""The five worn devices, head, controllers and legs, in token order; the legs are 3DOF."""

POSE_DEVICES: Final = DEVICES[: _core.NUM_POSE_DEVICES]
LEG_DEVICES: Final = DEVICES[_core.NUM_POSE_DEVICES :]
NUM_DEVICES: Final = len(DEVICES)

FEATURE_STRIDE: Final = 4
"""Network input pixels per feature-map pixel (paper: H/4 x W/4)."""

FEATURE_DIM: Final = _core.FEATURE_DIM
"""Length of one device's inertial feature token (float32, SI units, ``cam_left`` axes):

=======  ===========================  ============================  ==========================
slots    head                         controller                    leg
=======  ===========================  ============================  ==========================
0..5     up in cam_left (3), height   R_cam_ctrl as 6D (first two   R_cam_leg as 6D
         above the floor (m), 0, 0    columns, one after the other)
6..8     angular velocity, rad/s: rotation vector of R_{t-1}^T R_t over dt, R = R_world_device
9..11    0, 0, 0                      position in cam_left (m)      acceleration (m/s^2)
12..14   linear velocity (m/s)        linear velocity (m/s)         straps measured, 0, 0
15       1 when the token is valid, else the whole token is zero
=======  ===========================  ============================  ==========================

``straps measured``: 1 when the sensors read as if worn right, because the straps of both were
measured or given and still sit so (``docs/calibration.md``), and the network can be told
(``ModelConfig.use_leg_straps``); else 0.

Velocities are world velocities turned into ``cam_left`` axes, by differences between
successive frames; they are 0 on a device's first frame, after it was missing, and after a
gap between frames of more than ``MAX_VELOCITY_GAP_NS``.
"""

LEG_TOKENS: Final = slice(len(POSE_DEVICES), NUM_DEVICES)
"""The legs' among the tokens of a frame."""
AXES_SLOTS: Final = (slice(0, 3), slice(3, 6))
"""Of a token, but the head's: the device's first two axes."""
ANGULAR_VELOCITY_SLOTS: Final = slice(6, 9)
POSITION_OR_ACCELERATION_SLOTS: Final = slice(9, 12)
VELOCITY_SLOTS: Final = slice(12, 15)
"""Of the head's and the controllers' tokens."""
STRAP_MEASURED_SLOT: Final = 12
"""Of a leg's token: whether the straps are measured."""
VALID_SLOT: Final = 15
"""Of any token, and its last."""

WINDOW: Final = 32
"""Frames that the temporal stage looks at."""

MAX_VELOCITY_GAP_NS: Final = _core.MAX_VELOCITY_GAP_NS
