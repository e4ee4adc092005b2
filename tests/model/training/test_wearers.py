"""Other wearers of a motion, against what the core makes of such a wearer."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from same_model.training.config import AugmentConfig
from same_model.training.data.wearers import Wearers, draw_wearers, on_wearers
from same_runtime._core import FrameAssembler, Synchroniser
from same_runtime.conventions import FEATURE_DIM, NUM_DEVICES

_FRAMES, _STEP_NS = 12, 33_000_000
_UP = np.array([0.0, 1.0, 0.0])


def _tokens(
    size: float, tempo: float, straps: list[Rotation], headings_rad: tuple[float, float]
) -> NDArray[np.float32]:
    """(T, N, 16) of the same made-up motion, by the core."""
    rng = np.random.default_rng(5)
    times = np.arange(_FRAMES)
    knots = [0, 6, _FRAMES - 1]
    turns = [Slerp(knots, Rotation.random(3, random_state=rng))(times) for _ in range(NUM_DEVICES)]
    vectors = rng.normal(0.0, 1.0, (NUM_DEVICES, 1, 3)) + 0.1 * np.sin(
        times[:, None] + rng.normal(size=(NUM_DEVICES, 1, 3))
    )
    T_head_cam = np.eye(4)
    T_head_cam[:3, :3] = Rotation.from_euler("xz", [190, 5], degrees=True).as_matrix()
    T_head_cam[:3, 3] = np.array((0.05, -0.04, -0.08)) * size
    assembler, synchroniser = FrameAssembler(T_head_cam, 0.0, 4), Synchroniser()
    tokens = np.zeros((_FRAMES, NUM_DEVICES, FEATURE_DIM), np.float32)
    window = (np.zeros((4, 4, 4), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))
    for frame in times:
        stamp = round(1_000_000_000 + frame * _STEP_NS / tempo)
        for device in range(NUM_DEVICES):
            turn, vector = turns[device][frame], vectors[device, frame] * size
            if device < 3:
                synchroniser.push_pose(device, stamp, vector, turn.as_quat())
                continue
            yaw = Rotation.from_rotvec(headings_rad[device - 3] * _UP)
            sensor = yaw * turn * straps[device - 3]
            force = yaw.apply(vector) * tempo**2
            synchroniser.push_leg(device, stamp, sensor.as_quat(), force)
        assert assembler.assemble(stamp, synchroniser.lookup(stamp), tokens[frame], *window)
    return tokens


def test_tokens_are_what_the_core_makes_of_such_a_wearer() -> None:
    straps = [Rotation.from_rotvec([0.1, -0.2, 0.05]), Rotation.from_rotvec([-0.1, 0.0, 0.15])]
    changes = (
        (1.0, 1.0, [Rotation.identity()] * 2, (0.0, 0.0)),
        (1.12, 0.85, straps, (0.07, -0.11)),
    )
    plain = np.stack([_tokens(*changes[0])] * 2)
    size, tempo = (np.float32([change[i] for change in changes]) for i in range(2))
    turned = np.float32([[strap.as_matrix() for strap in change[2]] for change in changes])
    headings = np.float32([change[3] for change in changes])
    changed = on_wearers(plain, Wearers(size, tempo, turned, headings))
    np.testing.assert_allclose(changed[0], plain[0], atol=1e-6)
    np.testing.assert_allclose(changed[1], _tokens(*changes[1]), rtol=1e-4, atol=1e-4)
    assert np.abs(changed[1] - plain[1]).max() > 0.1


def test_a_device_that_is_lost_stays_lost() -> None:
    wearers = draw_wearers(3, AugmentConfig(), np.random.default_rng(0))
    nothing = np.zeros((3, 4, NUM_DEVICES, FEATURE_DIM), np.float32)
    assert not on_wearers(nothing, wearers).any()


def test_wearers_differ_by_as_much_as_asked() -> None:
    augment = AugmentConfig(body_size=0.05, tempo=0.1, strap_deg=3.0, heading_deg=2.0)
    wearers = draw_wearers(4000, augment, np.random.default_rng(1))
    assert np.log(wearers.size).std() == pytest.approx(0.05, rel=0.05)
    assert np.log(wearers.tempo).std() == pytest.approx(0.1, rel=0.05)
    turns = Rotation.from_matrix(wearers.straps.reshape(-1, 3, 3)).as_rotvec(degrees=True)
    assert turns.std(axis=0) == pytest.approx(np.full(3, 3.0), rel=0.05)
    assert np.rad2deg(wearers.headings_rad).std() == pytest.approx(2.0, rel=0.05)


def test_each_strength_of_zero_switches_its_own_off() -> None:
    still = AugmentConfig(body_size=0.0, tempo=0.0, strap_deg=0.0, heading_deg=0.0)
    features = np.random.default_rng(2).normal(size=(2, 3, NUM_DEVICES, FEATURE_DIM))
    features = features.astype(np.float32)
    features[:, :, 0, :3] /= np.linalg.norm(features[:, :, 0, :3], axis=-1, keepdims=True)
    wearers = draw_wearers(2, still, np.random.default_rng(3))
    np.testing.assert_allclose(on_wearers(features, wearers), features, atol=1e-6)
