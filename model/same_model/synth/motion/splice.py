"""One performer's upper body on another's legs: more poses from the same clips, contacts kept."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion.clip import Motion, interpolate_rotations
from same_runtime.conventions import JOINT_NAMES, LOWER_BODY_JOINTS

_UPPER = [j for j in range(len(JOINT_NAMES)) if j not in LOWER_BODY_JOINTS]


def spliced(rng: np.random.Generator, legs: Motion, upper: Motion) -> Motion:
    """``legs`` with its path, pelvis and feet as they are, under the upper body of ``upper``.

    The spine keeps its angle to the pelvis, so a trunk bends as it did; a part of ``upper`` is
    taken that is as long as ``legs``, there and back again where it is shorter.
    """
    length = np.arange(legs.frames) / legs.fps
    spare = upper.seconds - legs.seconds
    start = rng.uniform(0.0, spare) if spare > 0 else 0.0
    turns = (length + start) / upper.seconds
    there_and_back = (1 - np.abs(1 - turns % 2)) * upper.seconds
    source = np.arange(upper.frames) / upper.fps
    chosen = interpolate_rotations(source, upper.rotations_xyzw[:, [0, *_UPPER]], there_and_back)
    from_pelvis = Rotation.from_quat(legs.rotations_xyzw[:, 0]) * (
        Rotation.from_quat(chosen[:, 0]).inv()
    )
    rotations = legs.rotations_xyzw.copy()
    for place, j in enumerate(_UPPER, 1):
        rotations[:, j] = (from_pelvis * Rotation.from_quat(chosen[:, place])).as_quat()
    return replace(legs, rotations_xyzw=rotations)
