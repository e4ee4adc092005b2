"""What the worn devices report: true tracks, then each one's own rate, clock, noise and losses."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, Slerp

from same_model.data.device_stream import DeviceStream
from same_model.synth.motion.retarget import BodyMotion
from same_runtime.conventions import DEVICES, JOINT_NAMES, LEG_DEVICES, POSE_DEVICES

GRAVITY = 9.80665
# Body rest axes (facing +z) to OpenXR axes (facing -z): half a turn about the vertical.
_BODY_FROM_XR = Rotation.from_quat([0.0, 1.0, 0.0, 0.0])
_DRIFT_FOLLOWS_S = 0.3
MAX_GAP_NS = 100_000_000
"""Samples further apart than this are not interpolated: the device counts as missing."""


@dataclass(frozen=True)
class PoseNoise:
    """Errors of a 6DOF tracked device (standard deviations)."""

    rate_hz: float
    white_position_m: float
    white_rotation_deg: float
    wander_position_m: float
    wander_rotation_deg: float
    wander_time_s: float
    latency_s: float
    """Mean age of a pose beyond its time stamp."""
    clock_offset_s: float
    """Spread of the constant error left by clock alignment."""
    time_jitter_s: float
    losses_per_minute: float
    loss_s: tuple[float, float]
    """Shortest and longest loss of tracking."""


@dataclass(frozen=True)
class LegNoise:
    """Errors of a strapped-on 3DOF inertial sensor (standard deviations)."""

    rate_hz: float = 100.0
    white_rotation_deg: float = 0.25
    """Orientation noise of consumer fusion (Movella DOT data sheet: 0.5 deg static roll/pitch)."""
    heading_error_deg: float = 3.0
    """Constant error of the heading after alignment."""
    heading_drift_deg_per_min: float = 1.5
    """Magnetometer-free heading drift (Movella DOT data sheet: 2 deg dynamic heading)."""
    mounting_spread_deg: float = 8.0
    """How differently the strap sits from person to person, beyond its place around the leg."""
    inclination_wander_deg: float = 0.0
    """Slow error of what the sensor takes for up; its acceleration gets as much of gravity."""
    inclination_time_s: float = 3.0
    tissue_wobble_deg: float = 1.5
    """Skin and strap against bone; EMHI's leg rotations spread 1.5-6.7 deg about the knee's."""
    tissue_time_s: float = 0.2
    accelerometer_bias: float = 0.05
    """m/s^2; Bosch BMI270 data sheet: +-20 mg zero offset before calibration."""
    accelerometer_noise: float = 0.03
    """m/s^2 in 50 Hz of bandwidth; BMI270: 160 ug/sqrt(Hz)."""
    accelerometer_range: float = 8 * GRAVITY
    """m/s^2 per axis."""
    latency_s: float = 0.012
    clock_offset_s: float = 0.004
    time_jitter_s: float = 0.0008
    packet_loss: float = 0.005
    losses_per_minute: float = 0.15
    loss_s: tuple[float, float] = (0.2, 1.5)


# White noise and timing: measured on the real sessions in the shared data. Noise shows in third
# differences, where the device is slowest: 0.03 mm and 0.004 to 0.007 degrees of three headsets,
# 0.04 to 0.14 mm and 0.003 to 0.02 degrees of controllers, which hands never held still. Wander,
# latency and loss cannot be seen in one device's own record; they are set to what lighthouse/
# inside-out evaluations report (millimetres).
HEAD_NOISE = PoseNoise(
    90.0, 0.000035, 0.0065, 0.001, 0.15, 4.0, 0.001, 0.001, 0.00062, 0.0, (0.1, 0.3)
)
CONTROLLER_NOISE = PoseNoise(
    90.0, 0.00012, 0.02, 0.002, 0.4, 2.0, 0.003, 0.001, 0.00062, 0.25, (0.1, 1.0)
)
LEG_NOISE = LegNoise()
"""The sensors that the protocols wear: one make, the same since the first split, so that figures
stay comparable."""


def random_leg_noise(rng: np.random.Generator) -> LegNoise:
    """The sensors that one performer of the training set wears: of any make.

    Ranges about what was measured: on real shanks (x-io, 18.6 s), 50 Hz with clocks 0.2 and 1.0
    per mille off, stamps within 3 us of even, 1.2 and 2.3 % of samples lost one at a time,
    0.006 degrees and 0.04 m/s^2 of noise; beside optical truth (BROAD, three trials), zero offsets
    of 0.01 to 0.04 m/s^2 an axis, and, fused without magnetometer or bias calibration, 1.1 to
    8.7 degrees of inclination error and 2 to 12 degrees a minute of heading drift. Latency,
    alignment, straps and long losses cannot be seen there and stay as assumed.
    """
    rate = float(rng.choice([50.0, 60.0, 100.0, 120.0]))
    return LegNoise(
        rate_hz=rate * (1 + rng.normal(0.0, 0.0007)),
        white_rotation_deg=_between(rng, 0.005, 0.3),
        heading_error_deg=_between(rng, 1.0, 6.0),
        heading_drift_deg_per_min=_between(rng, 0.5, 15.0),
        inclination_wander_deg=_between(rng, 0.3, 3.0),
        inclination_time_s=_between(rng, 1.0, 10.0),
        tissue_wobble_deg=_between(rng, 0.5, 3.0),
        accelerometer_bias=_between(rng, 0.01, 0.06),
        accelerometer_noise=_between(rng, 0.03, 0.06),
        latency_s=_between(rng, 0.002, 0.03),
        time_jitter_s=_between(rng, 1e-6, 0.002),
        packet_loss=_between(rng, 0.002, 0.04),
    )


def random_makes(rng: np.random.Generator) -> tuple[PoseNoise, PoseNoise, LegNoise]:
    """The headset, the controllers and the leg sensors of one wearer, each of any make."""
    leg = random_leg_noise(rng)
    others = rng.spawn(1)[0]  # so that what is drawn next is as it was before these varied
    return _random_pose_noise(others, HEAD_NOISE), _random_pose_noise(others, CONTROLLER_NOISE), leg


def _random_pose_noise(rng: np.random.Generator, typical: PoseNoise) -> PoseNoise:
    """Of devices like ``typical``, half to five times as noisy."""
    return replace(
        typical,
        white_position_m=typical.white_position_m * _between(rng, 0.5, 5.0),
        white_rotation_deg=typical.white_rotation_deg * _between(rng, 0.5, 5.0),
    )


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


@dataclass(frozen=True)
class Mounting:
    """Where one wearer's devices sit on the body."""

    eyes_head: NDArray[np.float64]
    """(3,) headset origin from the head joint, body axes of the head, metres."""
    headset_turn: Rotation
    """Headset axes in the head's body axes."""
    controller_offset: NDArray[np.float64]
    """(2, 3) grip centre from the wrist joint, body axes of the wrist at rest."""
    controller_turn: tuple[Rotation, Rotation]
    leg_offset: NDArray[np.float64]
    """(2, 3) sensor from the knee joint, body axes of the shank at rest."""
    leg_turn: tuple[Rotation, Rotation]


