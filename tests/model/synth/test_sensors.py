from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_model.synth import sensors
from same_model.synth.body.body import make_body
from same_model.synth.motion import procedural
from same_model.synth.motion.retarget import BodyMotion, retarget
from same_runtime.conventions import DEVICES, JOINT_NAMES

EPOCH_NS = 10**12
PERFECT = sensors.PoseNoise(90.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, (0.1, 0.2))
PERFECT_LEG = sensors.LegNoise(
    white_rotation_deg=0,
    heading_error_deg=0,
    heading_drift_deg_per_min=0,
    tissue_wobble_deg=0,
    accelerometer_bias=0,
    accelerometer_noise=0,
    latency_s=0,
    clock_offset_s=0,
    time_jitter_s=0,
    packet_loss=0,
    losses_per_minute=0,
)


@pytest.fixture(scope="module")
def worn() -> BodyMotion:
    rng = np.random.default_rng(0)
    return retarget(procedural.make_motion(rng, "reach", 30.0), make_body(np.zeros(12)))


@pytest.fixture(scope="module")
def tracks(worn: BodyMotion) -> sensors.DeviceTracks:
    rng = np.random.default_rng(1)
    return sensors.true_tracks(worn, sensors.random_mounting(rng, worn))


def _seconds(stream: sensors.DeviceStream) -> np.ndarray:
    return (stream.timestamp_ns - EPOCH_NS) / 1e9


def test_devices_sit_on_the_joints_that_wear_them(
    worn: BodyMotion, tracks: sensors.DeviceTracks
) -> None:
    for device, joint, low, high in (
        ("head", "head", 0.08, 0.18),
        ("ctrl_left", "left_wrist", 0.06, 0.15),
        ("ctrl_right", "right_wrist", 0.06, 0.15),
    ):
        d, j = DEVICES.index(device), JOINT_NAMES.index(joint)
        bone = Rotation.from_quat(worn.rotations_xyzw[:, j])
        offset = bone.inv().apply(tracks.positions[d] - worn.joints[:, j])
        assert np.ptp(offset, axis=0).max() < 1e-9
        assert low < np.linalg.norm(offset[0]) < high
        turn = bone.inv() * Rotation.from_quat(tracks.orientations_xyzw[d])
        assert (turn[0].inv() * turn).magnitude().max() < 1e-6
    for device, knee, ankle in (
        ("leg_left", "left_knee", "left_ankle"),
        ("leg_right", "right_knee", "right_ankle"),
    ):
        d = DEVICES.index(device)
        k, a = JOINT_NAMES.index(knee), JOINT_NAMES.index(ankle)
        shank = worn.joints[:, a] - worn.joints[:, k]
        along = ((tracks.positions[d] - worn.joints[:, k]) * shank).sum(1) / (shank**2).sum(1)
        assert (along > 0.1).all() and (along < 0.7).all()


def test_axes_are_openxrs(tracks: sensors.DeviceTracks) -> None:
    for device in ("head", "leg_left", "leg_right"):
        up = Rotation.from_quat(tracks.orientations_xyzw[DEVICES.index(device)]).apply([0, 1, 0])
        assert up[:, 1].mean() > 0.7
    head = Rotation.from_quat(tracks.orientations_xyzw[0]).apply([0, 0, -1])
    assert head[:, 2].mean() > 0.5  # the procedural body faces +z
    # Grips of the left and right hand mirror each other: x points the same way through both.
    for d in (1, 2):
        x = Rotation.from_quat(tracks.orientations_xyzw[d]).apply([1, 0, 0])
        assert np.median(x[:, 0]) < 0


def test_perfect_sensors_report_the_truth(
    tracks: sensors.DeviceTracks, rng: np.random.Generator
) -> None:
    streams = sensors.sense_all(rng, tracks, EPOCH_NS, PERFECT, PERFECT, PERFECT_LEG)
    for d, device in enumerate(DEVICES):
        stream = streams[device]
        position, orientation = tracks.at(d, _seconds(stream))
        apart = Rotation.from_quat(stream.orientation_xyzw).inv() * Rotation.from_quat(orientation)
        assert apart.magnitude().max() < 1e-6
        if stream.position is not None:
            np.testing.assert_allclose(stream.position, position, atol=1e-6)
        else:
            assert stream.acceleration is not None
            truth = tracks.acceleration(d, _seconds(stream))
            np.testing.assert_allclose(stream.acceleration, truth, atol=1e-5)


def test_rates_clocks_and_order(tracks: sensors.DeviceTracks, rng: np.random.Generator) -> None:
    streams = sensors.sense_all(rng, tracks, EPOCH_NS)
    rates = {}
    for device, stream in streams.items():
        assert (np.diff(stream.timestamp_ns) > 0).all()
        assert stream.timestamp_ns.dtype == np.int64
        rates[device] = 1e9 / np.median(np.diff(stream.timestamp_ns))
    assert rates["head"] == pytest.approx(90, rel=0.02)
    assert rates["leg_left"] == pytest.approx(100, rel=0.02)


def test_clock_offset_and_latency_shift_what_is_reported(
    tracks: sensors.DeviceTracks, rng: np.random.Generator
) -> None:
    late = replace(PERFECT, latency_s=0.02)
    stream = sensors.sense_pose(rng, tracks, 1, late, EPOCH_NS)
    shifts = np.linspace(0, 0.05, 51)
    errors = [
        np.abs(tracks.at(1, _seconds(stream)[50:-50] - s)[0] - stream.position[50:-50]).mean()  # type: ignore[index]
        for s in shifts
    ]
    assert shifts[int(np.argmin(errors))] == pytest.approx(0.02, abs=0.015)
    assert min(errors) < 0.1 * errors[0]


