"""Poses on their way out of a tracker: rotations, planted feet, smoothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_stream import SECOND, live_events
from posed_bodies import FRAME_NS, body, forward_kinematics
from scipy.spatial.transform import Rotation

from same_runtime import InvalidInputError, OneEuro, Pose, SamePoseTracker, TrackerOptions
from same_runtime.conventions import JOINT_NAMES
from same_runtime.estimation.finishing import PoseSmoother
from same_runtime.skeleton.bone_lengths import bone_lengths

HEAD, LEFT_WRIST, LEFT_FOOT = (JOINT_NAMES.index(n) for n in ("head", "left_wrist", "left_foot"))


def tracked(tracker: SamePoseTracker, seconds: float = 0.5) -> list[Pose]:
    poses = []
    for event in live_events(tracker.rig, seconds):
        event.send(tracker.ingest)
        if event.stream == "frame" and (pose := tracker.step()) is not None:
            poses.append(pose)
    return poses


@pytest.mark.parametrize("options", [{"solve_rotations": True}, {"plant_feet": True}])
def test_poses_come_with_a_skeleton_whose_kinematics_are_the_joints(
    tiny_bundle: Path, options: dict
) -> None:
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(**options)) as tracker:
        poses = tracked(tracker)
        tracker.recentre()
        for step_ns in (0, 11_000_000, -5_000_000, 30_000_000):
            poses.append(tracker.at_time(poses[-1].timestamp_ns + step_ns))
        assert tracker.calibration.T_user_world[0, 3] != 0
    for pose in poses:
        assert pose.skeleton is not None and pose.root is not None
        assert pose.rotations_local is not None and pose.bone_lengths_m is not None
        joints, rotations = forward_kinematics(
            pose.root[0], pose.rotations_local, pose.skeleton.offsets_m
        )
        np.testing.assert_allclose(joints, pose.joints_world, atol=1e-6)
        assert pose.rotations_world is not None
        cosines = np.abs((rotations * pose.rotations_world).sum(axis=1))
        np.testing.assert_allclose(cosines, 1.0, atol=1e-9)
        T = pose.T_world_cam_left
        in_world = pose.joints_cam_left @ T[:3, :3].T + T[:3, 3]
        np.testing.assert_allclose(in_world, pose.joints_world, atol=1e-9)
    lengths = [pose.bone_lengths_m for pose in poses]
    np.testing.assert_allclose(lengths, [lengths[0]] * len(poses), atol=1e-9)


def test_a_look_ahead_leaves_no_trace(tiny_bundle: Path) -> None:
    options = TrackerOptions(plant_feet=True, smoothing=OneEuro())
    ends = []
    for looks in (0, 3):
        with SamePoseTracker(tiny_bundle, options=options) as tracker:
            for event in live_events(tracker.rig, 0.4):
                event.send(tracker.ingest)
                if event.stream == "frame" and (pose := tracker.step()) is not None:
                    for look in range(looks):
                        tracker.at_time(pose.timestamp_ns + look * 20_000_000 - 10_000_000)
            ends.append(tracker.latest())
    np.testing.assert_array_equal(ends[0].joints_world, ends[1].joints_world)
    np.testing.assert_array_equal(ends[0].rotations_world, ends[1].rotations_world)


def test_given_bone_lengths_and_floor_count(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle, options=TrackerOptions(plant_feet=True)) as tracker:
        given = 1.1 * bone_lengths(body().joints_world)
        given[0] = 0.0
        tracker.calibration.set_bone_lengths(np.maximum(given, [0.0] + [0.02] * 21))
        tracker.calibration.set_floor(0.4)
        pose = tracked(tracker)[-1]
    assert pose.bone_lengths_m is not None
    np.testing.assert_allclose(pose.bone_lengths_m, given)
    hip = pose.joints_world[JOINT_NAMES.index("left_hip")]
    if hip[1] > 0.45:
        assert pose.joints_world[LEFT_FOOT, 1] > 0.4


def test_without_the_options_there_is_no_skeleton(tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as tracker:
        pose = tracked(tracker, 0.2)[-1]
    assert pose.skeleton is None and pose.rotations_world is None and pose.root is None
    assert pose.rotations_local is None and pose.bone_lengths_m is None


def smoothed(settings: OneEuro, at: Callable[[float], Pose], frames: int = 180) -> np.ndarray:
    smoother = PoseSmoother(settings)
    return np.stack(
        [
            smoother.smooth(replace(at(i * 1e-9 * FRAME_NS), timestamp_ns=(i + 1) * FRAME_NS), True)
            for i in range(frames)
        ]
    )


def test_jitter_of_a_body_at_rest_is_filtered_away() -> None:
    rng = np.random.default_rng(5)
    rest = body().joints_world

    def at(_: float) -> Pose:
        noise = rng.normal(0, 0.005, (22, 3))
        noise[HEAD] = 0.0
        return body(joints_world=rest + noise)

    joints = smoothed(OneEuro(min_cutoff_hz=1.0, cutoff_per_speed=0.0), at)[30:]
    assert np.abs(joints[:, HEAD] - rest[HEAD]).max() < 1e-12, "the head is measured: it stays"
    steps = np.diff(joints[:, LEFT_FOOT], axis=0)
    assert steps.std() < 0.15 * 0.005 * np.sqrt(2)


def test_head_and_tracked_hands_are_not_delayed() -> None:
    rest = body().joints_world
    devices = np.zeros((5, 4))
    devices[1] = Rotation.identity().as_quat()

    def at(time_s: float) -> Pose:
        walked = rest + np.array((0.0, 0.0, -1.2)) * time_s
        return body(joints_world=walked, device_orientations_world=devices)

    joints = smoothed(OneEuro(), at)
    walked = np.stack([at(i * 1e-9 * FRAME_NS).joints_world for i in range(180)])
    for joint in (HEAD, LEFT_WRIST):
        np.testing.assert_allclose(joints[:, joint], walked[:, joint], atol=1e-9)
    behind_s = (joints - walked)[-1, LEFT_FOOT, 2] / 1.2
    assert 0.005 < behind_s < 0.05


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrackerOptions(smoothing=1.0), "smoothing: expected OneEuro or None, got float"),  # type: ignore[arg-type]
        (lambda: TrackerOptions(plant_feet="no"), "plant_feet"),  # type: ignore[arg-type]
        (lambda: OneEuro(min_cutoff_hz=0.0), "min_cutoff_hz"),
        (lambda: OneEuro(cutoff_per_speed=-1.0), "cutoff_per_speed"),
    ],
)
def test_wrong_settings_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_a_started_tracker_gives_skeletons_out(tiny_bundle: Path) -> None:
    from live_stream import START_NS

    with SamePoseTracker(tiny_bundle, options=TrackerOptions(plant_feet=True)) as tracker:
        tracked(tracker)
        now_ns = START_NS + SECOND // 2
        seen: list[Pose] = []
        tracker.on_pose(seen.append)
        ticks = iter(range(10**6))
        tracker.start(clock=lambda: now_ns + next(ticks) * 1_000_000)
        while len([p for p in seen if p.skeleton is not None]) < 5:
            assert len(seen) < 500
        tracker.stop()
    skeletons = [p.skeleton for p in seen if p.skeleton is not None]
    assert any(s.velocities_world.any() for s in skeletons)
