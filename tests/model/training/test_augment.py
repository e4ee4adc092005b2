"""What training takes from the devices' readings."""

import numpy as np

from same_model.training.data.augment import drop_devices
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
