"""No joint turns faster than a body can, whatever the network says."""

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body, forward_kinematics, random_turns, steps_deg
from scipy.spatial.transform import Rotation

from same_runtime import SamePoseTracker, SkeletonSolver, StereoFrame
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import TRUTH_STREAM, Recording
from same_runtime.recording.live_player import send

TRUNK = [i for i, n in enumerate(JOINT_NAMES) if n.startswith(("pelvis", "spine", "neck"))]
FASTEST_TRUNK_DEG, FASTEST_DEG = 8.0, 26.0  # between poses 11 ms apart
FRAME_LATENCY_NS = 40_000_000


def test_no_joint_turns_faster_than_a_body_can_and_all_get_there() -> None:
    solver = SkeletonSolver()
    rng = np.random.default_rng(6)
    skeletons = [solver.solve(body(timestamp_ns=FRAME_NS))]
    other = random_turns(rng) | {"pelvis": Rotation.from_euler("y", 150, degrees=True)}
    for index in range(1, 90):
        skeletons.append(solver.solve(body(other, timestamp_ns=(index + 1) * FRAME_NS)))
    found = [skeleton for skeleton in skeletons if skeleton is not None]
    assert len(found) == 90
    assert steps_deg(found)[:, TRUNK].max() < FASTEST_TRUNK_DEG
    assert steps_deg(found).max() < FASTEST_DEG
    np.testing.assert_allclose(found[-1].joints_world, body(other).joints_world, atol=1e-3)


def test_the_shipped_model_turns_no_joint_by_45_degrees_between_poses_11_ms_apart() -> None:
    """Also across poses that a busy machine was late with, and where a new frame moves the body."""
    recording = Recording(demo_recording())
    ticks_ns = recording.start_ns + FRAME_NS * np.arange(1, 10**4)
    solver, found, tick = SkeletonSolver(plant_feet=True), [], 0
    with SamePoseTracker(demo_bundle(), recording.rig) as tracker:
        for sample in recording.samples():
            if sample.timestamp_ns > recording.start_ns + 4_000_000_000:
                break
            if sample.stream != TRUTH_STREAM:
                send(tracker.ingest, sample)
            if not isinstance(sample.value, StereoFrame) or tracker.step() is None:
                continue
            while ticks_ns[tick] < sample.timestamp_ns + FRAME_LATENCY_NS:
                if tick % 8 != 4:  # every eighth pose is missed
                    skeleton = solver.solve(tracker.at_time(int(ticks_ns[tick])))
                    if skeleton is not None:
                        found.append(skeleton)
                tick += 1
    assert len(found) > 250
    apart_ms = 1e-6 * np.diff([skeleton.timestamp_ns for skeleton in found])
    turns = steps_deg(found)
    assert turns[apart_ms < 12].max() < FASTEST_DEG
    assert turns[apart_ms > 18].max() < 45.0
    assert turns[:, TRUNK][apart_ms < 12].max() < FASTEST_TRUNK_DEG


def test_a_pose_before_the_newest_follows_its_bones() -> None:
    """As ``tracker.at_time`` gives for a time that is over."""
    solver = SkeletonSolver()
    turns = [Rotation.from_euler("x", -2.0 * index, degrees=True) for index in range(20)]
    poses = [
        body({"left_knee": turn}, timestamp_ns=(index + 1) * FRAME_NS)
        for index, turn in enumerate(turns)
    ]
    for pose in poses:
        solver.solve(pose)
    skeleton = solver.solve(poses[9], keep=False)
    assert skeleton is not None
    np.testing.assert_allclose(skeleton.joints_world, poses[9].joints_world, atol=1e-6)


def test_trunks_bend_no_further_than_trunks_do() -> None:
    """Whatever joints come: random ones, as a network that fails might give."""
    rng = np.random.default_rng(12)
    solver = SkeletonSolver()
    largest = {"spine1": 105, "spine2": 45, "spine3": 45, "neck": 60, "left_collar": 60}
    for index in range(300):
        joints = body().joints_world + rng.normal(0, 0.15, (22, 3))
        skeleton = solver.solve(body(timestamp_ns=(index + 1) * FRAME_NS, joints_world=joints))
        assert skeleton is not None
        for name, degrees in largest.items():
            local = skeleton.rotations_local[JOINT_NAMES.index(name)]
            assert Rotation.from_quat(local).magnitude() < np.deg2rad(degrees) + 1e-6, name
        placed, _ = forward_kinematics(
            skeleton.joints_world[0], skeleton.rotations_local, skeleton.offsets_m
        )
        np.testing.assert_allclose(placed, skeleton.joints_world, atol=1e-6)


@pytest.mark.slow
def test_kinematics_of_ten_thousand_frames_give_the_joints() -> None:
    """At 90 Hz, from pose to random pose, with planted feet and noise."""
    rng = np.random.default_rng(13)
    solver, ends = SkeletonSolver(plant_feet=True), [random_turns(rng), random_turns(rng)]
    for index in range(10_000):
        share = (index % 60) / 60
        if share == 0.0:
            ends = [ends[1], random_turns(rng)]
        turns = {
            name: Rotation.from_rotvec(
                (1 - share) * ends[0][name].as_rotvec() + share * ends[1][name].as_rotvec()
            )
            for name in ends[0]
        }
        pose = body(turns, timestamp_ns=(index + 1) * FRAME_NS)
        noisy = pose.joints_world + rng.normal(0, 0.005, (22, 3))
        skeleton = solver.solve(body(timestamp_ns=pose.timestamp_ns, joints_world=noisy))
        assert skeleton is not None
        placed, _ = forward_kinematics(
            skeleton.joints_world[0], skeleton.rotations_local, skeleton.offsets_m
        )
        np.testing.assert_allclose(placed, skeleton.joints_world, atol=1e-3)
