"""FrameAssembler and floor_anchor against the same quantities computed with SciPy."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_runtime._core import DeviceStates, FrameAssembler, LookupKind, Synchroniser, floor_anchor
from same_runtime.conventions import FEATURE_DIM, MAX_VELOCITY_GAP_NS, NUM_DEVICES

MS = 1_000_000
GROUND_Y = 0.1
T_HEAD_CAM = np.eye(4)
T_HEAD_CAM[:3, :3] = Rotation.from_euler("xz", [200, 5], degrees=True).as_matrix()
T_HEAD_CAM[:3, 3] = (0.05, -0.04, -0.08)


@dataclass
class Devices:
    """Random device states and the Synchroniser lookup that carries them."""

    rng: np.random.Generator
    missing: tuple[int, ...] = ()
    rotation: Rotation = field(init=False)
    vector: NDArray = field(init=False)

    def __post_init__(self) -> None:
        self.rotation = Rotation.random(NUM_DEVICES, random_state=self.rng)
        self.vector = self.rng.normal(size=(NUM_DEVICES, 3))

    def states(self) -> DeviceStates:
        sync = Synchroniser()
        for i in set(range(NUM_DEVICES)) - set(self.missing):
            if i < 3:
                sync.push_pose(i, 0, self.vector[i], self.rotation[i].as_quat())
            else:
                sync.push_leg(i, 0, self.rotation[i].as_quat(), self.vector[i])
        return sync.lookup(0)

    @property
    def T_world_cam(self) -> NDArray:
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = self.rotation[0].as_matrix(), self.vector[0]
        return T @ T_HEAD_CAM


class Buffers:
    def __init__(self, window: int) -> None:
        self.imu_features = np.full((NUM_DEVICES, FEATURE_DIM), 9, np.float32)
        self.T_anchor_cam = np.full((window, 4, 4), 9, np.float32)
        self.time_offset_s = np.full(window, 9, np.float32)
        self.window_valid = np.full(window, 9, np.float32)

    def __iter__(self):
        yield from (self.imu_features, self.T_anchor_cam, self.time_offset_s, self.window_valid)


def expected_features(
    now: Devices, before: Devices | None, dt_s: float, straps_measured: bool = False
) -> NDArray:
    features = np.zeros((NUM_DEVICES, FEATURE_DIM))
    R_cam_world = now.T_world_cam[:3, :3].T
    for i in set(range(NUM_DEVICES)) - set(now.missing):
        token = features[i]
        R_cam_device = R_cam_world @ now.rotation[i].as_matrix()
        if i == 0:
            token[:3] = R_cam_world[:, 1]
            token[3] = now.vector[0, 1] - GROUND_Y
        else:
            token[:6] = R_cam_device[:, :2].T.ravel()
        if before is not None and i not in before.missing:
            turn = before.rotation[i].inv() * now.rotation[i]
            token[6:9] = turn.as_rotvec() / dt_s
            if i < 3:
                token[12:15] = R_cam_world @ (now.vector[i] - before.vector[i]) / dt_s
        if i in (1, 2):
            token[9:12] = (np.linalg.inv(now.T_world_cam) @ [*now.vector[i], 1])[:3]
        elif i > 2:
            token[9:12] = R_cam_world @ now.vector[i]
            token[12] = straps_measured
        token[15] = 1
    return features


@settings(max_examples=50)
@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(1, 4)),
    st.sets(st.integers(1, 4)),
    st.integers(5, 500),
    st.booleans(),
)
def test_features_follow_the_layout(
    seed: int,
    missing_first: set[int],
    missing_second: set[int],
    dt_ms: int,
    straps_measured: bool,
) -> None:
    rng = np.random.default_rng(seed)
    first, second = (Devices(rng, tuple(m)) for m in (missing_first, missing_second))
    assembler = FrameAssembler(T_HEAD_CAM, GROUND_Y, window=2)
    out = Buffers(2)
    assert assembler.assemble(0, first.states(), *out)
    np.testing.assert_allclose(out.imu_features, expected_features(first, None, 1), atol=1e-5)
    states = second.states()
    states.straps_measured = straps_measured
    assert assembler.assemble(dt_ms * MS, states, *out)
    expected = expected_features(second, first, dt_ms / 1000, straps_measured)
    np.testing.assert_allclose(out.imu_features, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-5, 1.0, np.pi - 1e-9])
def test_angular_velocity_at_small_and_large_angles(angle: float) -> None:
    axis = np.array([0.6, 0.0, 0.8])
    still, turned = Devices(np.random.default_rng(1)), Devices(np.random.default_rng(1))
    turned.rotation = still.rotation * Rotation.from_rotvec(angle * axis)
    assembler, out = FrameAssembler(T_HEAD_CAM, window=1), Buffers(1)
    assembler.assemble(0, still.states(), *out)
    assembler.assemble(1000 * MS // 4, turned.states(), *out)
    np.testing.assert_allclose(
        out.imu_features[:, 6:9], np.tile(4 * angle * axis, (5, 1)), rtol=1e-5, atol=1e-8
    )


def test_no_velocity_after_a_long_gap() -> None:
    rng = np.random.default_rng(2)
    for gap, moving in ((MAX_VELOCITY_GAP_NS, True), (MAX_VELOCITY_GAP_NS + 1, False)):
        assembler, out = FrameAssembler(T_HEAD_CAM, window=1), Buffers(1)
        assembler.assemble(7, Devices(rng).states(), *out)
        assembler.assemble(7 + gap, Devices(rng).states(), *out)
        assert bool(out.imu_features[:, 6:9].any()) == moving
        assert bool(out.imu_features[:3, 12:15].any()) == moving


def test_window_holds_the_newest_frames_relative_to_the_newest_anchor() -> None:
    rng = np.random.default_rng(3)
    window, times = 4, [0, 10, 25, 30, 60, 61]
    assembler, out = FrameAssembler(T_HEAD_CAM, GROUND_Y, window), Buffers(window)
    poses: list[NDArray] = []
    for frame, time_ms in enumerate(times):
        devices = Devices(rng)
        assert assembler.assemble(time_ms * MS, devices.states(), *out)
        poses.append(devices.T_world_cam)
        np.testing.assert_allclose(assembler.T_world_cam_left, poses[-1], atol=1e-12)
        T_world_anchor = floor_anchor(
            devices.vector[0], devices.rotation[0].as_quat(), ground_y=GROUND_Y
        )
        np.testing.assert_array_equal(assembler.T_world_anchor, T_world_anchor)
        for row in range(window):
            source = frame - (window - 1 - row)
            if source < 0:
                np.testing.assert_array_equal(out.T_anchor_cam[row], np.eye(4))
                assert out.time_offset_s[row] == 0 and out.window_valid[row] == 0
            else:
                expected = np.linalg.inv(T_world_anchor) @ poses[source]
                np.testing.assert_allclose(out.T_anchor_cam[row], expected, atol=1e-5)
                assert out.window_valid[row] == 1
                assert out.time_offset_s[row] == np.float32((times[source] - time_ms) / 1000)
    assert assembler.frames == len(times)


@pytest.mark.parametrize(("spacing_ms", "valid"), [(33, 8), (200, 6), (400, 3), (2000, 1)])
def test_rows_of_long_ago_are_none(spacing_ms: int, valid: int) -> None:
    assembler, out = FrameAssembler(T_HEAD_CAM, GROUND_Y, 8), Buffers(8)
    for index in range(10):
        states = Devices(np.random.default_rng(index)).states()
        assert assembler.assemble((index + 1) * spacing_ms * MS, states, *out)
    assert out.window_valid.tolist() == [0.0] * (8 - valid) + [1.0] * valid
    np.testing.assert_array_equal(
        out.T_anchor_cam[: 8 - valid], np.tile(np.eye(4), (8 - valid, 1, 1))
    )
    expected = -1e-3 * spacing_ms * np.arange(valid - 1, -1, -1)
    np.testing.assert_allclose(out.time_offset_s[8 - valid :], expected, atol=1e-6)


def test_float64_far_from_the_world_origin() -> None:
    devices = Devices(np.random.default_rng(4))
    near, far = FrameAssembler(T_HEAD_CAM, window=2), FrameAssembler(T_HEAD_CAM, window=2)
    out_near, out_far = Buffers(2), Buffers(2)
    for i in range(2):
        devices.vector[0] += 0.01
        near.assemble(i, devices.states(), *out_near)
        devices.vector[:3, [0, 2]] += 1e4
        far.assemble(i, devices.states(), *out_far)
        devices.vector[:3, [0, 2]] -= 1e4
    np.testing.assert_allclose(out_far.T_anchor_cam, out_near.T_anchor_cam, atol=1e-6)


def test_joints_to_world() -> None:
    assembler, out = FrameAssembler(T_HEAD_CAM, GROUND_Y), Buffers(32)
    with pytest.raises(RuntimeError, match="no frame"):
        assembler.joints_to_world(np.zeros((22, 3), np.float32))
    assembler.assemble(0, Devices(np.random.default_rng(5)).states(), *out)
    joints = np.random.default_rng(6).normal(size=(22, 3)).astype(np.float32)
    T = assembler.T_world_anchor
    np.testing.assert_allclose(
        assembler.joints_to_world(joints), joints @ T[:3, :3].T + T[:3, 3], atol=1e-12
    )
    with pytest.raises(ValueError, match="joints_anchor"):
        assembler.joints_to_world(np.zeros(3, np.float32))


def test_refused_frames_change_nothing() -> None:
    rng = np.random.default_rng(7)
    first, second = Devices(rng), Devices(rng)
    assembler, twin = (FrameAssembler(T_HEAD_CAM, window=3) for _ in range(2))
    out, untouched = Buffers(3), Buffers(3)
    for one in (assembler, twin):
        one.assemble(10 * MS, first.states(), *out)
    headless = Devices(rng, missing=(0,)).states()
    assert headless.how[0] == LookupKind.MISSING
    assert not assembler.assemble(20 * MS, headless, *untouched)
    assert not assembler.assemble(10 * MS, second.states(), *untouched)
    assert not assembler.assemble(9 * MS, second.states(), *untouched)
    assert all((array == 9).all() for array in untouched)
    other = Buffers(3)
    assembler.assemble(30 * MS, second.states(), *out)
    twin.assemble(30 * MS, second.states(), *other)
    for a, b in zip(out, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_reset_and_new_ground() -> None:
    rng = np.random.default_rng(8)
    devices = Devices(rng)
    assembler, fresh = FrameAssembler(T_HEAD_CAM, window=2), Buffers(2)
    assembler.assemble(10, Devices(rng).states(), *Buffers(2))
    assembler.reset()
    assembler.ground_y = -1.0
    assert assembler.frames == 0 and assembler.assemble(5, devices.states(), *fresh)
    assert fresh.window_valid.tolist() == [0, 1] and not fresh.imu_features[:, 6:9].any()
    assert assembler.T_world_anchor[1, 3] == -1.0
    assert fresh.imu_features[0, 3] == pytest.approx(devices.vector[0, 1] + 1, abs=1e-6)


@pytest.mark.parametrize(
    ("index", "bad"),
    [
        (0, np.zeros((5, 16))),
        (0, np.zeros((5, 15), np.float32)),
        (1, np.zeros((2, 4, 8), np.float32)[..., ::2]),
        (2, np.zeros(3, np.float32)),
        (3, np.zeros(2, np.float32)),
    ],
)
def test_bad_buffers_raise_and_change_nothing(index: int, bad: NDArray) -> None:
    arrays = list(Buffers(2))
    if index == 3:
        bad.setflags(write=False)
    arrays[index] = bad
    assembler = FrameAssembler(T_HEAD_CAM, window=2)
    with pytest.raises(ValueError, match=("imu_fe", "T_anchor", "time_off", "window_v")[index]):
        assembler.assemble(0, Devices(np.random.default_rng(9)).states(), *arrays)
    assert assembler.frames == 0
    assert all((array == 9).all() for i, array in enumerate(arrays) if i != index)


@pytest.mark.parametrize("scale", [2.0, -1.0, np.nan])
def test_the_camera_pose_must_be_rigid(scale: float) -> None:
    T = np.eye(4)
    T[:3, :3] *= scale
    with pytest.raises(ValueError, match="T_head_cam_left"):
        FrameAssembler(T)


angles = st.floats(-180, 180)  # degrees, as all angles below


@given(angles, st.floats(-75, 75), st.floats(-60, 60))
def test_anchor_takes_yaw_alone(yaw: float, pitch: float, roll: float) -> None:
    head = Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True)
    T = floor_anchor((1, 2, 3), head.as_quat(), 0.25)
    np.testing.assert_allclose(
        T[:3, :3], Rotation.from_euler("y", yaw, degrees=True).as_matrix(), atol=1e-9
    )
    np.testing.assert_array_equal(T[:3, 3], (1, 0.25, 3))


@given(angles, st.floats(-95, 95))
def test_anchor_keeps_its_yaw_up_to_and_past_the_vertical(yaw: float, pitch: float) -> None:
    head = Rotation.from_euler("YX", [yaw, pitch], degrees=True)
    T = floor_anchor((0, 0, 0), head.as_quat())
    turn = Rotation.from_matrix(T[:3, :3]).inv() * Rotation.from_euler("y", yaw, degrees=True)
    assert turn.magnitude() < 1e-6


@given(angles, st.floats(-90, -60), st.floats(-60, 60))
def test_anchor_is_continuous_when_looking_down(yaw: float, pitch: float, roll: float) -> None:
    angles_deg = np.array([yaw, pitch, roll])
    near = [
        Rotation.from_euler("YXZ", angles_deg + [0, shift, 0], degrees=True).as_quat()
        for shift in (0, 1e-4)
    ]
    a, b = (Rotation.from_matrix(floor_anchor((0, 0, 0), q)[:3, :3]) for q in near)
    assert np.degrees((a.inv() * b).magnitude()) < 0.01