def random_mounting(rng: np.random.Generator, motion: BodyMotion) -> Mounting:
    """Put the devices on: headset on the eyes, controllers in the fists, sensors on the shanks."""
    body = motion.body
    head = body.joints[JOINT_NAMES.index("head")]
    eyes = body.landmarks[0] - head + (0.0, rng.normal(0.0, 0.006), rng.uniform(0.025, 0.05))
    headset = Rotation.from_rotvec(rng.normal(0.0, np.deg2rad((3.0, 1.0, 1.0)))) * _BODY_FROM_XR

    grips, turns = np.empty((2, 3)), []
    for side, name in enumerate(("left_wrist", "right_wrist")):
        wrist = body.joints[JOINT_NAMES.index(name)]
        index, little, middle, _ = body.landmarks[1 + 4 * side : 5 + 4 * side]
        # OpenXR grip pose: -z out of the fist on the thumb's side, -y along the fingers' way out.
        z = little - index
        z /= np.linalg.norm(z)
        y = wrist - middle
        y -= z * (y @ z)
        y /= np.linalg.norm(y)
        x = np.cross(y, z)
        into_palm = x if side == 0 else -x
        centre = (index + little) / 2 + 0.025 * into_palm - 0.012 * y
        grips[side] = centre - wrist + rng.normal(0.0, 0.004, 3)
        error = Rotation.from_rotvec(rng.normal(0.0, np.deg2rad(6.0), 3))
        turns.append(Rotation.from_matrix(np.stack([x, y, z], axis=1)) * error)

    offsets, leg_turns = np.empty((2, 3)), []
    for side, (knee, ankle) in enumerate(
        (("left_knee", "left_ankle"), ("right_knee", "right_ankle"))
    ):
        top = body.joints[JOINT_NAMES.index(knee)]
        shank = body.joints[JOINT_NAMES.index(ankle)] - top
        outward = (1 if side == 0 else -1) * rng.uniform(np.deg2rad(-20), np.deg2rad(80))
        direction = np.array([np.sin(outward), 0.0, np.cos(outward)])
        offsets[side] = rng.uniform(0.25, 0.55) * shank + 0.065 * direction
        strap = Rotation.from_rotvec(rng.normal(0.0, np.deg2rad(LEG_NOISE.mounting_spread_deg), 3))
        # The sensor's back (its -z in OpenXR axes is outward) faces the leg.
        leg_turns.append(strap * Rotation.from_rotvec([0, outward, 0]) * _BODY_FROM_XR)
    return Mounting(
        eyes, headset, grips, (turns[0], turns[1]), offsets, (leg_turns[0], leg_turns[1])
    )


