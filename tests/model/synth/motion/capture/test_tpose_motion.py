"""Captured skeletons in T-pose axes: against each other, and against what bodies can do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from skeleton_axes import own_axes

from same_model.synth.body.body import Body, make_body, skin
from same_model.synth.motion.capture.axes_from_rest import upright_rest
from same_model.synth.motion.capture.joint_names import find_joints
from same_model.synth.motion.capture.tpose import LIMB_ENDS, T_POSE_DIRECTIONS
from same_model.synth.motion.capture.tpose_motion import to_tpose
from same_model.synth.motion.clip import load_clip, read_skeleton
from same_model.synth.motion.retarget import retarget, sole_vertices
from same_runtime.conventions import JOINT_NAMES

# One clip of every skeleton, and what is hard about it.
CLIPS = {
    "cmu-mocap/13_30.bvh.xz": 13.0,
    "motion/cmu-amc/127/127_23.amc.xz": 1.0,
    "motion/cmu-fbx/69_75.bvh.xz": 7.0,
    "motion/accad/liftBox.bvh.xz": 8.0,
    "motion/mesh2motion/Greeting.bvh.xz": 4.0,
    "motion/mesh2motion/Idle_Talking_Loop.bvh.xz": 2.0,
    "motion/mesh2motion/Sleeping.bvh.xz": 1.5,
    "motion/animated-drawings/fair1-zombie.bvh.xz": 20.0,
    "motion/animated-drawings/cmu1-jumping_jacks.bvh.xz": 3.5,
    "motion/animated-drawings/rokoko-jesse_dance.bvh.xz": 9.0,
}


@pytest.mark.parametrize("clip", ["07_01", "13_30", "14_12", "06_05"])
def test_a_rest_pose_that_is_a_heap_gives_the_motion_that_an_upright_one_gives(
    shared_data: Path, rng: np.random.Generator, clip: str
) -> None:
    upright = read_skeleton(shared_data / "cmu-mocap" / f"{clip}.bvh.xz")
    heap = own_axes(upright, rng)
    joints = find_joints(upright)
    assert upright_rest(upright, joints) is not None and upright_rest(heap, joints) is None
    wanted, got = to_tpose(upright, joints), to_tpose(heap, joints)
    for name, place in wanted.positions.items():
        np.testing.assert_allclose(got.positions[name], place, atol=1e-9)
    apart = (
        Rotation.from_quat(wanted.rotations_xyzw.reshape(-1, 4)).inv()
        * Rotation.from_quat(got.rotations_xyzw.reshape(-1, 4))
    ).magnitude()
    degrees = np.rad2deg(apart).reshape(-1, len(JOINT_NAMES)).mean(axis=0)
    for name, most in (("hip", 8), ("knee", 8), ("collar", 16), ("shoulder", 40), ("elbow", 40)):
        for side in ("left", "right"):
            assert degrees[JOINT_NAMES.index(f"{side}_{name}")] < most, name
    for name, most in (("pelvis", 12), ("spine3", 16), ("neck", 25), ("head", 32)):
        assert degrees[JOINT_NAMES.index(name)] < most, name


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("unit", [0.01, 1 / 2.54, 1000.0])
def test_units_and_the_vertical_come_from_the_clip(shared_data: Path, up: str, unit: float) -> None:
    clip = read_skeleton(shared_data / "motion" / "cmu-amc" / "16" / "16_01.amc.xz")
    turn = Rotation.from_euler("x", 90 if up == "z" else 0, degrees=True)
    rotations = clip.rotations_xyzw.copy()
    for j in range(len(clip.names)):
        rotations[:, j] = (turn * Rotation.from_quat(rotations[:, j]) * turn.inv()).as_quat()
    other = replace(
        clip,
        offsets=turn.apply(clip.offsets) * unit,
        root_positions=turn.apply(clip.root_positions) * unit,
        rotations_xyzw=rotations,
        ends={j: turn.apply(end) * unit for j, end in clip.ends.items()},
    )
    wanted = to_tpose(clip, find_joints(clip))
    got = to_tpose(other, find_joints(other))
    np.testing.assert_allclose(
        got.positions["left_ankle"] / unit, wanted.positions["left_ankle"], atol=1e-8
    )
    same = np.abs((got.rotations_xyzw * wanted.rotations_xyzw).sum(-1))
    assert same.min() > 1 - 1e-9


def _lowest(body: Body, chosen: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    model = body.model
    return skin(
        body.vertices[chosen], model.weight_joints[chosen], model.weights[chosen], matrices
    )[..., 1].min(axis=1)


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_a_clip_of_each_skeleton_stands_on_the_floor_and_keeps_its_limbs(
    shared_data: Path, name: str
) -> None:
    segments, _ = load_clip(shared_data / name)
    assert sum(m.seconds for m in segments) > 0.9 * CLIPS[name]
    source = read_skeleton(shared_data / name)
    pose = to_tpose(source, find_joints(source))
    body = make_body(np.zeros(12))
    soles, sample = sole_vertices(body), np.arange(0, len(body.vertices), 7)
    for motion in segments:
        worn = retarget(motion, body)
        feet = _lowest(body, soles, worn.matrices)
        whole = _lowest(body, sample, worn.matrices)
        low = np.minimum(feet, whole)
        if "dance" in name:  # it hops on every other beat
            assert np.percentile(low, 40) < 0.02
        else:
            assert abs(np.median(low)) < 0.02
        assert whole.min() > -0.03
        for joint, end in LIMB_ENDS.items():
            a, b = JOINT_NAMES.index(joint), JOINT_NAMES.index(end)
            length = np.linalg.norm(worn.joints[:, b] - worn.joints[:, a], axis=1)
            assert np.ptp(length) < 1e-9
    # Bones point where the file has them, whatever its axes.
    for joint, end in LIMB_ENDS.items():
        if pose.lengths.get(joint, 0.0) < 1e-6:
            continue
        bone = pose.positions[end] - pose.positions[joint]
        bone /= np.linalg.norm(bone, axis=1, keepdims=True)
        turned = Rotation.from_quat(pose.rotations_xyzw[:, JOINT_NAMES.index(joint)])
        np.testing.assert_allclose(
            turned.apply(np.array(T_POSE_DIRECTIONS[joint], float)), bone, atol=1e-6
        )


@pytest.mark.parametrize("name", sorted(CLIPS))
def test_knees_and_elbows_bend_the_human_way(shared_data: Path, name: str) -> None:
    source = read_skeleton(shared_data / name)
    pose = to_tpose(source, find_joints(source))
    turned = {n: Rotation.from_quat(pose.rotations_xyzw[:, j]) for j, n in enumerate(JOINT_NAMES)}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shin = (turned[f"{side}_hip"].inv() * turned[f"{side}_knee"]).apply([0.0, -1.0, 0.0])
        assert np.percentile(shin[:, 2], 95) < 0.2  # never forward
        assert np.percentile(np.abs(shin[:, 0]), 90) < 0.35  # hardly sideways
        lower = (turned[f"{side}_shoulder"].inv() * turned[f"{side}_elbow"]).apply([sign, 0.0, 0.0])
        assert np.median(lower[:, 2]) > -0.15  # to the front
    ahead = turned["head"].apply([0.0, 0.0, 1.0])
    chest = turned["spine3"].apply([0.0, 0.0, 1.0])
    assert np.median((ahead * chest).sum(1)) > 0.5
