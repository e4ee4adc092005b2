"""Leg sensors once their straps are known, against what the core makes of them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from tiny_sequence import write_sequence

from same_model.config import PRESETS
from same_model.data.leg_straps import (
    STAND_ERROR_DEG,
    stand_errors,
    stood_turns,
    strap_turns,
    with_straps_measured,
)
from same_model.data.recorded_inputs import read_inputs
from same_model.network.standing_pose import standing_joints_upright
from same_runtime._core import FrameAssembler, Synchroniser
from same_runtime.camera import CameraRig
from same_runtime.conventions import FEATURE_DIM, LEG_TOKENS, NUM_DEVICES

_FRAMES = 9


def _tokens(
    sensors: list[Rotation], straps: list[Rotation], is_told: bool, missing: int | None = None
) -> NDArray[np.float32]:
    """(T, N, 16) by the core, of leg sensors ``sensors`` (T,) whose straps turn them by
    ``straps``, in the head's camera, which looks along the world's axes."""
    assembler, synchroniser = FrameAssembler(np.eye(4), 0.0, 4), Synchroniser()
    tokens = np.zeros((_FRAMES, NUM_DEVICES, FEATURE_DIM), np.float32)
    window = (np.zeros((4, 4, 4), np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))
    for frame in range(_FRAMES):
        stamp = 1_000_000_000 + frame * 33_000_000
        for device in range(NUM_DEVICES):
            if device < 3:
                synchroniser.push_pose(device, stamp, [0.1, 1.5, 0.2], [0, 0, 0, 1])
            elif device != missing:
                worn = (sensors[frame] * straps[device - 3]).as_quat()
                synchroniser.push_leg(device, stamp, worn, [0.1, 0.2, 0.3])
        states = synchroniser.lookup(stamp)
        assert not states.straps_measured
        states.straps_measured = is_told
        assert assembler.assemble(stamp, states, tokens[frame], *window)
    return tokens


def _sensors() -> list[Rotation]:
    return [Rotation.from_rotvec([0.1 * frame, 0.3, -0.05 * frame]) for frame in range(_FRAMES)]


@pytest.mark.parametrize("is_told", [False, True])
@pytest.mark.parametrize("missing", [None, 4])
def test_tokens_are_what_the_core_makes_of_sensors_worn_right(
    is_told: bool, missing: int | None
) -> None:
    straps = [Rotation.from_rotvec([0.2, -0.7, 0.1]), Rotation.from_rotvec([-0.1, 0.9, 0.2])]
    as_worn = _tokens(_sensors(), straps, False, missing)
    turns = np.float32([strap.inv().as_matrix() for strap in straps])
    right = _tokens(_sensors(), [Rotation.identity()] * 2, is_told, missing)
    measured = with_straps_measured(as_worn, turns, is_told)
    np.testing.assert_allclose(measured, right, atol=1e-5)
    assert np.abs(measured - as_worn)[:, 3].max() > 0.1
    assert (measured[:, 3, 12] == is_told).all()


def test_the_turn_is_found_from_the_true_legs_and_makes_a_standing_sensor_look_aside() -> None:
    """Whatever the strap: the sensor of who stands comes out upright, 30 degrees outward."""
    joints = np.repeat(standing_joints_upright()[None], _FRAMES, axis=0)
    straps = [Rotation.from_rotvec([0.2, -0.7, 0.1]), Rotation.from_rotvec([-0.1, 0.9, 0.2])]
    as_worn = _tokens([Rotation.identity()] * _FRAMES, straps, False)
    turns = strap_turns(as_worn, joints, np.array([0, 4, _FRAMES]))
    assert turns.shape == (2, 2, 3, 3)
    measured = with_straps_measured(as_worn, turns[0])
    for leg, outward in enumerate((30.0, -30.0)):
        expected = Rotation.from_euler("y", outward, degrees=True).as_matrix()[:, :2].T.ravel()
        token = measured[:, LEG_TOKENS][:, leg, :6]
        np.testing.assert_allclose(token, np.tile(expected, (_FRAMES, 1)), atol=2e-4)


def test_a_sensor_that_reads_nothing_is_not_turned() -> None:
    tokens = _tokens(_sensors(), [Rotation.identity()] * 2, False, missing=4)
    joints = np.repeat(standing_joints_upright()[None], _FRAMES, axis=0)
    np.testing.assert_array_equal(
        strap_turns(tokens, joints, np.array([0, _FRAMES]))[0, 1], np.eye(3)
    )


def test_stands_err_by_as_much_as_said() -> None:
    errors = stand_errors(4000, np.random.default_rng(0)).reshape(-1, 3, 3)
    spread = Rotation.from_matrix(errors).as_rotvec(degrees=True).std(axis=0)
    assert spread == pytest.approx(np.array(STAND_ERROR_DEG), rel=0.05)


def test_a_recording_has_one_stand(tmp_path: Path, small_rig: CameraRig) -> None:
    found = {}
    for name in ("one", "two"):
        sequence = write_sequence(tmp_path / name, small_rig, 30, seed=1)
        found[name] = stood_turns(sequence)
        np.testing.assert_array_equal(found[name], stood_turns(sequence))
        inputs = read_inputs(sequence, PRESETS["lite"])
        true = strap_turns(inputs.imu_features, inputs.joints_local, np.array([0, 30]))[0]
        off = Rotation.from_matrix(true.swapaxes(1, 2) @ found[name]).magnitude()
        assert (off > np.deg2rad(0.1)).all() and (off < np.deg2rad(30)).all()
    assert np.abs(found["one"] - found["two"]).max() > 0.01
