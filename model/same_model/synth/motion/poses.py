"""Static poses drawn within joint limits, one after the other: what a body can do, whoever does it.

For what looks at single images. Poses are held a moment and joined by quick turns; legs mostly
stand, and the body is set down on its lower foot. Limits after the American Academy of Orthopaedic
Surgeons' "Joint motion: method of measuring and recording" (1965), a little inside.
"""

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from same_model.synth.motion.clip import LOW_PASS_HZ, REFERENCE_LEG_M, low_pass_rotations
from same_model.synth.motion.ik import FPS, Vector
from same_model.synth.motion.restyle import lowest_sole
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS

# Degrees about x (left), y (up), z (forward) of the T-pose, for the left side: lowest and highest.
_LIMITS = {
    "hip": ((-115, 25), (-35, 35), (-20, 40)),
    "knee": ((0, 135), (-5, 5), (0, 0)),
    "ankle": ((-20, 40), (-10, 10), (-10, 10)),
    "foot": ((-25, 10), (0, 0), (0, 0)),
    "spine1": ((-8, 25), (-10, 10), (-9, 9)),
    "spine2": ((-8, 22), (-12, 12), (-9, 9)),
    "spine3": ((-8, 18), (-12, 12), (-9, 9)),
    "neck": ((-20, 25), (-25, 25), (-15, 15)),
    "head": ((-20, 25), (-35, 35), (-15, 15)),
    "collar": ((-3, 3), (-15, 15), (-5, 20)),
    "shoulder": ((-60, 60), (-110, 25), (-85, 80)),
    "elbow": ((-10, 10), (-135, 0), (0, 0)),
    "wrist": ((-60, 60), (-20, 25), (-50, 50)),
}
_REST = {"shoulder": (0, -10, -70), "elbow": (0, -25, 0)}
_TILTED = 0.35
"""Share of poses whose pelvis leans as far as people lean who crouch, crawl or lie."""


def pose_sequence(rng: np.random.Generator, times: Vector) -> tuple[Vector, Vector]:
    """Hips (frames, 3) and joint rotations (frames, 22, 4) of poses held for a moment each."""
    knots = [0.0]
    while knots[-1] <= times[-1]:
        hold, move = rng.uniform(0.15, 0.5), rng.uniform(0.25, 0.5)
        knots += [knots[-1] + hold, knots[-1] + hold + move]
    poses = [draw_pose(rng) for _ in range(len(knots) // 2 + 1)]
    local = []
    for j in range(len(JOINT_NAMES)):
        keys = np.array([pose[j] for pose in poses])
        local.append(
            Slerp(knots, Rotation.from_quat(np.repeat(keys, 2, axis=0)[: len(knots)]))(times)
        )
    turned: list[Rotation] = []
    for j, parent in enumerate(JOINT_PARENTS):
        turned.append(local[j] if parent < 0 else turned[parent] * local[j])
    rotations = low_pass_rotations(
        np.stack([t.as_quat() for t in turned], axis=1), FPS, LOW_PASS_HZ
    )
    smooth = [Rotation.from_quat(rotations[:, j]) for j in range(len(JOINT_NAMES))]
    hips = np.zeros((len(times), 3))
    hips[:, 1] = -lowest_sole(smooth, REFERENCE_LEG_M)
    return hips, rotations


def draw_pose(rng: np.random.Generator) -> Vector:
    """(22, 4) rotations of each joint to its parent, xyzw, within the limits."""
    out = []
    effort = rng.uniform(0.35, 1.0)
    for name in JOINT_NAMES:
        if name == "pelvis":
            reach = 75.0 if rng.random() < _TILTED else 12.0
            pitch, roll = rng.uniform(-0.3, 1.0) * reach, rng.normal(0.0, 0.3) * reach
            out.append(
                Rotation.from_euler("YXZ", [rng.uniform(-60, 60), pitch, roll], degrees=True)
            )
            continue
        part = name.removeprefix("left_").removeprefix("right_")
        low, high = np.array(_LIMITS[part], float).T
        rest = np.array(_REST.get(part, (0, 0, 0)), float)
        turn = rest + effort * (low + rng.beta(1.3, 1.3, 3) * (high - low) - rest)
        turn *= (1, -1, -1) if name.startswith("right_") else (1, 1, 1)
        out.append(Rotation.from_euler("YZX", turn[[1, 2, 0]], degrees=True))
    return np.stack([turn.as_quat() for turn in out])
