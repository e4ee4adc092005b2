"""Leg sensors of the training set, against real ones: the values are measured here."""

import lzma
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from same_model.synth import sensors

STANDARD_GRAVITY = 9.80665


@pytest.fixture(scope="module")
def drawn() -> list[sensors.LegNoise]:
    rng = np.random.default_rng(0)
    return [sensors.random_leg_noise(rng) for _ in range(400)]


def _within(drawn: list[sensors.LegNoise], field: str, measured: float) -> None:
    values = [getattr(noise, field) for noise in drawn]
    low, high = np.percentile(values, [1, 99])
    assert low <= measured <= high, f"{field}: measured {measured}, drawn {low} to {high}"


def _noise(times: np.ndarray, values: np.ndarray, window_s: float = 0.25) -> float:
    """Residual of a cubic fit per axis, in the quietest fifth of the windows."""
    found = []
    for start in np.arange(times[0], times[-1] - window_s, window_s / 2):
        rows = (times >= start) & (times < start + window_s)
        if rows.sum() >= 8:
            at = (times[rows] - start) / window_s * 2 - 1
            fit = np.polynomial.polynomial.polyfit(at, values[rows], 3)
            left = values[rows] - np.polynomial.polynomial.polyval(at, fit).T
            found.append(np.sqrt((left**2).sum(axis=0) / (rows.sum() - 4)).mean())
    return float(np.mean(np.sort(found)[: max(1, len(found) // 5)]))


def _csv(path: Path) -> np.ndarray:
    with lzma.open(path, "rt") as text:
        return np.loadtxt(text, delimiter=",", skiprows=1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_real_shank_lies_within_what_is_drawn(
    shared_data: Path, drawn: list[sensors.LegNoise], side: str
) -> None:
    folder = shared_data / "imu" / "xio-lower-body" / f"{side}-lower-leg"
    inertial, turned = _csv(folder / "Inertial.csv.xz"), _csv(folder / "Quaternion.csv.xz")
    times = inertial[:, 0] / 1e6
    count = np.concatenate([[0], np.cumsum(np.round(np.diff(times) / np.median(np.diff(times))))])
    period, start = np.polyfit(count, times, 1)
    _within(drawn, "rate_hz", 1 / period)
    jitter = float((times - start - period * count).std())
    assert 1e-6 < jitter < 5e-6
    _within(drawn, "time_jitter_s", jitter)
    _within(drawn, "packet_loss", 1 - len(times) / (count[-1] + 1))
    assert np.diff(count).max() == 2  # lost one at a time
    _within(drawn, "accelerometer_noise", _noise(times, inertial[:, 4:7] * STANDARD_GRAVITY))
    rotations = Rotation.from_quat(turned[:, [2, 3, 4, 1]])
    vectors = np.rad2deg((rotations[0].inv() * rotations).as_rotvec())
    _within(drawn, "white_rotation_deg", _noise(turned[:, 0] / 1e6, vectors))
    assert np.linalg.norm(inertial[:, 4:7], axis=1).max() < sensors.LEG_NOISE.accelerometer_range


def _fused(gyro: np.ndarray, force: np.ndarray, rate_hz: float, every: int) -> Rotation:
    """Orientations of a plain complementary filter without magnetometer, every so many samples."""
    up = force[0] / np.linalg.norm(force[0])
    axis = np.cross(up, [0.0, 0.0, 1.0])
    turn = Rotation.from_rotvec(
        axis / np.linalg.norm(axis) * np.arctan2(np.linalg.norm(axis), up[2])
    ).as_matrix()
    out = []
    steps = force / np.linalg.norm(force, axis=1, keepdims=True)
    for i, (rate, down) in enumerate(zip(gyro, steps, strict=True)):
        if i % every == 0:
            out.append(turn)
        x, y, z = (rate + 0.5 * np.cross(down, turn[2])) / rate_hz
        small = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        turn = turn + turn @ (small + small @ small / 2)
        if i % 64 == 0:
            left, _, right = np.linalg.svd(turn)
            turn = left @ right
    return Rotation.from_matrix(np.array(out))


@pytest.mark.slow
@pytest.mark.parametrize("trial", ["07_undisturbed_fast_rotation_B", "24_disturbed_tapping_A"])
def test_real_sensors_beside_optical_truth_lie_within_what_is_drawn(
    shared_data: Path, drawn: list[sensors.LegNoise], trial: str
) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(shared_data / "imu" / "broad" / f"{trial}.hdf5") as file:
        rate = float(file.attrs["sampling_rate"])
        force, gyro, truth, moving = (
            file[name][:] for name in ("imu_acc", "imu_gyr", "opt_quat", "movement")
        )
    seen = np.isfinite(truth).all(axis=1) & (np.abs(np.nan_to_num(truth)).sum(axis=1) > 0)
    turned = Rotation.from_quat(np.where(seen[:, None], truth, (1, 0, 0, 0))[:, [1, 2, 3, 0]])
    half = round(rate / 4)
    calm = np.array(
        [np.abs(gyro[max(0, i - half) : i + half]).max() < 0.05 for i in range(0, len(gyro), half)]
    )
    still = np.repeat(calm, half)[: len(gyro)] & seen
    weight = turned[still].inv().apply([0.0, 0.0, STANDARD_GRAVITY])
    bias = (force[still] - weight).mean(axis=0)
    _within(drawn, "accelerometer_bias", float(np.sqrt((bias**2).mean())))
    _within(drawn, "accelerometer_noise", _noise(np.arange(len(force)) / rate, force))

    every = 8
    rows = np.arange(0, len(gyro), every)
    counted = seen[rows] & moving[rows].astype(bool)
    apart = (turned[rows] * _fused(gyro, force, rate, every).inv()).as_matrix()[counted]
    inclination = np.rad2deg(np.arccos(apart[:, 2, 2].clip(-1, 1)))
    # Of the two axes of an inclination each has its share.
    _within(drawn, "inclination_wander_deg", float(np.sqrt((inclination**2).mean() / 2)))
    heading = np.unwrap(
        np.arctan2(apart[:, 1, 0] - apart[:, 0, 1], apart[:, 0, 0] + apart[:, 1, 1])
    )
    drift = np.polyfit(rows[counted] / rate / 60, np.rad2deg(heading), 1)[0]
    _within(drawn, "heading_drift_deg_per_min", abs(float(drift)))


def test_what_is_drawn_is_what_is_sensed() -> None:
    """A minute at rest: rate, losses, noise and the wandering vertical come out as asked for."""
    times = np.arange(0, 60.0, 1 / 120)
    still = np.zeros((5, len(times), 3))
    level = np.tile([0.0, 0.0, 0.0, 1.0], (5, len(times), 1))
    tracks = sensors.DeviceTracks(times, still, level)
    noise = sensors.LegNoise(
        rate_hz=50.05,
        packet_loss=0.02,
        losses_per_minute=0,
        inclination_wander_deg=1.5,
        inclination_time_s=1.0,
        tissue_wobble_deg=0,
        heading_drift_deg_per_min=0,
        white_rotation_deg=0.0,
        accelerometer_bias=0,
        accelerometer_noise=0.04,
    )
    stream = sensors.sense_leg(np.random.default_rng(3), tracks, 3, noise, 10**9)
    steps = np.diff(stream.timestamp_ns) / 1e9
    assert np.median(steps) == pytest.approx(1 / 50.05, rel=0.01)
    assert len(stream.timestamp_ns) == pytest.approx(60 * 50.05 * 0.98, rel=0.01)
    up = Rotation.from_quat(stream.orientation_xyzw).apply([0.0, 1.0, 0.0])
    tilt = np.rad2deg(np.arccos(up[:, 1]))
    assert np.sqrt((tilt**2).mean() / 2) == pytest.approx(1.5, rel=0.25)
    assert stream.acceleration is not None
    leaked = np.linalg.norm(stream.acceleration[:, [0, 2]], axis=1)
    wanted = STANDARD_GRAVITY * np.sin(np.deg2rad(tilt))
    assert np.abs(leaked - wanted).mean() < 0.05
