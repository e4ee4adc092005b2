"""The 24 joints of XR_BD_body_tracking."""

import numpy as np
from posed_bodies import body
from scipy.spatial.transform import Rotation

from same_runtime import SkeletonSolver
from same_runtime.skeleton.openxr_joints import OPENXR_JOINT_NAMES, openxr_joints


def test_the_t_pose_has_x_right_and_z_backward_at_every_joint() -> None:
    skeleton = SkeletonSolver().solve(body())
    assert skeleton is not None
    positions, orientations = openxr_joints(skeleton)
    assert positions.shape == (24, 3) and orientations.shape == (24, 4)
    assert Rotation.from_quat(orientations).magnitude().max() < 1e-6
    at = dict(zip(OPENXR_JOINT_NAMES, positions, strict=True))
    assert at["right_wrist"][0] > at["pelvis"][0] > at["left_wrist"][0], "+x is right"
    assert at["right_foot"][2] < at["right_ankle"][2], "the toes are ahead, at -z"
    np.testing.assert_allclose(at["right_hand"] - at["right_wrist"], (0.0836, 0, 0), atol=1e-3)
    np.testing.assert_allclose(at["left_hand"] - at["left_wrist"], (-0.0836, 0, 0), atol=1e-3)


def test_a_body_turned_to_its_left_faces_minus_x() -> None:
    turn = Rotation.from_euler("y", 90, degrees=True)
    skeleton = SkeletonSolver().solve(body({"pelvis": turn}))
    assert skeleton is not None
    positions, orientations = openxr_joints(skeleton)
    turned = Rotation.from_quat(orientations) * turn.inv()
    assert turned.magnitude().max() < 1e-6
    assert (positions[[10, 11], 0] < positions[[7, 8], 0]).all()
    np.testing.assert_allclose(
        Rotation.from_quat(orientations[0]).apply((0, 0, -1)), (-1, 0, 0), atol=1e-6
    )
