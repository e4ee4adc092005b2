"""Leg sensors whose straps were measured, as ``tracker.calibration.start_legs()`` measures them.

A recording shows no stand, so what one would find is taken from the true joints: the turn that
makes a sensor, as worn, read what one worn right would, on average over the recording.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.config import PRESETS
from same_model.data.recorded_inputs import read_inputs
from same_model.data.sequence import SequenceReader
from same_runtime._core import LEG_OUTWARD_RAD
from same_runtime.conventions import (
    ANGULAR_VELOCITY_SLOTS,
    AXES_SLOTS,
    JOINT_NAMES,
    LEG_DEVICES,
    LEG_TOKENS,
    STRAP_MEASURED_SLOT,
    VALID_SLOT,
)

_TOES_OUT_DEG, _SHIN_LEANS_DEG = 8.48, 4.29
"""How who stands has the axes of ``_leg_axes``, as in ``network/standing_pose.py``."""
STAND_ERROR_DEG = (3.0, 6.0, 3.0)
"""Spread of what a stand leaves, about the sensor's x, y and z: how people's shins lean and feet
point as they stand upright. Assumed; no recording here has both a stand and true joints."""


def turned_sensors(legs: NDArray[np.float32], turns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leg tokens (..., 2, 16) of sensors that are worn turned by ``turns`` (..., 2, 3, 3), which
    map the axes of a sensor worn so into its own."""
    legs = legs.copy()
    first, second = (legs[..., axis] for axis in AXES_SLOTS)
    axes = np.stack([first, second, np.cross(first, second)], axis=-1) @ turns
    legs[..., AXES_SLOTS[0]], legs[..., AXES_SLOTS[1]] = axes[..., 0], axes[..., 1]
    legs[..., ANGULAR_VELOCITY_SLOTS] = (legs[..., None, ANGULAR_VELOCITY_SLOTS] @ turns)[..., 0, :]
    return legs


def with_straps_measured(
    features: NDArray[np.float32], turns: NDArray[np.float32], is_told: bool = True
) -> NDArray[np.float32]:
    """``features`` (..., N, 16) once the straps' ``turns`` (..., 2, 3, 3) are known; ``is_told``:
    by a network with ``ModelConfig.use_leg_straps``, which is told that they are."""
    features = features.copy()
    legs = turned_sensors(features[..., LEG_TOKENS, :], turns)
    if is_told:
        legs[..., STRAP_MEASURED_SLOT] = legs[..., VALID_SLOT]
    features[..., LEG_TOKENS, :] = legs
    return features


def strap_turns(
    features: NDArray[np.float32], joints_local: NDArray[np.float32], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """From each sequence's leg sensors as worn to ones worn right: (S, 2, 3, 3).

    ``features`` (F, N, 16), ``joints_local`` (F, J, 3) metres in the left camera's frame,
    ``starts`` (S + 1,). No turn where a sensor reads nothing.
    """
    turns = np.tile(np.eye(3, dtype=np.float32), (len(starts) - 1, len(LEG_DEVICES), 1, 1))
    legs = features[:, LEG_TOKENS].astype(np.float64)
    for leg, side in enumerate(("left", "right")):
        right = _leg_axes(joints_local, side) @ _worn_right(side, LEG_OUTWARD_RAD[leg])
        first, second = (legs[:, leg, axis] for axis in AXES_SLOTS)
        worn = np.stack([first, second, np.cross(first, second)], axis=-1)
        is_read = legs[:, leg, VALID_SLOT] > 0
        for sequence, (start, end) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
            rows = np.arange(start, end)[is_read[start:end]]
            if len(rows):
                each = Rotation.from_matrix(worn[rows].swapaxes(1, 2) @ right[rows])
                turns[sequence, leg] = each.mean().as_matrix()
    return turns


def stand_errors(count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """By how much stands misjudge straps (``STAND_ERROR_DEG``), in the axes of a sensor worn right:
    (count, 2, 3, 3)."""
    legs = len(LEG_DEVICES)
    vectors = np.deg2rad(STAND_ERROR_DEG) * rng.normal(size=(count * legs, 3))
    turns: NDArray[np.float32] = Rotation.from_rotvec(vectors).as_matrix().astype(np.float32)
    return turns.reshape(count, legs, 3, 3)


def stood_turns(sequence: SequenceReader) -> NDArray[np.float32]:
    """What a stand of the wearer of ``sequence`` would find: (2, 3, 3); the same each time.

    Raises ``DataError`` as ``read_inputs``.
    """
    inputs = read_inputs(sequence, PRESETS["lite"])
    starts = np.array([0, len(inputs.frames)])
    turns = strap_turns(inputs.imu_features, inputs.joints_local, starts)
    rng = np.random.default_rng(zlib.crc32(sequence.path.name.encode()))
    found: NDArray[np.float32] = (turns @ stand_errors(1, rng))[0]
    return found


def _worn_right(side: str, outward_rad: float) -> NDArray[np.float64]:
    """From a sensor worn right to the axes of its leg, so that it is upright and looks
    ``outward_rad`` aside of ahead while its wearer stands: (3, 3)."""
    toes = _TOES_OUT_DEG if side == "left" else -_TOES_OUT_DEG
    standing = Rotation.from_euler("yx", [toes, -_SHIN_LEANS_DEG], degrees=True)
    outward = Rotation.from_rotvec([0.0, outward_rad, 0.0])
    turn: NDArray[np.float64] = (standing.inv() * outward).as_matrix()
    return turn


def _leg_axes(joints: NDArray[np.float32], side: str) -> NDArray[np.float64]:
    """Axes of a leg in those of ``joints`` (F, J, 3): y up the shin, z away from the toes."""
    knee, ankle, toes = (
        joints[:, JOINT_NAMES.index(f"{side}_{joint}")].astype(np.float64)
        for joint in ("knee", "ankle", "foot")
    )
    up = _unit(knee - ankle)
    back = ankle - toes
    back = _unit(back - up * (back * up).sum(axis=-1, keepdims=True))
    return np.stack([np.cross(up, back), up, back], axis=-1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
