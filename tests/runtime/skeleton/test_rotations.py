"""Rotations from positions: exact bones, hand-computed poses, twists, continuity."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body, forward_kinematics, random_turns, steps_deg
from scipy.spatial.transform import Rotation

from same_runtime import InvalidInputError, Pose, PoseStatus, Reason, Skeleton, SkeletonSolver
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_recording
from same_runtime.recording import Recording
from same_runtime.skeleton.bone_lengths import bone_lengths
from same_runtime.skeleton.rest_pose import REST_OFFSETS_M

IDENTITY = Rotation.identity()


def solved(pose: Pose) -> Skeleton:
    skeleton = SkeletonSolver().solve(pose)
    assert skeleton is not None
    return skeleton


def of(rotations: np.ndarray, name: str) -> Rotation:
    return Rotation.from_quat(rotations[JOINT_NAMES.index(name)])


def apart_deg(a: Rotation, b: Rotation) -> float:
    return float(np.rad2deg((a * b.inv()).magnitude()))


def demo_poses() -> list[Pose]:
    """The true poses of the shipped recording, with its devices."""
    devices = np.zeros((5, 4))
    order = ("head", "ctrl_left", "ctrl_right", "leg_left", "leg_right")
    poses = []
    for sample in Recording(demo_recording()).samples():
        if sample.stream in order:
            devices[order.index(sample.stream)] = sample.value.orientation_xyzw
        elif sample.stream == "truth":
            poses.append(
                Pose(
                    sample.timestamp_ns,
                    PoseStatus.VALID,
                    joints_world=sample.value,
                    device_orientations_world=devices,
                )
            )
    return poses


def test_the_t_pose_has_no_rotations() -> None:
    skeleton = solved(body())
    for rotations in (skeleton.rotations_world, skeleton.rotations_local):
        assert Rotation.from_quat(rotations).magnitude().max() < 1e-6
    np.testing.assert_allclose(skeleton.offsets_m, REST_OFFSETS_M, atol=1e-9)


@pytest.mark.parametrize(
    ("joint", "axis", "degrees"),
    [
        ("pelvis", "y", 90),  # the whole body turned to its left
        ("pelvis", "x", 80),  # lying
        ("right_shoulder", "z", 80),  # arm up
        ("left_shoulder", "z", 75),  # arm down
        ("right_elbow", "y", 90),  # forearm forward
        ("left_elbow", "y", -90),
        ("left_hip", "x", 60),  # thigh forward
        ("right_knee", "x", -100),
        ("left_ankle", "x", 20),
        ("spine3", "y", 30),
        ("neck", "x", -20),
    ],
)
def test_one_turned_joint_is_found_and_no_other(joint: str, axis: str, degrees: float) -> None:
    turn = Rotation.from_euler(axis, degrees, degrees=True)
    skeleton = solved(body({joint: turn}))
    # A turned chest takes the spine's joints along; which of them bends nobody sees.
    shared = {"spine3": ("spine1", "spine2", "spine3", "neck", "head")}.get(joint, (joint,))
    for name in JOINT_NAMES:
        found = of(skeleton.rotations_local, name)
        if name == joint and joint != "spine3":
            assert apart_deg(found, turn) < 0.01, name
        elif name not in shared:
            assert apart_deg(found, IDENTITY) < 0.01, name
    assert apart_deg(of(skeleton.rotations_world, joint), turn) < 0.01


def test_random_poses_of_one_body_are_met_within_a_millimetre() -> None:
    rng = np.random.default_rng(5)
    solver = SkeletonSolver()
    for index in range(400):
        pose = body(random_turns(rng), timestamp_ns=index * 1_000_000_000)
        skeleton = solver.solve(pose)
        assert skeleton is not None
        joints, rotations = forward_kinematics(
            skeleton.joints_world[0], skeleton.rotations_local, skeleton.offsets_m
        )
        np.testing.assert_allclose(joints, pose.joints_world, atol=1e-3)
        np.testing.assert_allclose(joints, skeleton.joints_world, atol=1e-9)
        turned = Rotation.from_quat(rotations) * Rotation.from_quat(skeleton.rotations_world).inv()
        assert turned.magnitude().max() < 1e-6
    np.testing.assert_allclose(skeleton.bone_lengths_m, bone_lengths(pose.joints_world), atol=1e-6)


def test_the_shipped_recording_is_met_and_continuous() -> None:
    solver = SkeletonSolver()
    poses = demo_poses()
    skeletons = [skeleton for pose in poses if (skeleton := solver.solve(pose)) is not None]
    assert len(skeletons) == len(poses) >= 300
    for pose, skeleton in zip(poses, skeletons, strict=True):
        joints, _ = forward_kinematics(
            skeleton.joints_world[0], skeleton.rotations_local, skeleton.offsets_m
        )
        np.testing.assert_allclose(joints, skeleton.joints_world, atol=1e-9)
        np.testing.assert_allclose(joints, pose.joints_world, atol=1e-3)
    assert steps_deg(skeletons).max() < 20.0
    local = np.stack([s.rotations_local for s in skeletons])
    assert ((local[1:] * local[:-1]).sum(axis=-1) > 0.9).all(), "q and -q took turns"


def test_bone_lengths_are_constant_whatever_the_joints_do() -> None:
    rng = np.random.default_rng(1)
    solver = SkeletonSolver()
    seen = []
    for index in range(100):
        pose = body(timestamp_ns=(index + 1) * FRAME_NS)
        pose = replace(pose, joints_world=pose.joints_world + rng.normal(0, 0.01, (22, 3)))
        skeleton = solver.solve(pose)
        assert skeleton is not None
        seen.append((skeleton.changed_count, bone_lengths(skeleton.joints_world)))
        bones = skeleton.joints_world - pose.joints_world
        assert np.linalg.norm(bones[15]) < 1e-12, "the head stays"
    for count in (1, 2):
        lengths = np.stack([length for c, length in seen if c == count])
        assert len(lengths) in (59, 41) and np.ptp(lengths, axis=0).max() < 1e-9
    np.testing.assert_allclose(lengths[0], bone_lengths(body().joints_world), atol=0.01)


def test_given_lengths_are_taken() -> None:
    given = 1.1 * bone_lengths(body().joints_world)
    skeleton = SkeletonSolver(given).solve(body())
    assert skeleton is not None
    np.testing.assert_allclose(skeleton.bone_lengths_m, given)
    np.testing.assert_allclose(bone_lengths(skeleton.joints_world), given)


def test_straight_limbs_do_not_flip_under_noise() -> None:
    rng = np.random.default_rng(2)
    solver = SkeletonSolver()
    skeletons = []
    for index in range(400):
        pose = body(timestamp_ns=(index + 1) * FRAME_NS)
        pose = replace(pose, joints_world=pose.joints_world + rng.normal(0, 0.004, (22, 3)))
        skeleton = solver.solve(pose)
        assert skeleton is not None
        skeletons.append(skeleton)
    limbs = [
        index
        for index, name in enumerate(JOINT_NAMES)
        if name.endswith(("hip", "knee", "shoulder", "elbow"))
    ]
    assert steps_deg(skeletons)[:, limbs].max() < 10.0
    for skeleton in skeletons:
        turned = Rotation.from_quat(skeleton.rotations_world[limbs]).magnitude()
        assert np.rad2deg(turned).max() < 35.0


def test_an_arm_that_straightens_and_bends_again_keeps_its_twist() -> None:
    solver = SkeletonSolver()
    raised = Rotation.from_euler("z", 40, degrees=True) * Rotation.from_euler("x", 50, degrees=True)
    angles = np.concatenate((np.linspace(90, 0, 45), np.zeros(90), np.linspace(0, 90, 45)))
    skeletons = []
    for index, angle in enumerate(angles):
        turns = {
            "right_shoulder": raised,
            "right_elbow": Rotation.from_euler("y", angle, degrees=True),
        }
        skeleton = solver.solve(body(turns, timestamp_ns=(index + 1) * FRAME_NS))
        assert skeleton is not None
        skeletons.append(skeleton)
    assert steps_deg(skeletons).max() < 20.0
    for skeleton in (skeletons[0], skeletons[-1]):
        assert apart_deg(of(skeleton.rotations_local, "right_shoulder"), raised) < 0.5


def test_a_headset_and_controllers_turn_head_and_hands() -> None:
    devices = np.zeros((5, 4))
    look = Rotation.from_euler("yx", [40, -10], degrees=True)
    devices[0] = look.as_quat()
    # OpenXR grip: the right hand's palm down, arm out: x up, y towards the wrist, z backward.
    grip = Rotation.from_matrix(np.array([(0, -1, 0), (1, 0, 0), (0, 0, 1)], float))
    palm_forward = Rotation.from_euler("x", -60, degrees=True)
    devices[2] = (palm_forward * grip).as_quat()
    skeleton = solved(body(device_orientations_world=devices))
    assert apart_deg(of(skeleton.rotations_world, "head"), look) < 0.01
    assert apart_deg(of(skeleton.rotations_world, "right_wrist"), palm_forward) < 0.01
    forearm = of(skeleton.rotations_world, "right_elbow").as_rotvec(degrees=True)
    assert -60 < forearm[0] < -20 and np.abs(forearm[1:]).max() < 0.01
    assert apart_deg(of(skeleton.rotations_world, "left_wrist"), IDENTITY) < 0.01


def test_a_leg_sensor_twists_a_straight_shin_whatever_its_strap() -> None:
    strap = Rotation.from_euler("yx", [70, 12], degrees=True)
    solver = SkeletonSolver()
    for index, angle in enumerate((0, 0, 4, 8, 12, 16, 20)):
        turned = Rotation.from_euler("y", angle, degrees=True)
        devices = np.zeros((5, 4))
        devices[3] = (turned * strap).as_quat()
        pose = body(timestamp_ns=(index + 1) * FRAME_NS, device_orientations_world=devices)
        skeleton = solver.solve(pose)
    assert skeleton is not None
    twist = of(skeleton.rotations_world, "left_knee").as_rotvec(degrees=True)
    assert 14 < twist[1] <= 20 and np.abs(twist[[0, 2]]).max() < 0.01
    assert apart_deg(of(skeleton.rotations_world, "right_knee"), IDENTITY) < 0.01


def test_a_knee_that_noise_bends_backwards_is_not_turned_round() -> None:
    solver = SkeletonSolver()
    for index, angle in enumerate(np.concatenate((np.zeros(3), np.linspace(0, 15, 30)))):
        turns = {"left_knee": Rotation.from_euler("x", angle, degrees=True)}
        skeleton = solver.solve(body(turns, timestamp_ns=(index + 1) * FRAME_NS))
    assert skeleton is not None
    knee = of(skeleton.rotations_local, "left_knee").as_rotvec(degrees=True)
    np.testing.assert_allclose(knee, (15, 0, 0), atol=0.5)


@pytest.mark.parametrize("later_ns", [2_000_000_000, -1])
def test_a_gap_starts_anew(later_ns: int) -> None:
    solver = SkeletonSolver()
    solver.solve(body(timestamp_ns=10**9))
    turn = Rotation.from_euler("y", 170, degrees=True)
    skeleton = solver.solve(body({"pelvis": turn}, timestamp_ns=10**9 + later_ns))
    assert skeleton is not None
    assert apart_deg(of(skeleton.rotations_world, "left_knee"), turn) < 0.01


def test_a_relocalised_body_turns_at_once() -> None:
    solver = SkeletonSolver()
    solver.solve(body(timestamp_ns=FRAME_NS))
    turn = Rotation.from_euler("y", 120, degrees=True)
    pose = body({"pelvis": turn}, timestamp_ns=2 * FRAME_NS, reasons=(Reason.RELOCALISED,))
    skeleton = solver.solve(pose)
    assert skeleton is not None
    turned = Rotation.from_quat(skeleton.rotations_world) * turn.inv()
    assert turned.magnitude().max() < 1e-3


def test_a_pose_beside_the_sequence_leaves_no_trace() -> None:
    beside, alone = SkeletonSolver(), SkeletonSolver()
    for index in range(30):
        turns = {"right_elbow": Rotation.from_euler("y", 2 * index, degrees=True)}
        pose = body(turns, timestamp_ns=(index + 1) * FRAME_NS)
        for later in (3, -2) if index else ():
            ahead = body(turns, timestamp_ns=(index + later) * FRAME_NS)
            solved_ahead = beside.solve(ahead, keep=False)
            assert solved_ahead is not None
            assert (
                apart_deg(of(solved_ahead.rotations_local, "right_elbow"), turns["right_elbow"]) < 3
            )
        a, b = beside.solve(pose), alone.solve(pose)
        assert a is not None and b is not None
        np.testing.assert_array_equal(a.rotations_world, b.rotations_world)
        np.testing.assert_array_equal(a.velocities_world, b.velocities_world)


def test_velocities_are_those_of_the_motion() -> None:
    solver = SkeletonSolver()
    for index in range(20):
        turn = Rotation.from_rotvec((0, 1.5 * index * 1e-9 * FRAME_NS, 0))
        pose = body({"pelvis": turn}, timestamp_ns=(index + 1) * FRAME_NS)
        walked = pose.joints_world + np.array((0.0, 0.0, -0.8e-9 * FRAME_NS * index))
        skeleton = solver.solve(replace(pose, joints_world=walked))
        assert skeleton is not None
        if index == 0:
            assert not skeleton.velocities_world.any()
    joints = skeleton.joints_world
    # A straight leg's twist follows the foot, a little later.
    legs = [
        JOINT_NAMES.index(n) for n in JOINT_NAMES if n.endswith(("hip", "knee", "ankle", "foot"))
    ]
    body_only = np.delete(skeleton.angular_velocities_world, legs, axis=0)
    np.testing.assert_allclose(body_only, [(0, 1.5, 0)] * len(body_only), atol=1e-3)
    across = np.cross((0, 1.5, 0), joints - joints[0])
    np.testing.assert_allclose(skeleton.velocities_world, across + (0, 0, -0.8), atol=0.05)


def test_a_skeleton_in_another_frame_is_the_one_solved_there() -> None:
    pose = body(random_turns(np.random.default_rng(4)))
    turn, translation = Rotation.from_euler("y", 70, degrees=True), np.array((1.0, 0.2, -3.0))
    there = solved(replace(pose, joints_world=turn.apply(pose.joints_world.copy()) + translation))
    moved = solved(pose).moved(turn.as_quat(), translation)
    np.testing.assert_allclose(moved.joints_world, there.joints_world, atol=1e-9)
    for name in ("rotations_world", "rotations_local"):
        a, b = (Rotation.from_quat(getattr(s, name)) for s in (moved, there))
        assert (a * b.inv()).magnitude().max() < 1e-5
    assert not moved.joints_world.flags.writeable


def test_a_pose_without_a_body_has_no_skeleton_and_harms_none() -> None:
    solver = SkeletonSolver()
    assert solver.solve(Pose()) is None
    assert solver.solve(body()) is not None


@pytest.mark.parametrize(
    "lengths",
    [
        np.ones(21),
        np.full(22, np.nan),
        -np.ones(22),
        np.full(22, 1e300),
        np.full(22, 300.0),
        "long",
        ["0.3"] * 22,
        [True] * 22,
        np.full(22, 0.3 + 5j),
        np.full(22, np.datetime64("2020-01-01", "ns")),
    ],
)
def test_wrong_lengths_are_refused(lengths: object) -> None:
    with pytest.raises(InvalidInputError, match="bone_lengths_m: expected"):
        SkeletonSolver(lengths)  # type: ignore[arg-type]


def test_a_pelvis_needs_no_length() -> None:
    """As in lengths measured elsewhere: it has no parent."""
    given = np.full(22, 0.3)
    given[0] = np.nan
    solver = SkeletonSolver(given)
    assert np.isnan(given[0]), "the caller's own"
    solver.set_bone_lengths(np.full(22, 0.3))


def test_what_is_no_pose_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="pose: expected a Pose, got ndarray"):
        SkeletonSolver().solve(np.zeros((22, 3)))  # type: ignore[arg-type]


def test_the_picture_is_the_one_that_the_command_draws() -> None:
    from same_runtime.skeleton.draw_rest_pose import rest_pose_svg

    docs = Path(__file__).resolve().parents[3] / "docs"
    assert (docs / "skeleton.svg").read_text() == rest_pose_svg()
