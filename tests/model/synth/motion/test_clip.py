from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.body.body import make_body, skin
from same_model.synth.motion import clip as motion
from same_model.synth.motion import play, procedural
from same_model.synth.motion.capture.bvh import read_bvh
from same_model.synth.motion.capture.joint_names import find_joints
from same_model.synth.motion.capture.tpose import T_POSE_DIRECTIONS
from same_model.synth.motion.retarget import retarget, sole_vertices
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS


def _joint(name: str) -> int:
    return JOINT_NAMES.index(name)


def test_a_clip_becomes_metric_motion_without_its_rest_pose(shared_data: Path) -> None:
    segments, report = motion.load_clip(shared_data / "cmu-mocap" / "07_01.bvh.xz", "walk")
    (walk,) = segments
    assert report.dropped["lead-in"] >= 1
    assert report.kept_frames == walk.frames
    assert 0.75 < walk.leg_length_m < 1.0
    travelled = np.linalg.norm((walk.hips_m[-1] - walk.hips_m[0])[[0, 2]])
    assert 0.8 < travelled / walk.seconds < 2.0  # a walking speed, m/s
    acceleration = np.gradient(np.gradient(walk.hips_m, axis=0), axis=0) * walk.fps**2
    assert np.abs(acceleration[5:-5]).max() < 15


def test_flipped_stretches_are_cut_out_and_counted(shared_data: Path) -> None:
    clip = read_bvh(shared_data / "cmu-mocap" / "12_02.bvh.xz")
    shin = clip.names.index("rShin")
    flipped = clip.rotations_xyzw.copy()
    half_turn = Rotation.from_euler("y", 180, degrees=True)
    flipped[300:340, shin] = (Rotation.from_quat(flipped[300:340, shin]) * half_turn).as_quat()
    segments, report = motion.clean(
        replace(clip, rotations_xyzw=flipped), find_joints(clip), "x", ""
    )
    assert report.dropped["rotation jump"] > 2
    for segment in segments:
        first, end = segment.source_frames
        assert end <= 300 or first >= 300
    steps = [np.abs((s.rotations_xyzw[1:] * s.rotations_xyzw[:-1]).sum(-1)).min() for s in segments]
    assert min(steps) > np.cos(np.deg2rad(10))


def test_a_shaken_root_track_is_dropped(shared_data: Path) -> None:
    segments, report = motion.load_clip(shared_data / "cmu-mocap" / "07_12.bvh.xz")
    assert segments == []
    assert report.dropped["root lost"] > 0
    assert "07_12" in str(report) and "root lost" in str(report)


def test_a_skeleton_without_our_joints_is_refused_with_the_next_step(tmp_path: Path) -> None:
    from bvh_text import BVH

    path = tmp_path / "other.bvh"
    path.write_text(BVH.replace("Frames: 2", "Frames: 200") + "1 2 3 10 20 30 40 50 60\n" * 198)
    with pytest.raises(DataError, match=r"other.bvh.*left_ankle.*--joint-map"):
        motion.load_clip(path)
    (tmp_path / "other.fbx").write_text("")
    with pytest.raises(DataError, match="bvh or .amc"):
        motion.load_clip(tmp_path / "other.fbx")


@pytest.mark.parametrize("frames", [1, 2, 10, 11, 12, 119])
def test_a_clip_under_a_second_is_dropped_as_too_short(shared_data: Path, frames: int) -> None:
    clip = read_bvh(shared_data / "cmu-mocap" / "07_01.bvh.xz")
    short = replace(
        clip,
        root_positions=clip.root_positions[:frames],
        rotations_xyzw=clip.rotations_xyzw[:frames],
    )
    segments, report = motion.clean(short, find_joints(short), "short", "")
    assert segments == [] and report.dropped == {"too short": frames}
    assert report.source_frames == frames and report.kept_frames == 0


def test_low_pass_keeps_slow_and_removes_fast() -> None:
    t = np.arange(480) / 120
    slow, fast = np.sin(2 * np.pi * 1.0 * t), 0.1 * np.sin(2 * np.pi * 30 * t)
    assert np.abs(motion.low_pass(slow + fast, 120, 6.0) - slow)[20:-20].max() < 0.01


def test_mirroring_twice_gives_the_motion_back(rng: np.random.Generator) -> None:
    source = procedural.make_motion(rng, "reach", 2.0)
    once, twice = source.mirrored(), source.mirrored().mirrored()
    np.testing.assert_allclose(twice.hips_m, source.hips_m)
    np.testing.assert_allclose(twice.rotations_xyzw, source.rotations_xyzw)
    body = make_body(np.zeros(12))
    here, there = retarget(source, body).joints, retarget(once, body).joints
    swapped = [motion._other_side(n) for n in JOINT_NAMES]
    mirrored = here[:, [JOINT_NAMES.index(n) for n in swapped]] * (-1, 1, 1)
    # The body itself is symmetric to a few millimetres.
    assert np.abs(mirrored - there).max() < 0.01


