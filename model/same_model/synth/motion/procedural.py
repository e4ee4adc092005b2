"""Motion made from a few parameters: squats, reaches, sits, leans, lunges, kneels.

It fills gaps of the captured clips and is free to ship. Feet are planted and limbs follow by
two-bone inverse kinematics on the T-pose skeleton of ``motion``.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.clip import LOW_PASS_HZ, REFERENCE_LEG_M, Motion, low_pass
from same_runtime.conventions import JOINT_NAMES

FPS = 120.0
_THIGH = _SHIN = REFERENCE_LEG_M / 2
_HIP_HALF = 0.09
_ANKLE = 0.08
_UPPER_ARM, _FOREARM = 0.30, 0.26
_SHOULDER = np.array([0.18, 0.47, 0.0])
"""Left shoulder from the hip midpoint, upright, metres."""

Vector = NDArray[np.float64]


def _path(rng: np.random.Generator, times: Vector, points: list[Vector], every_s: float) -> Vector:
    """A smooth path (frames, n) through ``points``, each held a while, again and again."""
    knots, values, t, i = [0.0], [points[0]], 0.0, 0
    while t < times[-1]:
        hold, move = rng.uniform(0.1, 0.5) * every_s, rng.uniform(0.5, 1.0) * every_s
        knots += [t + hold, t + hold + move]
        i += 1
        values += [values[-1], points[i % len(points)] + rng.normal(0.0, 0.015, points[0].shape)]
        t += hold + move
    return np.asarray(PchipInterpolator(knots, np.array(values))(times))


def _two_bones(
    start: Vector, target: Vector, upper: float, lower: float, pole: Vector
) -> tuple[Vector, Vector]:
    """Unit directions (frames, 3) of two bones from ``start`` to ``target``, bent to ``pole``."""
    reach = target - start
    distance = np.linalg.norm(reach, axis=1, keepdims=True).clip(0.05, (upper + lower) * 0.998)
    along = reach / (np.linalg.norm(reach, axis=1, keepdims=True) + 1e-9)
    side = pole - (pole * along).sum(1, keepdims=True) * along
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    cosine = ((upper**2 + distance**2 - lower**2) / (2 * upper * distance)).clip(-1, 1)
    first = cosine * along + np.sqrt(1 - cosine**2) * side
    second = distance * along - upper * first
    return first, second / np.linalg.norm(second, axis=1, keepdims=True)


def _frame(primary: Vector, primary_axis: int, secondary: Vector, secondary_axis: int) -> Rotation:
    """Rotations whose axis ``primary_axis`` is ``primary`` and whose second is nearest to it."""
    second = secondary - (secondary * primary).sum(1, keepdims=True) * primary
    second /= np.linalg.norm(second, axis=1, keepdims=True) + 1e-9
    third = np.cross(primary, second)
    sign = 1.0 if (secondary_axis - primary_axis) % 3 == 1 else -1.0
    columns: list[Vector] = [third] * 3
    columns[primary_axis], columns[secondary_axis] = primary, second
    columns[3 - primary_axis - secondary_axis] = sign * third
    return Rotation.from_matrix(np.stack(columns, axis=-1))


def _assemble(
    times: Vector,
    hips: Vector,
    pelvis: Rotation,
    spine_bend: Vector,
    feet: tuple[Vector, Vector],
    hands: tuple[Vector, Vector],
    gaze: Vector,
    heel_lift: tuple[Vector, Vector],
) -> Vector:
    """Joint rotations (frames, 22, 4) from the paths of the ends.

    ``hips``: (frames, 3); ``spine_bend``: (frames, 3) rotation vector of the chest relative to
    the pelvis; ``feet``: ankles, ``hands``: wrists, (frames, 3) world; ``gaze``: (frames, 2)
    pitch down and yaw of the head relative to the chest; ``heel_lift``: (frames,) radians.
    """
    count = len(times)
    R: dict[str, Rotation] = {"pelvis": pelvis}
    for part, name in ((1 / 3, "spine1"), (2 / 3, "spine2"), (1.0, "spine3")):
        R[name] = pelvis * Rotation.from_rotvec(part * spine_bend)
    nod = np.stack([gaze[:, 0], gaze[:, 1], np.zeros(count)], axis=1)
    R["neck"] = R["spine3"] * Rotation.from_rotvec(0.4 * nod)
    R["head"] = R["spine3"] * Rotation.from_rotvec(nod)
    chest = R["spine3"]
    for side, sign, foot, hand, lift in (
        ("left", 1.0, feet[0], hands[0], heel_lift[0]),
        ("right", -1.0, feet[1], hands[1], heel_lift[1]),
    ):
        forward = pelvis.apply([0.25 * sign, 0.0, 1.0])
        hip = hips + pelvis.apply([sign * _HIP_HALF, 0.0, 0.0])
        thigh, shin = _two_bones(hip, foot, _THIGH, _SHIN, forward)
        R[f"{side}_hip"] = _frame(-thigh, 1, forward, 2)
        R[f"{side}_knee"] = _frame(-shin, 1, forward, 2)
        flat = forward * (1, 0, 1)
        flat /= np.linalg.norm(flat, axis=1, keepdims=True)
        up = np.tile([0.0, 1.0, 0.0], (count, 1))
        tip = np.stack([lift, 0 * lift, 0 * lift], axis=1)
        R[f"{side}_ankle"] = _frame(up, 1, flat, 2) * Rotation.from_rotvec(tip)
        R[f"{side}_foot"] = _frame(up, 1, flat, 2)
        shoulder = hips + chest.apply(_SHOULDER * (sign, 1, 1))
        elbow_pole = chest.apply([0.5 * sign, -1.0, -0.4])
        upper, lower = _two_bones(shoulder, hand, _UPPER_ARM, _FOREARM, elbow_pole)
        R[f"{side}_collar"] = chest
        # Arms: the T-pose bone axis is x; thumbs (the T-pose's z) stay on the inner, upper side.
        thumb = chest.apply([-0.4 * sign, 0.5, 0.6])
        R[f"{side}_shoulder"] = _frame(sign * upper, 0, thumb, 2)
        R[f"{side}_elbow"] = _frame(sign * lower, 0, thumb, 2)
        R[f"{side}_wrist"] = R[f"{side}_elbow"]
    return np.stack([R[name].as_quat() for name in JOINT_NAMES], axis=1)


def make_motion(rng: np.random.Generator, action: str, seconds: float | None = None) -> Motion:
    """One take of a procedural action. Raises ``DataError`` for an unknown action."""
    if action not in ACTIONS:
        raise DataError(f"action: expected one of {sorted(ACTIONS)}, got {action!r}")
    times = np.arange(int((seconds or rng.uniform(6.0, 12.0)) * FPS)) / FPS
    hips, rotations = ACTIONS[action](rng, times)
    return Motion(
        f"procedural_{action}",
        FPS,
        low_pass(hips, FPS, LOW_PASS_HZ),
        rotations,
        REFERENCE_LEG_M,
        action,
        action == "sit",
        (0, len(times)),
    )


_STAND = REFERENCE_LEG_M + _ANKLE - 0.015


def _hands(rng: np.random.Generator, times: Vector, kind: str) -> tuple[Vector, Vector]:
    """Wrist paths relative to the chest at rest height, body axes, metres."""
    out = []
    for sign in (1.0, -1.0):
        rest = np.array([sign * 0.28, -0.10, 0.08])
        front = np.array([sign * 0.15, 0.25, 0.38])
        places = {
            "rest": [rest, rest + (0, 0.03, 0.05)],
            "front": [rest, front, front + (0.05 * sign, 0.1, 0.05)],
            "reach": [
                rest,
                np.array(
                    [rng.uniform(-0.1, 0.5) * sign, rng.uniform(-0.3, 0.95), rng.uniform(0.2, 0.5)]
                ),
                front,
                np.array(
                    [rng.uniform(0.1, 0.6) * sign, rng.uniform(0.2, 0.9), rng.uniform(0.0, 0.45)]
                ),
            ],
            "lap": [np.array([sign * 0.14, 0.08, 0.35]), front],
        }[kind]
        out.append(_path(rng, times, places, rng.uniform(0.8, 1.6)))
    return out[0], out[1]


def _body(
    rng: np.random.Generator,
    times: Vector,
    hips: Vector,
    lean: Vector,
    bend: Vector,
    feet: tuple[Vector, Vector],
    hand_kind: str,
    lifts: tuple[Vector, Vector] | None = None,
) -> tuple[Vector, Vector]:
    pelvis = Rotation.from_rotvec(lean)
    chest = pelvis * Rotation.from_rotvec(bend)
    local = _hands(rng, times, hand_kind)
    hands = (hips + chest.apply(local[0]), hips + chest.apply(local[1]))
    gaze = _path(
        rng, times, [np.array([0.15, 0.0]), np.array([0.5, 0.3]), np.array([0.1, -0.4])], 1.2
    )
    zero = np.zeros(len(times))
    return hips, _assemble(times, hips, pelvis, bend, feet, hands, gaze, lifts or (zero, zero))


def _planted(rng: np.random.Generator, times: Vector, width: float = 0.14) -> tuple[Vector, Vector]:
    w = width + rng.uniform(0.0, 0.1)
    left = np.tile([w, _ANKLE, rng.normal(0, 0.03)], (len(times), 1))
    right = np.tile([-w, _ANKLE, rng.normal(0, 0.03)], (len(times), 1))
    return left, right


def _x(values: Vector) -> Vector:
    return np.stack([values, 0 * values, 0 * values], axis=1)


def _squat(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    depth = rng.uniform(0.2, 0.45)
    d = _path(rng, times, [np.array([0.0]), np.array([depth])], rng.uniform(0.7, 1.4))[:, 0]
    d = d.clip(0.0, 0.5)
    hips = np.stack([0 * d, _STAND - d, -0.45 * d], axis=1)
    return _body(rng, times, hips, _x(0.9 * d), _x(0.7 * d), _planted(rng, times), "front")


def _reach(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    sway = _path(rng, times, [np.zeros(2), np.array([0.06, 0.03]), np.array([-0.06, 0.0])], 1.5)
    turn = _path(rng, times, [np.zeros(2), np.array([0.25, 0.5]), np.array([0.1, -0.5])], 1.3)
    hips = np.stack([sway[:, 0], np.full(len(times), _STAND - 0.02), sway[:, 1]], axis=1)
    bend = np.stack([turn[:, 0], turn[:, 1], 0 * turn[:, 0]], axis=1)
    return _body(rng, times, hips, 0.2 * bend, bend, _planted(rng, times, 0.1), "reach")


def _sit(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    height = rng.uniform(0.42, 0.55) + 0.08
    s = _path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(1.4, 2.4))[:, 0]
    s = s.clip(0.0, 1.0)
    hips = np.stack([0 * s, _STAND + s * (height - _STAND), -0.42 * s], axis=1)
    stoop = np.sin(np.pi * s)
    return _body(
        rng, times, hips, _x(0.35 * stoop), _x(0.45 * stoop + 0.1), _planted(rng, times), "lap"
    )


def _lean(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    bend = _path(
        rng,
        times,
        [
            np.zeros(3),
            np.array([0.7, 0.0, 0.1]),
            np.array([0.1, 0.3, 0.35]),
            np.array([0.4, -0.4, -0.3]),
        ],
        1.3,
    )
    hips = np.stack([0.1 * bend[:, 2], np.full(len(times), _STAND - 0.02), -0.12 * bend[:, 0]], 1)
    return _body(rng, times, hips, 0.5 * bend, bend, _planted(rng, times), "reach")


def _lunge(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    s = _path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(0.9, 1.5))[:, 0]
    s = s.clip(0.0, 1.0)
    stride = rng.uniform(0.3, 0.45)
    left, right = _planted(rng, times, 0.08)
    left = left + np.stack([0 * s, 0.08 * np.sin(np.pi * s), stride * s], axis=1)
    right = right + np.stack([0 * s, 0.07 * s, -0.25 * s], axis=1)
    hips = np.stack([0 * s, _STAND - rng.uniform(0.2, 0.3) * s, 0.12 * s], axis=1)
    return _body(
        rng, times, hips, _x(0.15 * s), _x(0.1 * s), (left, right), "front", (0 * s, 0.7 * s)
    )


def _kneel(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    s = _path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(1.2, 2.0))[:, 0]
    s = s.clip(0.0, 1.0)
    left, right = _planted(rng, times, 0.08)
    left = left + np.stack([0 * s, 0 * s, 0.25 * s], axis=1)
    right = right + np.stack([0 * s, 0.05 * s, -0.42 * s], axis=1)
    hips = np.stack([0 * s, _STAND + (0.52 - _STAND) * s, -0.02 * s], axis=1)
    return _body(
        rng, times, hips, _x(0.1 * s), _x(0.25 * s), (left, right), "lap", (0 * s, 1.2 * s)
    )


ACTIONS: dict[str, Callable[[np.random.Generator, Vector], tuple[Vector, Vector]]] = {
    "squat": _squat,
    "reach": _reach,
    "sit": _sit,
    "lean": _lean,
    "lunge": _lunge,
    "kneel": _kneel,
}
