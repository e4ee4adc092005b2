"""MCAP files with Foxglove's messages."""

import json
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from posed_bodies import FRAME_NS, body, random_turns
from scipy.spatial.transform import Rotation

from same_runtime import Pose, PoseStatus, RecordingError
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS
from same_runtime.outputs import McapFile
from same_runtime.outputs.foxglove import SCENE_TOPIC, TRANSFORM_TOPIC
from same_runtime.recording.pose_files import POSE_TOPIC


def read(path: Path) -> dict[str, list[tuple[str, int, dict]]]:
    """Topic -> (schema, time, content) of each message."""
    topics: dict[str, list[tuple[str, int, dict]]] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None and json.loads(schema.data)["title"] == schema.name
            content = json.loads(message.data)
            topics.setdefault(channel.topic, []).append(
                (schema.name, message.publish_time, content)
            )
    return topics


def test_transforms_and_scene_give_the_joints_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    poses = [body(random_turns(rng), timestamp_ns=700_000_000 * (i + 1)) for i in range(5)]
    with McapFile(tmp_path / "body.mcap") as file:
        file.send(Pose())
        for pose in poses:
            file.send(pose)
        assert (file.sent, file.skipped) == (5, 1)
    topics = read(tmp_path / "body.mcap")
    assert {topic: messages[0][0] for topic, messages in topics.items()} == {
        POSE_TOPIC: "same.Joints",
        TRANSFORM_TOPIC: "foxglove.FrameTransforms",
        SCENE_TOPIC: "foxglove.SceneUpdate",
    }
    for pose, (_, time_ns, content) in zip(poses, topics[TRANSFORM_TOPIC], strict=True):
        assert time_ns == pose.timestamp_ns
        frames = {"world": (np.zeros(3), Rotation.identity())}
        for transform in content["transforms"]:
            place, turn = frames[transform["parent_frame_id"]]
            move = np.array([transform["translation"][a] for a in "xyz"])
            local = Rotation.from_quat([transform["rotation"][a] for a in "xyzw"])
            frames[transform["child_frame_id"]] = place + turn.apply(move), turn * local
        joints = np.stack([frames[name][0] for name in JOINT_NAMES])
        np.testing.assert_allclose(joints, pose.joints_world, atol=1e-3)
    for pose, (_, _, content) in zip(poses, topics[SCENE_TOPIC], strict=True):
        (entity,) = content["entities"]
        line = entity["lines"][0]
        points = np.array([[p[a] for a in "xyz"] for p in line["points"]])[line["indices"]]
        bones = [(j, p) for j, p in enumerate(JOINT_PARENTS) if p >= 0]
        np.testing.assert_allclose(points, pose.joints_world[np.ravel(bones)], atol=1e-3)


def test_the_joints_are_written_with_every_status(tmp_path: Path) -> None:
    poses = [
        body(timestamp_ns=(index + 1) * FRAME_NS, status=status)
        for index, status in enumerate(PoseStatus)
    ]
    nowhere = body(timestamp_ns=10**9, joints_world=np.full((22, 3), np.nan))
    with McapFile(tmp_path / "body.mcap") as file:
        for pose in (*poses, nowhere):
            file.send(pose)
        assert (file.sent, file.skipped) == (3, 1)
    written = read(tmp_path / "body.mcap")[POSE_TOPIC]
    for pose, (_, _, content) in zip(poses, written, strict=True):
        assert (content["status"], content["frame_id"]) == (pose.status.value, "world")
        time_ns = content["timestamp"]["sec"] * 10**9 + content["timestamp"]["nsec"]
        assert time_ns == pose.timestamp_ns
        np.testing.assert_allclose(content["positions"], pose.joints_world, atol=1e-3)


def test_the_status_is_told_by_the_colour(tmp_path: Path) -> None:
    with McapFile(tmp_path / "body.mcap") as file:
        for index, status in enumerate(PoseStatus):
            file.send(body(timestamp_ns=(index + 1) * FRAME_NS, status=status))
    colours = [
        tuple(content["entities"][0]["lines"][0]["color"].values())
        for _, _, content in read(tmp_path / "body.mcap")[SCENE_TOPIC]
    ]
    assert len(set(colours)) == 3


def test_without_poses_there_is_no_file_and_a_bad_place_is_one_line(tmp_path: Path) -> None:
    with McapFile(tmp_path / "none.mcap") as file:
        file.send(Pose())
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecordingError, match="cannot be written"):
        McapFile(tmp_path / "no" / "folder.mcap")


def test_a_full_disk_is_counted_and_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = McapFile(tmp_path / "full.mcap")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file._writer._writer, "add_message", full)
    for index in range(3):
        file.send(body(timestamp_ns=(index + 1) * FRAME_NS))
    assert file.failed == 3 and "No space left" in file.last_error
    with pytest.raises(RecordingError, match="No space left"):
        file.close()
    assert not list(tmp_path.iterdir())


def test_poses_too_far_from_the_first_have_failed_and_the_others_are_kept(tmp_path: Path) -> None:
    with McapFile(tmp_path / "long.mcap") as file:
        for hours in (1, 2, 27, 3):
            file.send(body(timestamp_ns=hours * 3600 * 10**9))
    assert (file.sent, file.failed) == (3, 1) and "24 hours" in file.last_error
    assert len(read(tmp_path / "long.mcap")[POSE_TOPIC]) == 3


@pytest.mark.parametrize("place", [".", "", "a\0b"])
def test_a_folder_or_no_name_is_told_at_once(place: str) -> None:
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        McapFile(place)
