"""How far the joints' rotations are off, as the skeleton of the runtime solves them."""

import numpy as np
from numpy.typing import NDArray

from same_model.data.sequence import SequenceReader
from same_runtime.pose import Pose, PoseStatus
from same_runtime.skeleton.rotations import SkeletonSolver


def _rotations_world(
    timestamps_ns: NDArray[np.int64],
    joints_world: NDArray[np.float64],
    devices_xyzw: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(F, J, 4) xyzw, T-pose to world."""
    solver = SkeletonSolver()
    rotations = []
    for stamp, joints, devices in zip(timestamps_ns, joints_world, devices_xyzw, strict=True):
        skeleton = solver.solve(
            Pose(
                int(stamp),
                PoseStatus.VALID,
                joints_world=joints,
                device_orientations_world=devices,
            )
        )
        assert skeleton is not None
        rotations.append(skeleton.rotations_world)
    return np.stack(rotations)


def rotation_errors_deg(
    sequence: SequenceReader, frames: NDArray[np.int64], joints_world: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(F, J) angles in degrees between the joints' world rotations that follow from
    ``joints_world`` (F, J, 3) of ``frames`` and those that follow from the truth.

    Both take their twists from the devices as they were sensed, so that only positions differ.
    """
    stamps = np.asarray(sequence.timestamps_ns)[frames]
    devices = np.asarray(sequence.sensed_orientation)[frames].astype(np.float64)
    truth = np.asarray(sequence.joints_world)[frames].astype(np.float64)
    found = _rotations_world(stamps, joints_world.astype(np.float64), devices)
    true = _rotations_world(stamps, truth, devices)
    cosine = np.abs((found * true).sum(axis=-1)).clip(0.0, 1.0)
    return np.asarray(np.degrees(2.0 * np.arccos(cosine)))
