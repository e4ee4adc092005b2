"""Jumps on the spot, as far as a headset's room allows: a crouch, a flight, a landing.

Hips and feet fly as a body does that nothing holds; how long a take-off pushes and a landing gives
way follows from the speed of the flight.
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from same_model.synth.motion.clip import LOW_PASS_HZ, low_pass
from same_model.synth.motion.ik import ANKLE, FPS, STAND, Vector, assemble, path

_GRAVITY_M_S2 = 9.81
_SIDES = (1.0, -1.0)
_TOES_M = 0.12
"""From the ankle to the ball of the foot."""


def jump(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    """Hips (frames, 3) and joint rotations (frames, 22, 4) of a take of jumps."""
    jumps = _draw(rng, times)
    u, down, on_toes = rng.uniform, jumps.down, _TOES_M * np.sin(jumps.toes)
    height = STAND - 0.02 - down + jumps.air + on_toes
    hips = np.stack([jumps.place[:, 0], height, jumps.place[:, 1] - 0.45 * down], axis=1)
    hips = low_pass(hips, FPS, LOW_PASS_HZ)
    wide = u(0.1, 0.2)
    feet = []
    for sign in _SIDES:
        ankle = ANKLE + jumps.air + on_toes + jumps.tuck
        foot = np.stack([jumps.place[:, 0] + sign * wide, ankle, jumps.place[:, 1]], axis=1)
        foot = low_pass(foot, FPS, LOW_PASS_HZ)
        foot[:, 1] = np.maximum(foot[:, 1], ANKLE)
        feet.append(foot)
    nothing = 0 * down
    lean = Rotation.from_rotvec(np.stack([0.9 * down, nothing, nothing], axis=1))
    bend = np.stack([0.6 * down + 0.05, nothing, nothing], axis=1)
    chest = lean * Rotation.from_rotvec(bend)
    hands = [hips + chest.apply(jumps.hands[:, side]) for side in (0, 1)]
    gaze = path(rng, times, [np.array([0.1, 0.0]), np.array([u(-0.7, 0.4), u(-0.4, 0.4)])], 1.0)
    return hips, assemble(
        times,
        hips,
        lean,
        bend,
        (feet[0], feet[1]),
        (hands[0], hands[1]),
        gaze,
        (jumps.toes, jumps.toes),
        lifted_feet_hang=True,
    )


class _Jumps(NamedTuple):
    """Jumps over time; metres and radians."""

    down: Vector
    """(frames,) how much lower than standing the hips are over the feet."""
    air: Vector
    """(frames,) how high the body flies."""
    tuck: Vector
    """(frames,) how far the feet are drawn up."""
    toes: Vector
    """(frames,) how far the heels are lifted."""
    place: Vector
    """(frames, 2) where on the floor."""
    hands: Vector
    """(frames, 2, 3) both wrists, from the hips in the chest's axes."""


def _draw(rng: np.random.Generator, times: Vector) -> _Jumps:
    down, air, tuck, toes = np.zeros((4, len(times)))
    u = rng.uniform
    place, hand_keys = np.zeros((len(times), 2)), [(0.0, [_rest(s) for s in _SIDES])]
    start = u(0.1, 0.6)
    while start < times[-1]:
        crouch, high, landing = u(0.1, 0.35), u(0.05, 0.4), u(0.08, 0.3)
        speed = np.sqrt(2 * _GRAVITY_M_S2 * high)
        flight = 2 * speed / _GRAVITY_M_S2
        lengths = (u(0.25, 0.5), 2 * crouch / speed, flight, 2 * landing / speed, u(0.25, 0.5))
        ends = start + np.cumsum(lengths)
        crouching, pushing, flying, landed, rising = (
            ((times - (end - length)) / length).clip(0.0, 1.0)
            for end, length in zip(ends, lengths, strict=True)
        )
        down += crouch * (_smooth(crouching) - pushing**2)
        down += landing * (1 - (1 - landed) ** 2 - _smooth(rising))
        air += 0.5 * _GRAVITY_M_S2 * flight**2 * flying * (1 - flying)
        tuck += u(0.0, 0.25) * np.sin(np.pi * flying) ** 2
        toes += 0.7 * pushing**2 * (1 - flying) + 0.4 * np.sin(np.pi * flying) * (1 - flying)
        place += _smooth(flying)[:, None] * rng.normal(0.0, 0.12, 2)
        # Where the hands are low, at the height of the flight, and afterwards.
        reach = _reach(rng)
        hand_keys += [
            (ends[0], [_rest(s) + (0, u(-0.1, 0.1), u(-0.3, 0.1)) for s in _SIDES]),
            (ends[1] + 0.5 * flight, reach),
            (ends[3], [_rest(s) + (0, u(0.0, 0.3), u(0.0, 0.2)) for s in _SIDES]),
        ]
        start = ends[4] + u(0.05, 0.9)

    keys, values = zip(*hand_keys, strict=True)
    hands = PchipInterpolator(keys, np.array(values))(times.clip(keys[0], keys[-1]))
    return _Jumps(down, air, tuck, toes, place, hands)


def _smooth(share: Vector) -> Vector:
    return 0.5 - 0.5 * np.cos(np.pi * share)


def _rest(sign: float) -> Vector:
    return np.array([sign * 0.28, 0.0, 0.15])


def _reach(rng: np.random.Generator) -> list[Vector]:
    """Both wrists at the height of a jump, from the hips in the chest's axes: up, or anywhere."""
    u = rng.uniform
    raised = rng.random(2) < rng.choice([0.0, 0.5, 1.0])
    return [
        np.array([s * u(0.05, 0.3), u(0.8, 1.0), u(0.05, 0.35)])
        if up
        else np.array([s * u(0.1, 0.5), u(0.0, 0.5), u(0.1, 0.35)])
        for s, up in zip(_SIDES, raised, strict=True)
    ]
