"""Other poses from the same clip: training must show more of the body's range than clips do.

Slow random rotations are added at every joint, down the kinematic chain, and the body is lifted
or lowered so that its lower foot keeps the clip's height over the floor. Balance and planted
feet are not kept: what counts is that images, sensors and truth agree with each other.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from same_model.synth.motion.clip import LOW_PASS_HZ, Motion, low_pass
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS

_SPREAD_DEG = {
    "pelvis": (4, 25, 3),
    "hip": (18, 8, 9),
    "knee": (14, 0, 0),
    "ankle": (8, 4, 3),
    "foot": (3, 0, 0),
    "spine1": (4, 4, 3),
    "spine2": (4, 4, 3),
    "spine3": (4, 4, 3),
    "neck": (5, 6, 3),
    "head": (7, 10, 4),
    "collar": (2, 4, 4),
    "shoulder": (15, 20, 20),
    "elbow": (8, 14, 8),
    "wrist": (10, 8, 12),
}
"""Standard deviations about the T-pose axes (x left, y up, z forward) at strength 1."""
_SEATED_LEGS = 0.3
_SLOWEST_S, _FASTEST_S = 2.5, 0.6
_LARGEST = 2.0
_ANKLE_M = 0.08
_SOLE_M = np.array([[0.0, -_ANKLE_M, -0.05], [0.0, -_ANKLE_M, 0.14]])


def _slow_noise(rng: np.random.Generator, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames, 3) about unit variance: half of it a constant, half moving."""
    every = rng.uniform(_FASTEST_S, _SLOWEST_S)
    knots = np.arange(0.0, times_s[-1] + 2 * every, every)
    path = PchipInterpolator(knots, rng.normal(0.0, 1.0, (len(knots), 3)))(times_s)
    mixed = (path + rng.normal(0.0, 1.0, 3)) / np.sqrt(2.0)
    return np.asarray(mixed).clip(-_LARGEST, _LARGEST)


def lowest_sole(rotations: list[Rotation], leg_m: float) -> NDArray[np.float64]:
    """Height (frames,) of the lower foot's sole relative to the hips, on a nominal leg."""
    heights = []
    for side in ("left", "right"):
        thigh, shin, ankle = (
            rotations[JOINT_NAMES.index(f"{side}_{name}")] for name in ("hip", "knee", "ankle")
        )
        down = (thigh.apply([0, -leg_m / 2, 0]) + shin.apply([0, -leg_m / 2, 0]))[:, 1]
        heights += [down + ankle.apply(point)[:, 1] for point in _SOLE_M]
    return np.min(heights, axis=0)


def restyled(rng: np.random.Generator, motion: Motion, strength: float) -> Motion:
    """``motion`` in another style and tempo; ``strength`` 1 turns a hip by some 18 degrees."""
    times = np.arange(motion.frames) / motion.fps
    strength = strength * rng.uniform(0.3, 1.3)
    before = [Rotation.from_quat(motion.rotations_xyzw[:, j]) for j in range(len(JOINT_NAMES))]
    after: list[Rotation] = []
    for j, (name, parent) in enumerate(zip(JOINT_NAMES, JOINT_PARENTS, strict=True)):
        part = name.removeprefix("left_").removeprefix("right_")
        on_leg = part in ("hip", "knee", "ankle", "foot")
        scale = strength * (_SEATED_LEGS if motion.seated and on_leg else 1.0)
        noise = np.deg2rad(_SPREAD_DEG[part]) * scale * _slow_noise(rng, times)
        if part == "knee":
            noise = np.abs(noise)  # it bends one way
        local = before[j] if parent < 0 else before[parent].inv() * before[j]
        turned = local * Rotation.from_rotvec(noise)
        after.append(turned if parent < 0 else after[parent] * turned)
    hips = motion.hips_m.copy()
    leg = motion.leg_length_m
    hips[:, 1] += lowest_sole(before, leg) - lowest_sole(after, leg)
    return replace(
        motion,
        fps=motion.fps * rng.uniform(0.8, 1.25),
        hips_m=low_pass(hips, motion.fps, LOW_PASS_HZ),
        rotations_xyzw=np.stack([r.as_quat() for r in after], axis=1),
    )
