"""The batched quaternions agree with SciPy's."""

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime.skeleton.quaternions import multiply, rotate

RNG = np.random.default_rng(0)
A, B = (Rotation.random(50, random_state=seed) for seed in (1, 2))
VECTORS = RNG.normal(size=(50, 3))


def same(q: np.ndarray, rotation: Rotation) -> None:
    assert (Rotation.from_quat(q) * rotation.inv()).magnitude().max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0)


def test_products_and_turned_vectors() -> None:
    same(multiply(A.as_quat(), B.as_quat()), A * B)
    np.testing.assert_allclose(rotate(A.as_quat(), VECTORS), A.apply(VECTORS))
