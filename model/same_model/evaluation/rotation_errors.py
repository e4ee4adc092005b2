"""Rotation error of each joint: both bodies solved alike, then compared."""

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import NUM_DEVICES, NUM_JOINTS
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rotations import SkeletonSolver


def rotation_errors_deg(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    timestamps_ns: NDArray[np.int64],
    devices: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """(F, 22) degrees between the world rotations that ``SkeletonSolver`` gives for ``predicted``
    and for ``truth``, (F, 22, 3) metres each, in the order of their times.

    ``devices``: (F, 5, 4) xyzw as sensed, zeros where missing; both bodies get them, so that what
    differs is what the joints tell.
    """
    a, b = (_rotations(joints, timestamps_ns, devices) for joints in (predicted, truth))
    cosines = np.abs((a * b).sum(axis=-1))
    return np.asarray(np.rad2deg(2.0 * np.arccos(np.minimum(cosines, 1.0))))


def _rotations(
    joints: NDArray[np.float64],
    timestamps_ns: NDArray[np.int64],
    devices: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    solver = SkeletonSolver()
    rotations = np.tile((0.0, 0.0, 0.0, 1.0), (len(joints), NUM_JOINTS, 1))
    for frame, places in enumerate(joints):
        turned = np.zeros((NUM_DEVICES, 4)) if devices is None else devices[frame]
        pose = Pose(
            int(timestamps_ns[frame]),
            PoseStatus.VALID,
            joints_world=places,
            device_orientations_world=turned,
        )
        skeleton = solver.solve(pose)
        if skeleton is not None:
            rotations[frame] = skeleton.rotations_world
    return rotations
