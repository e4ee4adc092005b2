"""A made-up but smooth stream of frames and device readings."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime import DevicePose, ImuFrame, LegReading, StereoFrame
from same_runtime.camera import CameraRig

START_NS = 5_000_000_000
FRAME_NS = 33_333_333


def _xyz(*coordinates: float) -> np.ndarray:
    return np.array(coordinates)


def made_up_stream(
    rig: CameraRig, frames: int, seed: int = 0
) -> Iterator[tuple[StereoFrame, ImuFrame]]:
    """Images of drifting blobs and devices that sway; every value finite and in range."""
    random = np.random.default_rng(seed)
    height, width = rig.left.height, rig.left.width
    texture = np.kron(random.integers(0, 255, (height // 8 + 8, width // 8 + 8)), np.ones((8, 8)))
    for index in range(frames):
        timestamp_ns = START_NS + index * FRAME_NS
        t = index / 30.0
        raised = 0.2 * np.sin(3 * t)
        left = texture[index % 60 :, :width][:height].astype(np.uint8)
        right = texture[index % 60 :, 4 : width + 4][:height].astype(np.uint8)

        def turn(*rates: float, t: float = t) -> np.ndarray:
            return Rotation.from_euler("yxz", np.sin(np.multiply(rates, t))).as_quat()

        imu = ImuFrame(
            timestamp_ns,
            head=DevicePose(
                _xyz(0.3 * np.sin(t), 1.6 + 0.02 * np.sin(5 * t), 0.2 * t), turn(0.7, 0.3, 0)
            ),
            ctrl_left=DevicePose(_xyz(-0.3, 1.0 + raised, 0.2 * t - 0.3), turn(2, 1, 1)),
            ctrl_right=DevicePose(_xyz(0.3, 1.0 - raised, 0.2 * t - 0.3), turn(1, 2, 1)),
            leg_left=LegReading(turn(0.5, 3, 0), _xyz(0.0, 3 * np.sin(6 * t), 1.0)),
            leg_right=LegReading(turn(0.5, -3, 0), _xyz(0.0, -3 * np.sin(6 * t), 1.0)),
        )
        yield StereoFrame(timestamp_ns, left, right), imu
