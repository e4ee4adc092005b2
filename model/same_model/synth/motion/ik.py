"""Poses of the T-pose skeleton from where its ends are, by two-bone inverse kinematics."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from same_model.synth.motion.clip import REFERENCE_LEG_M
from same_runtime.conventions import JOINT_NAMES

FPS = 120.0
THIGH = SHIN = REFERENCE_LEG_M / 2
HIP_HALF = 0.09
ANKLE = 0.08
UPPER_ARM, FOREARM = 0.30, 0.26
STAND = REFERENCE_LEG_M + ANKLE - 0.015
"""Height of the hip joints, standing."""
SHOULDER = np.array([0.18, 0.47, 0.0])
"""Left shoulder from the hip midpoint, upright, metres."""

_STANDS_M, _HANGS_M = 0.04, 0.12
"""A foot lifted by less stands on its toes; by as much more it hangs."""

Vector = NDArray[np.float64]


def path(rng: np.random.Generator, times: Vector, points: list[Vector], every_s: float) -> Vector:
    """A smooth path (frames, n) through ``points``, each held a while, again and again."""
    knots, values, t, i = [0.0], [points[0]], 0.0, 0
    while t < times[-1]:
        hold, move = rng.uniform(0.1, 0.5) * every_s, rng.uniform(0.5, 1.0) * every_s
        knots += [t + hold, t + hold + move]
        i += 1
        values += [values[-1], points[i % len(points)] + rng.normal(0.0, 0.015, points[0].shape)]
        t += hold + move
    return np.asarray(PchipInterpolator(knots, np.array(values))(times))


def two_bones(
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


def frame(primary: Vector, primary_axis: int, secondary: Vector, secondary_axis: int) -> Rotation:
    """Rotations whose axis ``primary_axis`` is ``primary`` and whose second is nearest to it."""
    second = secondary - (secondary * primary).sum(1, keepdims=True) * primary
    second /= np.linalg.norm(second, axis=1, keepdims=True) + 1e-9
    third = np.cross(primary, second)
    sign = 1.0 if (secondary_axis - primary_axis) % 3 == 1 else -1.0
    columns: list[Vector] = [third] * 3
    columns[primary_axis], columns[secondary_axis] = primary, second
    columns[3 - primary_axis - secondary_axis] = sign * third
    return Rotation.from_matrix(np.stack(columns, axis=-1))


def _foot(forward: Vector, shin: Rotation, lift: Vector, hung: Vector) -> tuple[Rotation, Rotation]:
    """Ankle and toes of a foot that points ``forward`` (frames, 3) on the floor, its heel lifted by
    ``lift`` (frames,) radians; by the share ``hung`` (frames,) of the way it goes along with the
    shin instead."""
    flat = forward * (1, 0, 1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    tip = Rotation.from_rotvec(np.stack([lift, 0 * lift, 0 * lift], axis=1))
    stands = frame(np.tile([0.0, 1.0, 0.0], (len(flat), 1)), 1, flat, 2)
    ankle, toes, along = stands * tip, stands, shin * tip
    if (hung == 1.0).all():
        return along, along
    if (hung == 0.0).all():
        return ankle, toes
    ankle, toes = (
        part * Rotation.from_rotvec(hung[:, None] * (part.inv() * along).as_rotvec())
        for part in (ankle, toes)
    )
    return ankle, toes


def assemble(
    times: Vector,
    hips: Vector,
    pelvis: Rotation,
    spine_bend: Vector,
    feet: tuple[Vector, Vector],
    hands: tuple[Vector, Vector],
    gaze: Vector,
    heel_lift: tuple[Vector, Vector],
    knees: tuple[Vector, Vector] | None = None,
    free_feet: bool = False,
    lifted_feet_hang: bool = False,
) -> Vector:
    """Joint rotations (frames, 22, 4) from the paths of the ends.

    ``hips``: (frames, 3); ``spine_bend``: (frames, 3) rotation vector of the chest relative to
    the pelvis; ``feet``: ankles, ``hands``: wrists, (frames, 3) world; ``gaze``: (frames, 2)
    pitch down and yaw of the head relative to the chest; ``heel_lift``: (frames,) radians;
    ``knees``: (frames, 3) world, where each knee points; None: where the pelvis does;
    ``free_feet``: they do not stand, but go along with the shins; ``lifted_feet_hang``: so do
    feet that are off the floor, and only those.
    """
    count = len(times)
    R: dict[str, Rotation] = {"pelvis": pelvis}
    for part, name in ((1 / 3, "spine1"), (2 / 3, "spine2"), (1.0, "spine3")):
        R[name] = pelvis * Rotation.from_rotvec(part * spine_bend)
    nod = np.stack([gaze[:, 0], gaze[:, 1], np.zeros(count)], axis=1)
    R["neck"] = R["spine3"] * Rotation.from_rotvec(0.4 * nod)
    R["head"] = R["spine3"] * Rotation.from_rotvec(nod)
    chest = R["spine3"]
    for side, sign, foot, hand, lift, knee in (
        ("left", 1.0, feet[0], hands[0], heel_lift[0], knees[0] if knees else None),
        ("right", -1.0, feet[1], hands[1], heel_lift[1], knees[1] if knees else None),
    ):
        forward = pelvis.apply([0.25 * sign, 0.0, 1.0]) if knee is None else knee
        hip = hips + pelvis.apply([sign * HIP_HALF, 0.0, 0.0])
        thigh, shin = two_bones(hip, foot, THIGH, SHIN, forward)
        front = (forward, forward) if knee is None else (0.1 * knee - shin, 0.1 * knee + thigh)
        R[f"{side}_hip"] = frame(-thigh, 1, front[0], 2)
        R[f"{side}_knee"] = frame(-shin, 1, front[1], 2)
        hung = np.full(count, float(free_feet))
        if lifted_feet_hang:
            hung = ((foot[:, 1] - ANKLE - _STANDS_M) / _HANGS_M).clip(0.0, 1.0)
        R[f"{side}_ankle"], R[f"{side}_foot"] = _foot(forward, R[f"{side}_knee"], lift, hung)
        shoulder = hips + chest.apply(SHOULDER * (sign, 1, 1))
        elbow_pole = chest.apply([0.5 * sign, -1.0, -0.4])
        upper, lower = two_bones(shoulder, hand, UPPER_ARM, FOREARM, elbow_pole)
        R[f"{side}_collar"] = chest
        # Arms: the T-pose bone axis is x; thumbs (the T-pose's z) stay on the inner, upper side.
        thumb = chest.apply([-0.4 * sign, 0.5, 0.6])
        R[f"{side}_shoulder"] = frame(sign * upper, 0, thumb, 2)
        R[f"{side}_elbow"] = frame(sign * lower, 0, thumb, 2)
        R[f"{side}_wrist"] = R[f"{side}_elbow"]
    return np.stack([R[name].as_quat() for name in JOINT_NAMES], axis=1)