def test_losses_leave_holes_and_frames_in_them_are_invalid(
    tracks: sensors.DeviceTracks, rng: np.random.Generator
) -> None:
    lossy = replace(PERFECT, losses_per_minute=30.0, loss_s=(0.3, 0.5))
    stream = sensors.sense_pose(rng, tracks, 0, lossy, EPOCH_NS)
    assert np.diff(stream.timestamp_ns).max() > 0.25e9
    frames = EPOCH_NS + np.arange(int(0.5e9), int(25e9), int(1e9 / 30))
    position, orientation, valid = sensors.at_frames(stream, frames)
    assert 0.4 < valid.mean() < 1.0
    assert (position[~valid] == 0).all() and (orientation[~valid] == 0).all()
    truth, _ = tracks.at(0, (frames - EPOCH_NS) / 1e9)
    assert np.abs(position[valid] - truth[valid]).max() < 0.003


def test_an_accelerometer_saturates(tracks: sensors.DeviceTracks, rng: np.random.Generator) -> None:
    weak = replace(PERFECT_LEG, accelerometer_range=5.0)
    stream = sensors.sense_leg(rng, tracks, 3, weak, EPOCH_NS)
    assert stream.acceleration is not None
    # It cannot even hold gravity, so removing gravity leaves a downward remainder.
    assert stream.acceleration[:, 1].mean() < -0.5


def test_a_wrong_heading_turns_the_leg_but_keeps_gravity_out(
    tracks: sensors.DeviceTracks, rng: np.random.Generator
) -> None:
    turned = replace(PERFECT_LEG, heading_error_deg=30.0)
    stream = sensors.sense_leg(rng, tracks, 4, turned, EPOCH_NS)
    truth = Rotation.from_quat(tracks.at(4, _seconds(stream))[1])
    error = (Rotation.from_quat(stream.orientation_xyzw) * truth.inv()).as_rotvec()
    np.testing.assert_allclose(error[:, [0, 2]], 0, atol=1e-6)
    assert stream.acceleration is not None
    vertical = tracks.acceleration(4, _seconds(stream))[:, 1]
    np.testing.assert_allclose(stream.acceleration[:, 1], vertical, atol=1e-4)


def _noise_of(times: np.ndarray, positions: np.ndarray, turns: Rotation) -> tuple[float, float]:
    """Position (m) and rotation (deg) noise: third differences, which motion hardly has, of the
    tenth of short windows that moved least and of the tenth that turned least."""
    size = 15
    found = []
    for i in range(0, len(times) - size, size):
        steps = np.diff(times[i : i + size])
        if (steps <= 0.004).any() or (steps > 0.02).any():
            continue
        rotation = (turns[i].inv() * turns[i : i + size]).as_rotvec()
        values = np.concatenate([positions[i : i + size], rotation], axis=1)
        spread = np.sqrt((np.diff(values, 3, axis=0) ** 2).mean(axis=0) / 20)
        way = np.linalg.norm(np.diff(values[:, :3], axis=0), axis=1).sum()
        turn = np.linalg.norm(np.diff(rotation, axis=0), axis=1).sum()
        found.append((way, turn, spread[:3].mean(), np.rad2deg(spread[3:].mean())))
    table = np.array(found)
    still, level = (table[:, i] <= np.percentile(table[:, i], 10) for i in (0, 1))
    return float(np.median(table[still, 2])), float(np.median(table[level, 3]))


def test_pose_noise_and_timing_are_those_of_a_real_session(shared_data: Path) -> None:
    with np.load(shared_data / "xr-session" / "vive_pro2_90hz.npz") as real:
        times = real["time_s"][1:]
        steps = np.diff(times)
        steps = steps[(steps > 0) & (steps < 0.05)]
        measured = {
            name: _noise_of(
                times, real[f"{name}_pos"][1:], Rotation.from_quat(real[f"{name}_quat_xyzw"][1:])
            )
            for name in ("head", "left", "right")
        }
    # A slow track: what remains after the cubic is noise, as in the session's slow windows.
    t = np.arange(0, 60, 1 / 120)
    path = 0.02 * np.stack([np.sin(0.7 * t), np.sin(0.5 * t), np.sin(0.3 * t)], axis=1)
    turn = Rotation.from_rotvec(0.05 * path / 0.02).as_quat()
    slow = sensors.DeviceTracks(t, np.stack([path] * 5), np.stack([turn] * 5))
    rng = np.random.default_rng(5)
    for device, noise, name in (
        (0, sensors.HEAD_NOISE, "head"),
        (1, sensors.CONTROLLER_NOISE, "left"),
        (2, sensors.CONTROLLER_NOISE, "right"),
    ):
        stream = sensors.sense_pose(rng, slow, device, noise, EPOCH_NS)
        assert stream.position is not None
        ours = _noise_of(
            _seconds(stream), stream.position, Rotation.from_quat(stream.orientation_xyzw)
        )
        assert ours[0] == pytest.approx(measured[name][0], rel=0.5)
        assert ours[1] == pytest.approx(measured[name][1], rel=0.5)
        own_steps = np.diff(_seconds(stream))
        own_steps = own_steps[own_steps < 0.05]
        assert np.median(own_steps) == pytest.approx(np.median(steps), rel=0.03)
        assert own_steps.std() == pytest.approx(steps.std(), rel=0.6)
