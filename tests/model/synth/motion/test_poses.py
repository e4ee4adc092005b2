import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion.poses import draw_pose, pose_sequence
from same_runtime.conventions import JOINT_NAMES


def _drawn(count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([draw_pose(rng) for _ in range(count)])


def test_drawn_joints_stay_within_what_they_can_do_on_both_sides_alike() -> None:
    poses = _drawn()
    bone = {"knee": (0, -1.0, 0), "elbow": (1.0, 0, 0)}
    for part, along in bone.items():
        bends = []
        for side, sign in (("left", 1.0), ("right", -1.0)):
            local = Rotation.from_quat(poses[:, JOINT_NAMES.index(f"{side}_{part}")])
            way = np.array(along) * (sign if part == "elbow" else 1.0)
            bent = local.apply(way)
            # Knees to the back, elbows to the front, neither over.
            assert (bent[:, 2] * (-1 if part == "knee" else 1)).min() > -0.05
            bends.append(np.rad2deg(np.arccos((bent @ way).clip(-1, 1))))
            assert bends[-1].max() < 141
        assert abs(np.median(bends[0]) - np.median(bends[1])) < 10
        assert np.ptp(bends[0]) > 90
    trunk = np.rad2deg(Rotation.from_quat(poses[:, JOINT_NAMES.index("spine1")]).magnitude())
    assert trunk.max() < 32


def test_poses_are_held_and_differ() -> None:
    times = np.arange(0, 12.0, 1 / 120)
    hips, rotations = pose_sequence(np.random.default_rng(1), times)
    assert hips.shape == (len(times), 3) and rotations.shape == (len(times), 22, 4)
    knee = rotations[:, JOINT_NAMES.index("left_knee")]
    step = 2 * np.arccos(np.abs((knee[1:] * knee[:-1]).sum(-1)).clip(0, 1)) * 120
    assert (step < 0.05).mean() > 0.1 and np.rad2deg(step.max()) < 1500
    thigh = Rotation.from_quat(rotations[:, JOINT_NAMES.index("left_hip")]).apply([0, -1.0, 0])
    assert thigh.std(axis=0).max() > 0.3
