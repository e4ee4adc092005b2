import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from same_engines.errors import DataError
from same_model.synth.body.body import joint_matrices, load_body_model, make_body, pose_joints, skin
from same_runtime.conventions import JOINT_NAMES

IDENTITY = np.tile([0.0, 0.0, 0.0, 1.0], (1, 22, 1))


def test_the_shipped_body_is_small_complete_and_symmetric() -> None:
    model = load_body_model()
    assert 3000 < len(model.vertices) < 15000
    assert model.faces.max() < len(model.vertices)
    np.testing.assert_allclose(model.weights.sum(axis=1), 1.0, atol=1e-3)
    left = [i for i, n in enumerate(JOINT_NAMES) if n.startswith("left")]
    right = [JOINT_NAMES.index("right" + JOINT_NAMES[i][4:]) for i in left]
    np.testing.assert_allclose(model.joints[left], model.joints[right] * (-1, 1, 1), atol=2e-3)
    assert (model.joints[left, 0] > 0).all()
    foot, ankle = (model.joints[JOINT_NAMES.index(n)] for n in ("left_foot", "left_ankle"))
    assert foot[2] > ankle[2] + 0.1  # it faces +z


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(-1.7, 1.7)))
def test_every_shape_is_a_plausible_adult(shape: np.ndarray) -> None:
    body = make_body(shape)
    assert 1.2 < body.stature_m < 2.4
    assert 0.4 < body.leg_length_m / body.stature_m < 0.56
    inside = body.joints[:, 1] > body.vertices[:, 1].min()
    assert inside.all()


def test_identity_pose_gives_the_rest_body() -> None:
    body = make_body(np.zeros(12))
    joints = pose_joints(body, body.joints[:1], IDENTITY)
    np.testing.assert_allclose(joints[0], body.joints, atol=1e-12)
    matrices = joint_matrices(body, joints, IDENTITY)
    posed = skin(body.vertices, body.model.weight_joints, body.model.weights, matrices[0])
    np.testing.assert_allclose(posed, body.vertices, atol=1e-4)


@pytest.mark.parametrize("shape", [np.zeros(3), np.full(12, np.nan)])
def test_a_bad_shape_is_refused(shape: np.ndarray) -> None:
    with pytest.raises(DataError, match="shape"):
        make_body(shape)
