"""The batched quaternions agree with SciPy's."""

import numpy as np
from scipy.spatial.transform import Rotation

from same_runtime.skeleton.quaternions import (
    about,
    inverse,
    multiply,
    rotate,
    shortest_arc,
    towards,
    unit,
)

RNG = np.random.default_rng(0)
A, B = (Rotation.random(50, random_state=seed) for seed in (1, 2))
VECTORS = RNG.normal(size=(50, 3))


def same(q: np.ndarray, rotation: Rotation) -> None:
    assert (Rotation.from_quat(q) * rotation.inv()).magnitude().max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0)


def test_products_inverses_and_turned_vectors() -> None:
    same(multiply(A.as_quat(), B.as_quat()), A * B)
    same(inverse(A.as_quat()), A.inv())
    np.testing.assert_allclose(rotate(A.as_quat(), VECTORS), A.apply(VECTORS))
    axes, angles = unit(VECTORS), RNG.uniform(-3, 3, 50)
    same(about(axes, angles), Rotation.from_rotvec(axes * angles[:, None]))


def test_the_shortest_arc_turns_one_onto_the_other_and_opposite_ones_too() -> None:
    a, b = unit(VECTORS), unit(RNG.normal(size=(50, 3)))
    b[:2], b[2] = -a[:2], a[2]
    q = shortest_arc(a, b)
    np.testing.assert_allclose(rotate(q, a), b, atol=1e-9)
    angles = np.arccos(np.clip((a * b).sum(axis=1), -1, 1))
    np.testing.assert_allclose(Rotation.from_quat(q).magnitude(), angles, atol=1e-6)


def test_a_step_ends_at_the_goal_or_at_the_bound_on_the_shortest_way() -> None:
    # The same rotation with the other sign must not lead the long way round.
    for goal in (B.as_quat(), -B.as_quat()):
        q = towards(A.as_quat(), goal, 0.3)
        gone, left = Rotation.from_quat(q) * A.inv(), B * Rotation.from_quat(q).inv()
        whole = (B * A.inv()).magnitude()
        np.testing.assert_allclose(gone.magnitude(), np.minimum(whole, 0.3), atol=1e-7)
        np.testing.assert_allclose(gone.magnitude() + left.magnitude(), whole, atol=1e-7)
    same(towards(A.as_quat(), B.as_quat(), 4.0), B)


def test_zeros_stay_zeros() -> None:
    assert not unit(np.zeros((2, 3))).any()
