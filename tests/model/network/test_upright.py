"""The inertial stage knows which way is up: turning the head turns what it says, no more."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from tiny_model import TINY, fusion_inputs, tiny_model

from same_model.config import ModelConfig
from same_model.network.inertial import InertialStage
from same_model.network.standing_pose import standing_camera_axes, standing_joints_cam_left
from same_model.network.upright import Upright

UP = (0.0, 1.0, 0.0)


def head_held(R_world_cam: np.ndarray) -> torch.Tensor:
    """Tokens (5, 16) of a head alone whose camera is held so."""
    features = torch.zeros(5, 16)
    features[0, :3] = torch.from_numpy(R_world_cam.T @ UP)
    features[0, 15] = 1.0
    return features


def nodding(rng: np.random.Generator, degrees: float) -> np.ndarray:
    axis = rng.normal(size=3)
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * axis / np.linalg.norm(axis)).as_matrix()
    return turn @ standing_camera_axes().T


@pytest.mark.parametrize("degrees", [0, 20, 90, 150])
def test_up_is_up_and_the_turning_is_a_rotation(rng: np.random.Generator, degrees: float) -> None:
    upright = Upright()
    for _ in range(20):
        features = head_held(nodding(rng, degrees))
        R = upright.rotation(features)
        torch.testing.assert_close(R @ R.T, torch.eye(3), atol=1e-5, rtol=0)
        assert torch.linalg.det(R) == pytest.approx(1.0, abs=1e-5)
        torch.testing.assert_close(R @ features[0, :3], torch.tensor(UP), atol=1e-5, rtol=0)


def test_a_standing_head_without_a_token_counts_as_standing() -> None:
    R = Upright().rotation(torch.zeros(5, 16))
    standing = torch.from_numpy(standing_camera_axes().T).float()
    torch.testing.assert_close(R, standing, atol=1e-6, rtol=0)


def test_upside_down_stays_finite_and_bounded() -> None:
    hanging = Rotation.from_euler("x", 180, degrees=True).as_matrix() @ standing_camera_axes().T
    assert Upright().rotation(head_held(hanging)).abs().max() < 2


def test_vectors_in_camera_axes_turn_and_the_others_stay(rng: np.random.Generator) -> None:
    upright = Upright()
    features = torch.from_numpy(rng.normal(size=(5, 16))).float()
    features[:, 15] = 1.0
    features[0, :3] /= features[0, :3].norm()
    R = upright.rotation(features)
    turned = upright.turned(features, R)
    for device in range(5):
        for start in range(0, 15, 3):
            vector = features[device, start : start + 3]
            about_straps = device >= 3 and start == 12
            in_camera_axes = start != 6 and not (device == 0 and start < 6) and not about_straps
            wanted = R @ vector if in_camera_axes else vector
            torch.testing.assert_close(turned[device, start : start + 3], wanted)
    assert torch.equal(turned[:, 15], features[:, 15])


def test_a_fresh_network_stands_under_a_head_that_nods(rng: np.random.Generator) -> None:
    stage = InertialStage(TINY)
    R_world_cam = nodding(rng, 30)
    with torch.inference_mode():
        standing = stage(head_held(standing_camera_axes().T)[None, None]).joints_imu[0, 0]
        nodded = stage(head_held(R_world_cam)[None, None]).joints_imu[0, 0]
    torch.testing.assert_close(
        standing, torch.from_numpy(standing_joints_cam_left()), atol=1e-5, rtol=0
    )
    heights = (nodded @ torch.from_numpy(R_world_cam.T).float())[:, 1]
    torch.testing.assert_close(
        heights, (standing @ torch.from_numpy(standing_camera_axes()).float())[:, 1]
    )


def test_fusion_turns_with_the_head_that_nods() -> None:
    inputs, fusion = fusion_inputs(1), tiny_model().fusion
    inputs["imu_features"][:, 0, :3] = Upright().up
    Q = torch.from_numpy(Rotation.from_euler("x", 40, degrees=True).as_matrix()).float()
    nodded = inputs | {
        "joints_imu": inputs["joints_imu"] @ Q.T,
        "origins": inputs["origins"] @ Q.T,
        "rays": (Q @ inputs["rays"].flatten(-2)).view_as(inputs["rays"]),
        "imu_features": inputs["imu_features"].clone(),
    }
    nodded["imu_features"][:, 0, :3] = Q @ Upright().up
    with torch.inference_mode():
        expected = fusion(**inputs).joints @ Q.T
        torch.testing.assert_close(fusion(**nodded).joints, expected, atol=1e-4, rtol=0)


def test_a_checkpoint_from_before_works_in_the_camera_frame() -> None:
    values = TINY.to_dict()
    del values["pose_frame"]
    assert ModelConfig.from_dict(values).pose_frame == "camera"
