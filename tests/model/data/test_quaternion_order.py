import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.data.quaternion_order import order_spreads_deg, rotations_of


def test_the_order_in_which_headset_and_camera_turn_as_one_has_no_spread() -> None:
    turns = Rotation.from_rotvec(np.random.default_rng(0).normal(size=(40, 3)))
    T_world_cam = np.tile(np.eye(4), (40, 1, 1))
    T_world_cam[:, :3, :3] = (turns * Rotation.from_rotvec([0.3, 0.2, 0.1])).as_matrix()
    xyzw, wxyz = order_spreads_deg(turns.as_quat(), T_world_cam)
    assert xyzw < 1e-4 and wxyz > 10


@pytest.mark.parametrize("value", [0.0, 2.0, 1e200, np.nan, np.inf])
def test_matrices_that_are_no_rotations_are_named_before_they_are_decomposed(value: float) -> None:
    matrices = np.tile(np.eye(3), (3, 1, 1))
    np.testing.assert_allclose(rotations_of(matrices).as_matrix(), matrices)
    matrices[1, 0, 0] = value
    with pytest.raises(DataError, match="no rotations"):
        rotations_of(matrices)