def test_retargeting_keeps_directions_and_bone_lengths(
    shared_data: Path, rng: np.random.Generator
) -> None:
    (walk,), _ = motion.load_clip(shared_data / "cmu-mocap" / "07_01.bvh.xz")
    body = make_body(rng.normal(size=12))
    worn = retarget(walk, body)
    for child, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            length = np.linalg.norm(worn.joints[:, child] - worn.joints[:, parent], axis=1)
            rest = np.linalg.norm(body.joints[child] - body.joints[parent])
            np.testing.assert_allclose(length, rest, atol=1e-9)
    for joint, child in (("left_hip", "left_knee"), ("right_elbow", "right_wrist")):
        j, c = _joint(joint), _joint(child)
        bone = worn.joints[:, c] - worn.joints[:, j]
        bone /= np.linalg.norm(bone, axis=1, keepdims=True)
        source = Rotation.from_quat(walk.rotations_xyzw[:, j])
        wanted = source.apply(np.array(T_POSE_DIRECTIONS[joint], float))
        np.testing.assert_allclose(bone, wanted, atol=1e-6)


LOW = ("lie", "sit on floor", "poses")


@pytest.mark.parametrize("action", sorted(procedural.ACTIONS))
def test_feet_stand_on_the_floor_and_never_sink(rng: np.random.Generator, action: str) -> None:
    body = make_body(rng.normal(size=12))
    worn = retarget(procedural.make_motion(rng, action, 4.0), body)
    chosen = sole_vertices(body)
    if action in LOW:
        chosen = np.arange(0, len(body.vertices), 11)
    lowest = skin(
        body.vertices[chosen],
        body.model.weight_joints[chosen],
        body.model.weights[chosen],
        worn.matrices,
    )[..., 1].min(axis=1)
    assert lowest.min() > -0.016
    assert np.percentile(lowest, 20) < (0.03 if action in LOW else 0.011)
    head = worn.joints[:, _joint("head"), 1]
    assert head.min() > (0.1 if action in LOW else 0.25) and head.max() < 2.1
    speed = np.linalg.norm(np.diff(worn.joints, axis=0), axis=-1) * worn.fps
    assert speed.max() < 16.0


@pytest.mark.parametrize("action", sorted(play.STYLES))
def test_limbs_of_played_motion_bend_as_joints_can(action: str) -> None:
    for seed in range(3):
        made = procedural.make_motion(np.random.default_rng(seed), action, 6.0)
        turned = {
            n: Rotation.from_quat(made.rotations_xyzw[:, j]) for j, n in enumerate(JOINT_NAMES)
        }
        for side, sign in (("left", 1.0), ("right", -1.0)):
            shin = (turned[f"{side}_hip"].inv() * turned[f"{side}_knee"]).apply([0, -1.0, 0])
            assert shin[:, 2].max() < 0.2 and np.abs(shin[:, 0]).max() < 0.5
            lower = (turned[f"{side}_shoulder"].inv() * turned[f"{side}_elbow"]).apply(
                [sign, 0.0, 0.0]
            )
            assert np.percentile(lower[:, 0] * sign, 2) > -0.95  # not folded back on itself
        nod = (turned["spine3"].inv() * turned["head"]).apply([0.0, 1.0, 0.0])
        assert nod[:, 1].min() > 0.4


def test_a_jump_flies_as_nothing_holds_it() -> None:
    made = procedural.make_motion(np.random.default_rng(1), "jump", 8.0)
    worn = retarget(made, make_body(np.zeros(12)))
    toes = worn.joints[:, [_joint("left_foot"), _joint("right_foot")], 1].min(axis=1)
    flies = toes > np.percentile(toes, 20) + 0.08
    assert 0.02 < flies.mean() < 0.5
    height = made.hips_m[:, 1]
    falling = np.gradient(np.gradient(height, 1 / made.fps), 1 / made.fps)[flies]
    assert -12.0 < np.median(falling) < -8.0


@pytest.mark.parametrize(
    ("action", "lowest_m", "highest_m"), [("perch", 0.6, 0.9), ("kneel and play", 0.2, 0.5)]
)
def test_seats_and_knees_carry_the_hips(action: str, lowest_m: float, highest_m: float) -> None:
    for seed in range(3):
        made = procedural.make_motion(np.random.default_rng(seed), action, 6.0)
        assert lowest_m < made.hips_m[:, 1].min() and made.hips_m[:, 1].max() < highest_m


def test_an_unknown_action_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(DataError, match="moonwalk"):
        procedural.make_motion(rng, "moonwalk")
