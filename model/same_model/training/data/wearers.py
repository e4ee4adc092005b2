"""The same motion on other wearers: larger or smaller, quicker or slower, sensors strapped on
otherwise. For the inertial stage, which learns the wearers of its recordings by heart.

It changes the tokens of ``same_runtime.conventions.FEATURE_DIM`` to what the core would have made
of such a wearer, whose headset is as much larger and whose frames come as much faster, and the
true joints with them; images would not follow.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.data.leg_straps import stand_errors, turned_sensors, with_straps_measured
from same_model.training.config import AugmentConfig
from same_runtime.conventions import (
    ANGULAR_VELOCITY_SLOTS,
    AXES_SLOTS,
    LEG_DEVICES,
    LEG_TOKENS,
    POSITION_OR_ACCELERATION_SLOTS,
    VELOCITY_SLOTS,
)

_UP, _HEIGHT = slice(0, 3), 3
_LEAST, _MOST = 0.7, 1.4  # times what is recorded: a tail of the normal distribution is nobody


class Wearers(NamedTuple):
    """What is otherwise about B wearers."""

    size: NDArray[np.float32]
    """(B,) times as large."""
    tempo: NDArray[np.float32]
    """(B,) times as quick."""
    straps: NDArray[np.float32]
    """(B, 2, 3, 3) how each leg's sensor is turned, in its own axes."""
    headings_rad: NDArray[np.float32]
    """(B, 2) how far each leg's sensor turns what it reads about the vertical."""


def on_other_wearers(
    features: NDArray[np.float32],
    joints: NDArray[np.float32],
    turns: NDArray[np.float32],
    augment: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``features`` (B, T, N, 16) and ``joints`` (B, T, J, 3) metres of stretches, each on a wearer
    of its own, of whom some have had their straps measured; as they are where ``augment`` asks for
    none. ``turns`` (B, 2, 3, 3): ``strap_turns`` of the recorded wearers. ``rng`` gives afterwards
    what it would have given before."""
    spreads = (augment.body_size, augment.tempo, augment.strap_deg, augment.heading_deg)
    if not any((*spreads, augment.measured_straps)):
        return features, joints
    rng = rng.spawn(1)[0]
    wearers = draw_wearers(len(features), augment, rng)
    features = on_wearers(features, wearers)
    measured = rng.random(len(features)) < augment.measured_straps
    turns = wearers.straps.swapaxes(-1, -2) @ turns @ stand_errors(len(features), rng)
    features[measured] = with_straps_measured(features[measured], turns[measured, None])
    return features, joints * wearers.size[:, None, None, None]


def draw_wearers(count: int, augment: AugmentConfig, rng: np.random.Generator) -> Wearers:
    """``count`` wearers as different as ``augment`` says."""
    legs = len(LEG_DEVICES)
    size, tempo = (
        np.exp(rng.normal(0.0, spread, count)).clip(_LEAST, _MOST).astype(np.float32)
        for spread in (augment.body_size, augment.tempo)
    )
    turns = rng.normal(0.0, np.deg2rad(augment.strap_deg), (count * legs, 3))
    straps = Rotation.from_rotvec(turns).as_matrix().reshape(count, legs, 3, 3)
    headings = np.deg2rad(rng.normal(0.0, augment.heading_deg, (count, legs)))
    return Wearers(size, tempo, straps.astype(np.float32), headings.astype(np.float32))


def on_wearers(features: NDArray[np.float32], wearers: Wearers) -> NDArray[np.float32]:
    """``features`` (B, T, N, 16) of stretches as ``wearers``, one for each, would give them; their
    joints are ``size`` times as far from the camera."""
    features = features.copy()
    features[:, :, LEG_TOKENS] = turned_sensors(features[:, :, LEG_TOKENS], wearers.straps[:, None])
    legs = features[:, :, LEG_TOKENS]
    up, headings = features[:, :, None, 0, _UP], wearers.headings_rad[:, None, :, None]
    places = (*AXES_SLOTS, POSITION_OR_ACCELERATION_SLOTS)
    turned = _about(up, headings, np.stack([legs[..., place] for place in places]))
    for place, vector in zip(places, turned, strict=True):
        legs[..., place] = vector
    size, tempo = (x[:, None, None, None] for x in (wearers.size, wearers.tempo))
    legs[..., POSITION_OR_ACCELERATION_SLOTS] *= tempo**2
    features[:, :, :1, _HEIGHT] *= size[..., 0]
    features[..., POSITION_OR_ACCELERATION_SLOTS] *= size
    features[..., VELOCITY_SLOTS] *= size * tempo
    features[..., ANGULAR_VELOCITY_SLOTS] *= tempo
    return features


def _about(
    up: NDArray[np.float32], angle: NDArray[np.float32], vector: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``vector`` (..., 3) turned by ``angle`` (..., 1) radians about the unit ``up`` (..., 3)."""
    along = up * (up * vector).sum(axis=-1, keepdims=True)
    turned: NDArray[np.float32] = (
        along + np.cos(angle) * (vector - along) + np.sin(angle) * np.cross(up, vector)
    )
    return turned
