"""What training takes from the devices' readings."""

import numpy as np
import pytest

from same_model.training.config import AugmentConfig
from same_model.training.data.augment import drop_devices, jitter_devices
from same_runtime.conventions import FEATURE_DIM, LEG_DEVICES, NUM_DEVICES


def _lost(chance: float) -> np.ndarray:
    features = np.ones((2000, 60, NUM_DEVICES, FEATURE_DIM), np.float32)
    return drop_devices(features, chance, np.random.default_rng(3))[..., -1] == 0


def test_the_head_is_never_lost_and_every_other_device_is_by_the_chance_given() -> None:
    ever = _lost(0.3).any(axis=1).mean(axis=0)
    assert ever[0] == 0
    # A span may lie before or after the stretch.
    assert ((ever[1:] > 0.2) & (ever[1:] < 0.3)).all()


def test_legs_are_lost_together_in_half_of_the_batch_and_else_one_by_one() -> None:
    lost = _lost(0.3)
    left, right = (lost[..., NUM_DEVICES - len(LEG_DEVICES) + side] for side in range(2))
    some = (left | right).any(axis=1)
    same = (left == right).all(axis=1)
    assert 0.3 < same[some].mean() < 0.5
    assert (left.any(axis=1) & ~right.any(axis=1)).sum() > 100
    assert (right.any(axis=1) & ~left.any(axis=1)).sum() > 100


def test_a_leg_that_is_back_has_no_velocity_but_is_known_to_be_worn_right() -> None:
    features = np.ones((400, 60, NUM_DEVICES, FEATURE_DIM), np.float32)
    dropped = drop_devices(features, 0.5, np.random.default_rng(3))
    valid = dropped[..., 15]
    back = (valid[:, 1:] > 0) & (valid[:, :-1] == 0)
    assert back[..., 1:].any(axis=(0, 1)).all()
    legs, others = slice(NUM_DEVICES - len(LEG_DEVICES), None), slice(1, 3)
    after = dropped[:, 1:]
    assert not after[..., 6:9][back].any()
    assert not after[:, :, others, 12:15][back[..., others]].any()
    assert (dropped[:, :, legs, 12] == valid[..., legs]).all()


def test_images_and_readings_are_apart_by_as_much_at_every_frame_rate() -> None:
    step_s = np.repeat(np.float32([1 / 30, 1 / 90]), 4000)
    features = np.zeros((8000, 3, NUM_DEVICES, FEATURE_DIM), np.float32)
    features[..., 0] = np.arange(3)[:, None] * step_s[:, None, None]  # a reading of the time
    features[..., -1] = 1
    augment = AugmentConfig(imu_noise=0.0, time_offset_s=0.005)
    shifted = jitter_devices(features, augment, np.random.default_rng(0), step_s)
    apart_s = (shifted - features)[:, 1, 0, 0]
    assert apart_s[:4000].std() == pytest.approx(0.005, rel=0.05)
    assert apart_s[4000:].std() == pytest.approx(0.005, rel=0.06)
