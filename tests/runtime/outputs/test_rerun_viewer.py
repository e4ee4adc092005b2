"""Rerun: what its file holds, by rerun's own reader."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rerun", reason="needs pip install .[rerun]")
import rerun
from posed_bodies import FRAME_NS, body, random_turns
from recordings import write_made_up
from rerun.chunk import RrdReader

from same_runtime import (
    InvalidInputError,
    Pose,
    PoseStatus,
    Reason,
    RecordingError,
    SamePoseTracker,
    SkeletonSolver,
    StereoFrame,
)
from same_runtime.camera import CameraRig
from same_runtime.cli.track import TrackCommand, track
from same_runtime.outputs import RerunViewer


def rows(path: Path, entity: str, column: str) -> Iterator[tuple[int | None, Any]]:
    """Time (ns, None: always) and value of each row of a component, in order."""
    found = []
    for chunk in RrdReader(path).store().stream():
        batch = chunk.to_record_batch()
        if chunk.entity_path != f"/{entity}" or column not in batch.schema.names:
            continue
        values = batch.column(column).to_pylist()
        times: list[int | None] = [None] * len(values)
        if "time" in batch.schema.names:
            times = batch.column("time").cast("int64").to_pylist()
        found += [row for row in zip(times, values, strict=True) if row[1] is not None]
    yield from sorted(found, key=lambda row: row[0] or 0)


def test_the_file_holds_the_poses(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    poses = [body(random_turns(rng), timestamp_ns=(i + 1) * 700_000_000) for i in range(5)]
    limited = body(
        timestamp_ns=4_200_000_000,
        status=PoseStatus.LIMITED,
        reasons=(Reason.CAMERA_LOST,),
        latency_ns=3_500_000,
    )
    poses.append(limited)
    path = tmp_path / "body.rrd"
    with RerunViewer(path) as viewer:
        viewer.send(Pose(reasons=(Reason.HEAD_LOST,)))
        for pose in poses:
            viewer.send(pose)
        assert not path.exists(), "whole or not at all"
        assert (viewer.sent, viewer.skipped) == (6, 1)
    joints = list(rows(path, "world/body/joints", "Points3D:positions"))
    turns = list(rows(path, "world/body/frames", "InstancePoses3D:quaternions"))
    solver = SkeletonSolver()
    for pose, (joints_ns, positions), (turns_ns, quaternions) in zip(
        poses, joints, turns, strict=True
    ):
        assert abs(joints_ns - pose.timestamp_ns) < 2000 and turns_ns == joints_ns
        skeleton = solver.solve(pose)
        assert skeleton is not None
        np.testing.assert_allclose(positions, skeleton.joints_world, atol=1e-5)
        np.testing.assert_allclose(quaternions, skeleton.rotations_world, atol=1e-5)
    statuses = [value[0] for _, value in rows(path, "status", "TextLog:text")]
    assert [status.partition(";")[0] for status in statuses] == ["INVALID", "VALID", "LIMITED"]
    assert Reason.CAMERA_LOST.value in statuses[-1]
    assert list(rows(path, "figures", "Scalars:scalars"))[-1][1][0] == pytest.approx(3.5)
    assert list(rows(path, "world", "AnnotationContext:context"))


def test_images_only_where_asked_with_the_joints_in_them(
    tmp_path: Path, small_rig: CameraRig
) -> None:
    camera = small_rig.left
    grey = np.full((camera.height, camera.width), 90, np.uint8)
    ahead = np.tile((0.0, 0.0, 2.0), (22, 1))
    for name, rig in (("with", small_rig), ("without", None)):
        with RerunViewer(tmp_path / name, rig=rig) as viewer:
            viewer.show_frame(StereoFrame(FRAME_NS, grey, None))
            viewer.send(body(joints_cam_left=ahead))
    assert not list(rows(tmp_path / "without", "camera/left", "EncodedImage:blob"))
    assert len(list(rows(tmp_path / "with", "camera/left", "EncodedImage:blob"))) == 1
    assert not list(rows(tmp_path / "with", "camera/right", "EncodedImage:blob"))
    ((_, pixels),) = rows(tmp_path / "with", "camera/left/joints", "Points2D:positions")
    expected = camera.project(ahead)[0] + 0.5
    np.testing.assert_allclose(pixels, expected, atol=1e-3)


def test_streams_are_shown(tmp_path: Path, tiny_bundle: Path) -> None:
    with (
        SamePoseTracker(tiny_bundle) as tracker,
        RerunViewer(tmp_path / "body.rrd", tracker.stats) as viewer,
    ):
        viewer.send(body())
    ((_, (table,)),) = rows(tmp_path / "body.rrd", "streams", "TextDocument:text")
    assert "| leg_left | NEVER | 0 Hz |" in table


def test_without_poses_there_is_no_file_and_a_bad_place_is_one_line(tmp_path: Path) -> None:
    with RerunViewer(tmp_path / "none.rrd") as viewer:
        viewer.send(Pose())
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecordingError, match="choose another place"):
        RerunViewer(tmp_path / "no" / "folder.rrd")


def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = RerunViewer(tmp_path / "a.rrd")
    viewer.send(body(timestamp_ns=1_000_000_000))

    def full() -> None:
        raise RuntimeError("File-writer thread shut down prematurely")

    monkeypatch.setattr(viewer._recording, "flush", full)
    with pytest.raises(RecordingError, match="cannot be written.*prematurely"):
        viewer.close()
    assert not list(tmp_path.iterdir())


def test_without_rerun_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InvalidInputError, match=r"pip install .*\[rerun\]'"):
        RerunViewer()


def test_a_viewer_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError("no viewer executable\nand more")

    monkeypatch.setattr(rerun, "spawn", fails)
    with pytest.raises(InvalidInputError, match=r"does not start \(no viewer executable\); --view"):
        RerunViewer()


def test_the_command_line_writes_and_views(
    tmp_path: Path, tiny_bundle: Path, small_rig: CameraRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_made_up(tmp_path / "made-up.mcap", small_rig, 1.0)
    seen = tmp_path / "seen.rrd"
    monkeypatch.setattr(rerun, "spawn", lambda recording: recording.save(seen))
    track(
        TrackCommand(
            recording,
            bundle=tiny_bundle,
            out=tmp_path / "out",
            live=True,
            view=("rerun",),
            view_images=True,
            write="rrd",
        )
    )
    for path in (seen, tmp_path / "out" / "body.rrd"):
        assert len(list(rows(path, "world/body/joints", "Points3D:positions"))) > 10
    assert list(rows(seen, "camera/left", "EncodedImage:blob"))
    assert list(rows(seen, "streams", "TextDocument:text"))


@pytest.mark.parametrize("place", [".", "", "a\0b"])
def test_a_folder_or_no_name_is_told_at_once(place: str) -> None:
    with pytest.raises(RecordingError, match="cannot be written .*; choose another place"):
        RerunViewer(place)
