"""Other wearers of a motion, against what the core makes of such a wearer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp
from tiny_model import tiny_model
from tiny_sequence import write_sequence

from same_model.loss_config import LossConfig
from same_model.training.config import AugmentConfig
from same_model.training.data.dataset import load_frames
from same_model.training.data.wearers import Wearers, draw_wearers, on_other_wearers, on_wearers
from same_model.training.run_state import LATER_AUGMENT_FIELDS
from same_model.training.stages.end_to_end import EndToEndTraining
from same_model.training.stages.inertial import InertialTraining, every_other_measured
from same_model.training.stages.stage import StageSetup
from same_runtime._core import FrameAssembler, Synchroniser
from same_runtime.camera import CameraRig
from same_runtime.conventions import FEATURE_DIM, NUM_DEVICES

_FRAMES, _STEP_NS = 12, 33_000_000
_UP = np.array([0.0, 1.0, 0.0])
_STILL = AugmentConfig(**LATER_AUGMENT_FIELDS)
_NO_TURN = np.tile(np.eye(3, dtype=np.float32), (1, 2, 1, 1))


def _tokens(
    size: float, tempo: float, straps: list[Rotation], headings_rad: tuple[float, float]
) -> NDArray[np.float32]:
    """(T, N, 16) of the same made-up motion, by the core: the headset as much larger, and
    frames as much faster."""
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


def test_a_device_that_is_lost_stays_lost_and_the_others_change() -> None:
    tokens = np.stack([_tokens(1.0, 1.0, [Rotation.identity()] * 2, (0.0, 0.0))] * 3)
    tokens[:, 3:6, 1] = tokens[:, 2:9, 4] = 0.0
    changed = on_wearers(tokens, draw_wearers(3, AugmentConfig(), np.random.default_rng(0)))
    assert not changed[:, 3:6, 1].any() and not changed[:, 2:9, 4].any()
    np.testing.assert_array_equal(changed[..., 15], tokens[..., 15])
    for device in range(NUM_DEVICES):
        assert np.abs(changed[:, 10, device] - tokens[:, 10, device]).max() > 1e-3


def test_wearers_differ_by_as_much_as_asked() -> None:
    augment = AugmentConfig(body_size=0.05, tempo=0.1, strap_deg=3.0, heading_deg=2.0)
    wearers = draw_wearers(4000, augment, np.random.default_rng(1))
    assert np.log(wearers.size).std() == pytest.approx(0.05, rel=0.05)
    assert np.log(wearers.tempo).std() == pytest.approx(0.1, rel=0.05)
    turns = Rotation.from_matrix(wearers.straps.reshape(-1, 3, 3)).as_rotvec(degrees=True)
    assert turns.std(axis=0) == pytest.approx(np.full(3, 3.0), rel=0.05)
    assert np.rad2deg(wearers.headings_rad).std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("strength", "changes"),
    [
        ("body_size", [(0, 3), (0, 12), (1, 9), (1, 12), (3, 9)]),
        ("tempo", [(0, 6), (0, 12), (1, 6), (1, 12), (3, 6), (3, 9)]),
        ("strap_deg", [(3, 0), (3, 3), (3, 6)]),
        ("heading_deg", [(3, 0), (3, 3), (3, 9)]),
        ("measured_straps", [(3, 0), (3, 3), (3, 6), (3, 12)]),
    ],
)
def test_each_strength_changes_its_own(strength: str, changes: list[tuple[int, int]]) -> None:
    """``changes``: devices of the left-hand side and the first slots of what changes."""
    strengths = {"body_size": 0.1, "tempo": 0.1, "measured_straps": 1.0}
    alone = replace(_STILL, **{strength: strengths.get(strength, 5.0)})
    tokens = _tokens(1.0, 1.0, [Rotation.identity()] * 2, (0.0, 0.0))[None]
    joints = np.ones((1, _FRAMES, 22, 3), np.float32)
    changed, moved = on_other_wearers(tokens, joints, _NO_TURN, alone, np.random.default_rng(3))
    differs = np.abs(changed - tokens).max(axis=(0, 1)) > 1e-5
    firsts = {(d, first) for d in (0, 1, 3) for first in (0, 3, 6, 9, 12) if differs[d, first]}
    assert firsts == set(changes)
    assert (strength == "body_size") == (not np.array_equal(moved, joints))


def test_no_strength_leaves_a_batch_and_its_generator_as_they_were() -> None:
    tokens = _tokens(1.0, 1.0, [Rotation.identity()] * 2, (0.0, 0.0))[None]
    joints = np.ones((1, _FRAMES, 22, 3), np.float32)
    for augment in (_STILL, AugmentConfig()):
        rng = np.random.default_rng(4)
        changed, moved = on_other_wearers(tokens, joints, _NO_TURN, augment, rng)
        assert rng.random() == np.random.default_rng(4).random()
        is_same = np.array_equal(changed, tokens) and np.array_equal(moved, joints)
        assert is_same == (augment is _STILL)


def test_straps_are_measured_of_the_wearer_that_it_is_now() -> None:
    """However the strap was turned since, the sensor comes out as one worn right, but for what
    a stand leaves."""
    as_worn = _tokens(1.0, 1.0, [Rotation.from_rotvec([0.2, -0.5, 0.1])] * 2, (0.0, 0.0))
    right = _tokens(1.0, 1.0, [Rotation.identity()] * 2, (0.0, 0.0))
    turn = Rotation.from_rotvec([0.2, -0.5, 0.1]).inv().as_matrix()
    count = 400
    tokens, turns = np.stack([as_worn] * count), np.tile(np.float32(turn), (count, 2, 1, 1))
    joints = np.ones((count, _FRAMES, 22, 3), np.float32)
    augment = replace(_STILL, strap_deg=20.0, measured_straps=0.5)
    changed, _ = on_other_wearers(tokens, joints, turns, augment, np.random.default_rng(7))
    told = changed[:, :, 3:, 12] == 1
    assert told.all(axis=(1, 2)).sum() + (~told).all(axis=(1, 2)).sum() == count
    measured = told.all(axis=(1, 2))
    assert 0.4 < measured.mean() < 0.6
    apart_deg = np.rad2deg(np.linalg.norm(changed[:, 0, 3:, 3:6] - right[0, 3:, 3:6], axis=-1))
    assert 2 < apart_deg[measured].mean() < 7 and apart_deg[~measured].mean() > 20


def test_readings_and_truth_grow_together(tmp_path: Path, small_rig: CameraRig) -> None:
    model = tiny_model()
    recordings = [write_sequence(tmp_path / str(i), small_rig, 60, seed=i) for i in range(2)]
    frames = load_frames(recordings, model.config, False, "test")
    still = replace(_STILL, imu_noise=0.0, time_offset_s=0.0, device_dropout=0.0)
    both = (replace(still, body_size=0.1), still)
    setups = (StageSetup(model, frames, None, 8, 16, one, LossConfig()) for one in both)
    larger, plain = (InertialTraining(s).make_batch(np.random.default_rng(6)) for s in setups)
    height = larger["imu_features"][:, :, 0, 3] / plain["imu_features"][:, :, 0, 3]
    ratio = (larger["joints_local"] / plain["joints_local"])[..., 0, 2]
    torch.testing.assert_close(ratio, height, rtol=1e-3, atol=1e-3)
    assert height.std() > 0.03


def test_stages_behind_see_every_other_recording_with_measured_straps(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    """Once each in two versions; the end-to-end stage of half of its windows."""
    recordings = [write_sequence(tmp_path / str(i), small_rig, 40, seed=i) for i in range(3)]
    model = tiny_model()
    frames = load_frames(recordings, model.config, True, "test")
    versions = np.stack([frames.imu_features] * 2)
    measured = every_other_measured(versions, frames, np.random.default_rng(1))
    told = measured[..., 3:, 12].max(axis=-1) > 0
    ever = versions[..., 3:, 15].max(axis=-1) > 0
    first = frames.sequence_of % 2 == 1
    np.testing.assert_array_equal(told, np.stack([first, ~first]) & ever)
    np.testing.assert_array_equal(measured[~told], versions[~told])
    for change, share in (({}, 0.5), ({"use_leg_straps": False}, 0.0)):
        setup = StageSetup(tiny_model(**change), frames, None, 64, 20, _STILL, LossConfig())
        batch = EndToEndTraining(setup).make_batch(np.random.default_rng(2))
        said = batch["imu_features"][:, :, 3:, 12].amax(dim=(1, 2))
        assert float(said.mean()) == pytest.approx(share, abs=0.2)