@dataclass(frozen=True)
class DeviceTracks:
    """True pose of every device over time."""

    times_s: NDArray[np.float64]
    """(frames,) uniform."""
    positions: NDArray[np.float64]
    """(5, frames, 3) metres, world."""
    orientations_xyzw: NDArray[np.float64]
    """(5, frames, 4) device (OpenXR axes) to world."""

    def at(
        self, device: int, times_s: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position (n, 3) and orientation xyzw (n, 4) at any times within the track."""
        t = np.clip(times_s, self.times_s[0], self.times_s[-1])
        position = CubicSpline(self.times_s, self.positions[device])(t)
        turn = Slerp(self.times_s, Rotation.from_quat(self.orientations_xyzw[device]))(t)
        return position, turn.as_quat()

    def acceleration(self, device: int, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) m/s^2, world axes, gravity not included."""
        t = np.clip(times_s, self.times_s[0], self.times_s[-1])
        return np.asarray(CubicSpline(self.times_s, self.positions[device])(t, 2))


def true_tracks(motion: BodyMotion, mounting: Mounting) -> DeviceTracks:
    """Poses of the five devices that ``mounting`` puts on a moving body."""
    places = [("head", mounting.eyes_head, mounting.headset_turn)]
    for side, name in enumerate(("left_wrist", "right_wrist")):
        places.append((name, mounting.controller_offset[side], mounting.controller_turn[side]))
    for side, name in enumerate(("left_knee", "right_knee")):
        places.append((name, mounting.leg_offset[side], mounting.leg_turn[side]))
    positions, orientations = [], []
    for name, offset, turn in places:
        j = JOINT_NAMES.index(name)
        bone = Rotation.from_quat(motion.rotations_xyzw[:, j])
        positions.append(motion.joints[:, j] + bone.apply(offset))
        orientations.append((bone * turn).as_quat())
    return DeviceTracks(
        np.arange(motion.frames) / motion.fps, np.stack(positions), np.stack(orientations)
    )


def _sample_times(
    rng: np.random.Generator, rate_hz: float, jitter_s: float, end_s: float
) -> NDArray[np.float64]:
    period = 1.0 / rate_hz
    times = rng.uniform(0, period) + np.arange(int(end_s * rate_hz)) * period
    times = times + rng.normal(0.0, jitter_s, len(times)).clip(-0.4 * period, 0.4 * period)
    return times[(times >= 0) & (times <= end_s)]


def _lost(
    rng: np.random.Generator,
    times: NDArray[np.float64],
    per_minute: float,
    span: tuple[float, float],
) -> NDArray[np.bool_]:
    lost = np.zeros(len(times), bool)
    if len(times) == 0:
        return lost
    for _ in range(rng.poisson(per_minute * (times[-1] - times[0]) / 60.0)):
        start = rng.uniform(times[0], times[-1])
        lost |= (times >= start) & (times < start + rng.uniform(*span))
    return lost


def _wander(
    rng: np.random.Generator, times: NDArray[np.float64], spread: float, time_s: float
) -> NDArray[np.float64]:
    """A first-order Gauss-Markov error (n, 3) of stationary standard deviation ``spread``."""
    out = np.empty((len(times), 3))
    state = rng.normal(0.0, spread, 3)
    keep = np.exp(-np.diff(times, prepend=times[:1]) / time_s)
    push = rng.normal(0.0, 1.0, out.shape) * spread * np.sqrt(1 - keep**2)[:, None]
    for i in range(len(times)):
        state = keep[i] * state + push[i]
        out[i] = state
    return out


def _drift(
    rng: np.random.Generator, times: NDArray[np.float64], spread: float, time_s: float
) -> NDArray[np.float64]:
    """``_wander`` without its roughness, which third differences of real poses do not show."""
    out = _wander(rng, times, spread, time_s)
    follow = 1 - np.exp(-np.diff(times, prepend=times[:1]) / _DRIFT_FOLLOWS_S)
    for i in range(1, len(out)):
        out[i] = out[i - 1] + follow[i] * (out[i] - out[i - 1])
    return out


def _stamps(times: NDArray[np.float64], offset_s: float, epoch_ns: int) -> NDArray[np.int64]:
    stamps = epoch_ns + np.round((times + offset_s) * 1e9).astype(np.int64)
    return np.asarray(np.maximum.accumulate(stamps))


def sense_pose(
    rng: np.random.Generator, tracks: DeviceTracks, device: int, noise: PoseNoise, epoch_ns: int
) -> DeviceStream:
    """One 6DOF stream of device index ``device`` (see ``DEVICES``)."""
    times = _sample_times(rng, noise.rate_hz, noise.time_jitter_s, float(tracks.times_s[-1]))
    offset = rng.normal(0.0, noise.clock_offset_s)
    times = times[~_lost(rng, times, noise.losses_per_minute, noise.loss_s)]
    latency = abs(rng.normal(noise.latency_s, 0.3 * noise.latency_s))
    position, orientation = tracks.at(device, times - latency)
    n = len(times)
    position = position + rng.normal(0.0, noise.white_position_m, (n, 3))
    position += _drift(rng, times, noise.wander_position_m, noise.wander_time_s)
    error = rng.normal(0.0, np.deg2rad(noise.white_rotation_deg), (n, 3))
    error += _drift(rng, times, np.deg2rad(noise.wander_rotation_deg), noise.wander_time_s)
    turned = Rotation.from_quat(orientation) * Rotation.from_rotvec(error)
    return _unique(DeviceStream(_stamps(times, offset, epoch_ns), turned.as_quat(), position, None))


def sense_leg(
    rng: np.random.Generator, tracks: DeviceTracks, device: int, noise: LegNoise, epoch_ns: int
) -> DeviceStream:
    """One 3DOF stream of device index ``device`` (see ``DEVICES``)."""
    times = _sample_times(rng, noise.rate_hz, noise.time_jitter_s, float(tracks.times_s[-1]))
    offset = rng.normal(0.0, noise.clock_offset_s)
    lost = _lost(rng, times, noise.losses_per_minute, noise.loss_s)
    times = times[~lost & (rng.random(len(times)) >= noise.packet_loss)]
    n = len(times)
    taken = times - abs(rng.normal(noise.latency_s, 0.3 * noise.latency_s))
    _, orientation = tracks.at(device, taken)
    wobble = _wander(rng, times, np.deg2rad(noise.tissue_wobble_deg), noise.tissue_time_s)
    sensor = Rotation.from_quat(orientation) * Rotation.from_rotvec(wobble)
    force = sensor.inv().apply(tracks.acceleration(device, taken) + (0.0, GRAVITY, 0.0))
    force += rng.normal(0.0, noise.accelerometer_bias, 3)
    force += rng.normal(0.0, noise.accelerometer_noise, (n, 3))
    force = force.clip(-noise.accelerometer_range, noise.accelerometer_range)
    error_deg = rng.normal(0.0, noise.heading_error_deg)
    heading = error_deg + rng.normal(0.0, noise.heading_drift_deg_per_min) * times / 60.0
    turn = Rotation.from_rotvec(np.deg2rad(heading)[:, None] * (0.0, 1.0, 0.0))
    white = rng.normal(0.0, np.deg2rad(noise.white_rotation_deg), (n, 3))
    if noise.inclination_wander_deg > 0:
        spread = np.deg2rad(noise.inclination_wander_deg)
        tilt = _wander(rng, times, spread, noise.inclination_time_s) * (1.0, 0.0, 1.0)
        turn = turn * Rotation.from_rotvec(tilt)
    believed = turn * sensor * Rotation.from_rotvec(white)
    # The sensor removes gravity with the orientation that it believes in.
    acceleration = believed.apply(force) - (0.0, GRAVITY, 0.0)
    return _unique(
        DeviceStream(_stamps(times, offset, epoch_ns), believed.as_quat(), None, acceleration)
    )


def _unique(stream: DeviceStream) -> DeviceStream:
    keep = np.concatenate([[True], np.diff(stream.timestamp_ns) > 0])
    keep &= stream.timestamp_ns >= 0
    return DeviceStream(
        stream.timestamp_ns[keep],
        stream.orientation_xyzw[keep],
        None if stream.position is None else stream.position[keep],
        None if stream.acceleration is None else stream.acceleration[keep],
    )


def sense_all(
    rng: np.random.Generator,
    tracks: DeviceTracks,
    epoch_ns: int,
    head: PoseNoise = HEAD_NOISE,
    controller: PoseNoise = CONTROLLER_NOISE,
    leg: LegNoise = LEG_NOISE,
) -> dict[str, DeviceStream]:
    """The five streams by device name. ``epoch_ns``: time stamp of the tracks' time zero."""
    streams = {}
    for i, name in enumerate(DEVICES):
        if name in LEG_DEVICES:
            streams[name] = sense_leg(rng, tracks, i, leg, epoch_ns)
        else:
            noise = head if name == POSE_DEVICES[0] else controller
            streams[name] = sense_pose(rng, tracks, i, noise, epoch_ns)
    return streams


def at_frames(
    stream: DeviceStream, frame_ns: NDArray[np.int64], max_gap_ns: int = MAX_GAP_NS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """A stream at frame times: vector (n, 3), orientation xyzw (n, 4), valid (n,).

    The vector is the position, or the acceleration of a leg sensor; linear, slerped rotations.
    A frame without samples on both sides within ``max_gap_ns`` of each other is invalid (zeros).
    """
    n = len(frame_ns)
    vector, orientation, valid = np.zeros((n, 3)), np.zeros((n, 4)), np.zeros(n, bool)
    source = stream.position if stream.position is not None else stream.acceleration
    stamps = stream.timestamp_ns
    if source is None or len(stamps) < 2:
        return vector, orientation, valid
    after = np.searchsorted(stamps, frame_ns, side="left")
    inside = (after > 0) & (after < len(stamps))
    after = after.clip(1, len(stamps) - 1)
    gap = stamps[after] - stamps[after - 1]
    valid = inside & (gap <= max_gap_ns)
    part = np.where(valid, (frame_ns - stamps[after - 1]) / np.maximum(gap, 1), 0.0)[:, None]
    vector = source[after - 1] * (1 - part) + source[after] * part
    first = Rotation.from_quat(stream.orientation_xyzw[after - 1])
    step = (first.inv() * Rotation.from_quat(stream.orientation_xyzw[after])).as_rotvec()
    orientation = (first * Rotation.from_rotvec(step * part)).as_quat()
    vector[~valid], orientation[~valid] = 0.0, 0.0
    return vector, orientation, valid
