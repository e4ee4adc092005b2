import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_model.synth.body.body import make_body
from same_model.synth.motion import procedural
from same_model.synth.motion.clip import Motion
from same_model.synth.motion.restyle import restyled
from same_model.synth.motion.retarget import retarget
from same_runtime.conventions import JOINT_NAMES


@pytest.fixture(scope="module")
def squat() -> Motion:
    return procedural.make_motion(np.random.default_rng(1), "squat", seconds=4.0)


def _restyled(motion: Motion, seed: int, strength: float = 1.0) -> Motion:
    return restyled(np.random.default_rng(seed), motion, strength)


def test_the_same_numbers_give_the_same_style_and_others_another(squat: Motion) -> None:
    one, same, other = (_restyled(squat, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.rotations_xyzw, same.rotations_xyzw)
    assert np.abs(one.rotations_xyzw - other.rotations_xyzw).max() > 0.05


def test_poses_change_by_degrees_and_stay_rotations(squat: Motion) -> None:
    new = _restyled(squat, 3)
    np.testing.assert_allclose(np.linalg.norm(new.rotations_xyzw, axis=-1), 1.0, atol=1e-9)
    knee = JOINT_NAMES.index("left_knee")
    turned = Rotation.from_quat(squat.rotations_xyzw[:, knee]).inv() * Rotation.from_quat(
        new.rotations_xyzw[:, knee]
    )
    assert 3.0 < np.rad2deg(turned.magnitude()).mean() < 60.0


def test_no_strength_leaves_the_poses(squat: Motion) -> None:
    new = _restyled(squat, 3, strength=0.0)
    turned = Rotation.from_quat(squat.rotations_xyzw.reshape(-1, 4)).inv() * Rotation.from_quat(
        new.rotations_xyzw.reshape(-1, 4)
    )
    assert turned.magnitude().max() < 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_the_lower_foot_keeps_to_the_floor(squat: Motion, seed: int) -> None:
    worn = retarget(_restyled(squat, seed), make_body(np.zeros(12)))
    feet = [JOINT_NAMES.index(f"{side}_foot") for side in ("left", "right")]
    lowest = worn.joints[:, feet, 1].min(axis=1)
    assert np.percentile(lowest, 95) - np.percentile(lowest, 5) < 0.06
    assert lowest.min() > 0.0


def test_motion_stays_as_smooth_as_bodies_move(squat: Motion) -> None:
    new = _restyled(squat, 3)
    speed = np.gradient(new.hips_m, axis=0) * new.fps
    assert np.abs(speed).max() < 4.0
    cosine = np.abs((new.rotations_xyzw[1:] * new.rotations_xyzw[:-1]).sum(-1)).clip(0, 1)
    assert np.rad2deg(2 * np.arccos(cosine)).max() * new.fps < 1200.0
