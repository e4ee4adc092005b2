"""The 24 joints of XR_BD_body_tracking."""

import numpy as np
from posed_bodies import body
from scipy.spatial.transform import Rotation

from same_runtime import PoseStatus, SkeletonSolver
from same_runtime.skeleton.openxr_joints import OPENXR_JOINT_NAMES, openxr_body, openxr_joints


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


def test_flags_say_what_is_valid_and_what_is_seen() -> None:
    confidence = np.full(22, 0.9, np.float32)
    confidence[[0, 15, 20]] = 0.2
    devices = np.zeros((5, 4))
    devices[:2, 3] = 1.0  # headset and left controller
    for status, flags in ((PoseStatus.LIMITED, (3, 15)), (PoseStatus.INVALID, (0, 0))):
        pose = body(joint_confidence=confidence, device_orientations_world=devices, status=status)
        skeleton = SkeletonSolver().solve(pose)
        assert skeleton is not None
        there = openxr_body(pose, skeleton)
        at = dict(zip(OPENXR_JOINT_NAMES, there.flags.tolist(), strict=True))
        assert at["pelvis"] == flags[0] and at["head"] == at["left_wrist"] == flags[1]
        assert at["left_hand"] == at["right_hand"] == flags[1]
        assert not there.all_joint_poses_tracked
    assert openxr_body(body(joint_confidence=np.ones(22, np.float32)), skeleton)[3]


def test_hands_move_with_their_wrists() -> None:
    solver, bodies = SkeletonSolver(), []
    for index in range(30):
        turn = Rotation.from_rotvec((0, 0.02 * index, 0))
        pose = body({"pelvis": turn}, timestamp_ns=(index + 1) * 11_111_111)
        skeleton = solver.solve(pose)
        assert skeleton is not None
        bodies.append(openxr_body(pose, skeleton))
    moved = (bodies[-1].positions - bodies[-2].positions) / 11_111_111e-9
    assert np.linalg.norm(moved[22:], axis=1).min() > 1.0
    np.testing.assert_allclose(bodies[-1].linear_velocities, moved, atol=0.15)
    np.testing.assert_array_equal(
        bodies[-1].angular_velocities[22:], skeleton.angular_velocities_world[20:]
    )
