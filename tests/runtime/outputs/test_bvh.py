"""BVH files: read back by an independent reader, every joint within a millimetre."""

from pathlib import Path

import numpy as np
import pytest
from posed_bodies import FRAME_NS, body, random_turns

from same_model.synth.motion.capture.bvh import read_bvh
from same_runtime import Pose, RecordingError, SkeletonSolver
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_recording
from same_runtime.outputs import BvhFile
from same_runtime.outputs.motion_file import MotionClip
from same_runtime.recording import Recording

FACING_PLUS_Z = (-1.0, 1.0, -1.0)


def read_metres(path: Path, scale: float = 100.0) -> tuple[np.ndarray, float]:
    """(frames, 22, 3) in our world, and frames per second."""
    clip = read_bvh(path)
    places, _ = clip.poses()
    order = [clip.names.index(name) for name in JOINT_NAMES]
    return places[:, order] / scale * FACING_PLUS_Z, clip.fps


def test_random_poses_come_back_within_a_millimetre(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    # Long apart: each starts anew, so that the bones alone are compared.
    poses = [body(random_turns(rng), timestamp_ns=900_000_000 * (i + 1)) for i in range(60)]
    with BvhFile(tmp_path / "a.bvh") as file:
        for pose in poses:
            file.send(pose)
    joints, fps = read_metres(tmp_path / "a.bvh")
    assert fps == pytest.approx(1 / 0.9)
    np.testing.assert_allclose(joints, [pose.joints_world for pose in poses], atol=1e-3)


def test_the_shipped_recording_comes_back_within_a_millimetre(tmp_path: Path) -> None:
    truth = [s for s in Recording(demo_recording()).samples(("truth",))]
    solver = SkeletonSolver()
    with BvhFile(tmp_path / "demo.bvh", scale=1.0) as file:
        held = []
        for sample in truth:
            pose = Pose(sample.timestamp_ns, joints_world=sample.value)
            file.send(pose)
            skeleton = solver.solve(pose)
            assert skeleton is not None
            held.append(skeleton.joints_world)
    joints, _ = read_metres(tmp_path / "demo.bvh", scale=1.0)
    assert len(joints) == len(held) >= 300
    np.testing.assert_allclose(joints, held, atol=1e-3)
    np.testing.assert_allclose(joints, [sample.value for sample in truth], atol=1e-3)


def test_a_reader_of_others_agrees_within_a_millimetre(tmp_path: Path) -> None:
    bvhio = pytest.importorskip("bvhio", reason="needs pip install .[dev]")
    rng = np.random.default_rng(9)
    poses = [body(random_turns(rng), timestamp_ns=900_000_000 * (i + 1)) for i in range(12)]
    with BvhFile(tmp_path / "a.bvh", scale=1.0) as file:
        for pose in poses:
            file.send(pose)
    root = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    for frame, pose in enumerate(poses):
        root.loadPose(frame)
        places = {j.Name: tuple(j.PositionWorld) for j, _, _ in root.layout()}
        joints = np.array([places[name] for name in JOINT_NAMES]) * FACING_PLUS_Z
        np.testing.assert_allclose(joints, pose.joints_world, atol=1e-3)


def test_the_t_pose_faces_plus_z_with_the_left_at_plus_x(tmp_path: Path) -> None:
    with BvhFile(tmp_path / "t.bvh") as file:
        file.send(body())
    clip = read_bvh(tmp_path / "t.bvh")
    np.testing.assert_allclose(np.abs(clip.rotations_xyzw[..., 3]), 1.0, atol=1e-6)
    offsets = dict(zip(clip.names, clip.offsets, strict=True))
    assert offsets["left_shoulder"][0] > 0 > offsets["right_shoulder"][0]
    assert offsets["left_foot"][2] > 0
    np.testing.assert_allclose(offsets["right_knee"], (0, -40.5, 0), atol=1e-3)
    assert len(clip.ends) == 5


def test_missing_poses_leave_the_time_as_it_is(tmp_path: Path) -> None:
    kept = [i for i in range(40) if i not in (10, 11, 25)]
    with BvhFile(tmp_path / "gap.bvh") as file:
        for i in kept:
            pose = body(timestamp_ns=i * FRAME_NS + 1)
            file.send(
                Pose(
                    pose.timestamp_ns,
                    pose.status,
                    joints_world=pose.joints_world + (0.01 * i, 0, 0),
                )
            )
    joints, fps = read_metres(tmp_path / "gap.bvh")
    assert len(joints) == 40 and fps == pytest.approx(1e9 / FRAME_NS)
    x = 100 * (joints[:, 0, 0] - joints[0, 0, 0])
    np.testing.assert_allclose(x[kept], kept, atol=0.01)
    assert x[10] in (pytest.approx(9, abs=0.01), pytest.approx(12, abs=0.01))


def test_the_motion_goes_on_where_stamps_begin_anew(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    turns = [random_turns(rng) for _ in range(6)]
    stamps = [90_000_000_000 + FRAME_NS * i for i in range(3)] + [FRAME_NS * i for i in range(3)]
    with BvhFile(tmp_path / "a.bvh") as file:
        for turn, stamp in zip(turns, stamps, strict=True):
            file.send(body(turn, timestamp_ns=stamp))
        file.send(body(turns[0], timestamp_ns=0))  # late: not anew
    assert (file.sent, file.skipped) == (6, 1)
    joints, fps = read_metres(tmp_path / "a.bvh")
    assert len(joints) == 6 and fps == pytest.approx(1e9 / FRAME_NS, rel=0.01)


@pytest.mark.parametrize("pause_s", [11, 8 * 3600, 1_700_000_000])
def test_the_motion_goes_on_after_a_pause_or_a_jump_of_clocks(tmp_path: Path, pause_s: int) -> None:
    stamps = [FRAME_NS * i for i in range(3)]
    stamps += [pause_s * 10**9 + FRAME_NS * i for i in range(3)]
    with BvhFile(tmp_path / "a.bvh") as file:
        for stamp in stamps:
            file.send(body(timestamp_ns=stamp))
    joints, fps = read_metres(tmp_path / "a.bvh")
    assert len(joints) == 6 and fps == pytest.approx(1e9 / FRAME_NS, rel=0.01)


def test_a_part_goes_over_a_pause() -> None:
    clip, solver = MotionClip(), SkeletonSolver()
    for seconds in (50, 51, 90, 91):
        skeleton = solver.solve(body(timestamp_ns=seconds * 10**9))
        assert skeleton is not None and clip.add(skeleton)
    part = clip.between(51 * 10**9, 91 * 10**9).motion()
    assert part is not None and (part.times_ns // 10**9).tolist() == [51, 52, 53]


def test_a_part_is_of_the_time_since_stamps_began_anew() -> None:
    clip, solver = MotionClip(), SkeletonSolver()
    for seconds in (10, 11, 12, 1, 2, 11):
        skeleton = solver.solve(body(timestamp_ns=seconds * 10**9))
        assert skeleton is not None and clip.add(skeleton)
    part = clip.between(0, 12 * 10**9).motion()
    assert part is not None and (part.times_ns // 10**9).tolist() == [1, 2, 11]
    assert clip.between(12 * 10**9, 12 * 10**9).motion() is None


def test_without_poses_there_is_no_file(tmp_path: Path) -> None:
    with BvhFile(tmp_path / "none.bvh") as file:
        file.send(Pose())
        assert (file.sent, file.skipped) == (0, 1)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        BvhFile(tmp_path / "no" / "such" / "folder.bvh")
    file = BvhFile(tmp_path / "taken.bvh")
    (tmp_path / "taken.bvh").mkdir()
    file.send(body())
    with pytest.raises(RecordingError, match="taken.bvh: cannot be written"):
        file.close()
    assert [p.name for p in tmp_path.iterdir()] == ["taken.bvh"], "half a file is left"


@pytest.mark.parametrize("place", [".", "", "a\0b"])
def test_a_folder_or_no_name_is_told_at_once(place: str) -> None:
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        BvhFile(place)
