"""Motion made from a few parameters: squats, reaches, sits, leans, lunges, kneels.

It fills gaps of the captured clips and is free to ship. Feet are planted and limbs follow by
two-bone inverse kinematics on the T-pose skeleton of ``motion``.
"""

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.clip import LOW_PASS_HZ, REFERENCE_LEG_M, Motion, low_pass
from same_model.synth.motion.ik import ANKLE, FPS, STAND, Vector, assemble, path
from same_model.synth.motion.jump import jump
from same_model.synth.motion.play import STYLES, play
from same_model.synth.motion.poses import pose_sequence


def make_motion(rng: np.random.Generator, action: str, seconds: float | None = None) -> Motion:
    """One take of a procedural action. Raises ``DataError`` for an unknown action."""
    if action not in ACTIONS:
        raise DataError(f"action: expected one of {sorted(ACTIONS)}, got {action!r}")
    times = np.arange(int((seconds or rng.uniform(6.0, 12.0)) * FPS)) / FPS
    if action == POSES:
        hips, rotations = pose_sequence(rng, times)
    elif action in STYLES:
        hips, rotations = play(rng, times, action)
    else:
        hips, rotations = _FIRST[action](rng, times)
    return Motion(
        f"procedural_{action}",
        FPS,
        low_pass(hips, FPS, LOW_PASS_HZ),
        rotations,
        REFERENCE_LEG_M,
        action,
        action in _SEATED,
        (0, len(times)),
    )


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
        out.append(path(rng, times, places, rng.uniform(0.8, 1.6)))
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
    gaze = path(
        rng, times, [np.array([0.15, 0.0]), np.array([0.5, 0.3]), np.array([0.1, -0.4])], 1.2
    )
    zero = np.zeros(len(times))
    return hips, assemble(times, hips, pelvis, bend, feet, hands, gaze, lifts or (zero, zero))


def _planted(rng: np.random.Generator, times: Vector, width: float = 0.14) -> tuple[Vector, Vector]:
    w = width + rng.uniform(0.0, 0.1)
    left = np.tile([w, ANKLE, rng.normal(0, 0.03)], (len(times), 1))
    right = np.tile([-w, ANKLE, rng.normal(0, 0.03)], (len(times), 1))
    return left, right


def _x(values: Vector) -> Vector:
    return np.stack([values, 0 * values, 0 * values], axis=1)


def _squat(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    depth = rng.uniform(0.2, 0.45)
    d = path(rng, times, [np.array([0.0]), np.array([depth])], rng.uniform(0.7, 1.4))[:, 0]
    d = d.clip(0.0, 0.5)
    hips = np.stack([0 * d, STAND - d, -0.45 * d], axis=1)
    return _body(rng, times, hips, _x(0.9 * d), _x(0.7 * d), _planted(rng, times), "front")


def _reach(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    sway = path(rng, times, [np.zeros(2), np.array([0.06, 0.03]), np.array([-0.06, 0.0])], 1.5)
    turn = path(rng, times, [np.zeros(2), np.array([0.25, 0.5]), np.array([0.1, -0.5])], 1.3)
    hips = np.stack([sway[:, 0], np.full(len(times), STAND - 0.02), sway[:, 1]], axis=1)
    bend = np.stack([turn[:, 0], turn[:, 1], 0 * turn[:, 0]], axis=1)
    return _body(rng, times, hips, 0.2 * bend, bend, _planted(rng, times, 0.1), "reach")


def _sit(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    height = rng.uniform(0.42, 0.55) + 0.08
    s = path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(1.4, 2.4))[:, 0]
    s = s.clip(0.0, 1.0)
    hips = np.stack([0 * s, STAND + s * (height - STAND), -0.42 * s], axis=1)
    stoop = np.sin(np.pi * s)
    return _body(
        rng, times, hips, _x(0.35 * stoop), _x(0.45 * stoop + 0.1), _planted(rng, times), "lap"
    )


def _lean(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    bend = path(
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
    hips = np.stack([0.1 * bend[:, 2], np.full(len(times), STAND - 0.02), -0.12 * bend[:, 0]], 1)
    return _body(rng, times, hips, 0.5 * bend, bend, _planted(rng, times), "reach")


def _lunge(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    s = path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(0.9, 1.5))[:, 0]
    s = s.clip(0.0, 1.0)
    stride = rng.uniform(0.3, 0.45)
    left, right = _planted(rng, times, 0.08)
    left = left + np.stack([0 * s, 0.08 * np.sin(np.pi * s), stride * s], axis=1)
    right = right + np.stack([0 * s, 0.07 * s, -0.25 * s], axis=1)
    hips = np.stack([0 * s, STAND - rng.uniform(0.2, 0.3) * s, 0.12 * s], axis=1)
    return _body(
        rng, times, hips, _x(0.15 * s), _x(0.1 * s), (left, right), "front", (0 * s, 0.7 * s)
    )


def _kneel(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    s = path(rng, times, [np.array([0.0]), np.array([1.0])], rng.uniform(1.2, 2.0))[:, 0]
    s = s.clip(0.0, 1.0)
    left, right = _planted(rng, times, 0.08)
    left = left + np.stack([0 * s, 0 * s, 0.25 * s], axis=1)
    right = right + np.stack([0 * s, 0.05 * s, -0.42 * s], axis=1)
    hips = np.stack([0 * s, STAND + (0.52 - STAND) * s, -0.02 * s], axis=1)
    return _body(
        rng, times, hips, _x(0.1 * s), _x(0.25 * s), (left, right), "lap", (0 * s, 1.2 * s)
    )


_FIRST: dict[str, Callable[[np.random.Generator, Vector], tuple[Vector, Vector]]] = {
    "squat": _squat,
    "reach": _reach,
    "sit": _sit,
    "lean": _lean,
    "lunge": _lunge,
    "kneel": _kneel,
    "jump": jump,
}
POSES = "poses"
"""Static poses within joint limits."""
ACTIONS = (*_FIRST, *STYLES, POSES)
"""The first six are as old as the protocols, which test them."""
_SEATED = ("sit", "sit and play", "perch")
