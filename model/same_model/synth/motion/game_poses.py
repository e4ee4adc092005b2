"""Key poses of what people do in headset games, drawn at random: aim, throw, swing, climb,
duck, kick, sit, kneel, lie.

A pose says where hips, feet and hands are and how the trunk bends. Poses stay within what joints
can do; balance is kept roughly.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion.ik import ANKLE, HIP_HALF, SHIN, STAND, THIGH, Vector

Rng = np.random.Generator
_KNEELING_KNEE, _KNEELING_ANKLE = 0.06, 0.07
"""Heights of the joints of a leg that kneels, metres."""


def _v(*values: float) -> Vector:
    return np.array(values, float)


@dataclass
class Pose:
    """One key pose; metres and radians, facing +z, the floor at y = 0."""

    hips: Vector
    lean: Vector = field(default_factory=lambda: _v(0, 0, 0))
    """Rotation vector of the pelvis."""
    bend: Vector = field(default_factory=lambda: _v(0, 0, 0))
    """Rotation vector of the chest relative to the pelvis."""
    left_foot: Vector = field(default_factory=lambda: _v(0.15, ANKLE, 0))
    right_foot: Vector = field(default_factory=lambda: _v(-0.15, ANKLE, 0))
    """Ankles, world."""
    left_hand: Vector = field(default_factory=lambda: _v(0.28, -0.10, 0.08))
    right_hand: Vector = field(default_factory=lambda: _v(-0.28, -0.10, 0.08))
    """Wrists from the hips in the chest's axes; or in the world, see ``reach``."""
    reach: Vector = field(default_factory=lambda: _v(0, 0))
    """Whether each hand is given in the world: 1 or 0."""
    gaze: Vector = field(default_factory=lambda: _v(0.15, 0))
    """Pitch down and yaw of the head."""
    left_knee: Vector = field(default_factory=lambda: _v(0.25, 0, 1))
    right_knee: Vector = field(default_factory=lambda: _v(-0.25, 0, 1))
    """Where the knees point, axes of the pelvis; while standing, of its heading."""


def _mirrored(pose: Pose) -> Pose:
    flip, turn = _v(-1, 1, 1), _v(1, -1, -1)
    return Pose(
        pose.hips * flip,
        pose.lean * turn,
        pose.bend * turn,
        pose.right_foot * flip,
        pose.left_foot * flip,
        pose.right_hand * flip,
        pose.left_hand * flip,
        pose.reach[::-1],
        pose.gaze * (1, -1),
        pose.right_knee * flip,
        pose.left_knee * flip,
    )


def _stand(rng: Rng, crouch: float = 0.0, width: float = 0.22) -> Pose:
    """Standing, stepped anyhow, up to ``crouch`` lower."""
    u = rng.uniform
    down = u(0.01, 0.05) + max(0.0, u(-0.5, 1.0)) * crouch
    stagger = u(-0.2, 0.2)
    return Pose(
        _v(u(-0.06, 0.06), STAND - down, -0.15 * down),
        lean=_v(0.5 * down, u(-0.3, 0.3), 0),
        bend=_v(0.6 * down + u(-0.1, 0.2), u(-0.3, 0.3), u(-0.1, 0.1)),
        left_foot=_v(u(0.08, width), ANKLE, stagger),
        right_foot=_v(-u(0.08, width), ANKLE, -stagger),
        gaze=_v(u(-0.2, 0.6), u(-0.5, 0.5)),
    )


def shoot(rng: Rng) -> Pose:
    pose, u = _stand(rng, 0.35), rng.uniform
    pose.bend += _v(0, u(-0.6, 0.6), 0)
    aim = _v(u(-0.15, 0.15), u(0.3, 0.6), u(0.42, 0.55))
    match rng.integers(3):
        case 0:  # a pistol in both hands, or a rifle
            pose.right_hand = aim
            pose.left_hand = aim + _v(0.04, -0.03, u(-0.02, 0.1))
        case 1:  # two pistols
            pose.right_hand, pose.left_hand = aim + _v(-0.15, 0, 0), aim + _v(0.15, u(-0.3, 0.1), 0)
        case _:  # a bow, drawn
            pose.bend += _v(0, -0.5, 0)
            pose.left_hand = _v(u(0.25, 0.5), u(0.4, 0.6), u(0.3, 0.45))
            pose.right_hand = _v(u(-0.25, -0.1), u(0.45, 0.6), u(0.08, 0.2))
    return pose


def throw(rng: Rng) -> Pose:
    pose, u = _stand(rng, 0.2), rng.uniform
    match rng.integers(3):
        case 0:
            pose.right_hand = _v(u(-0.5, -0.25), u(0.45, 0.75), u(-0.2, 0.0))
            pose.left_hand = _v(u(0.05, 0.3), u(0.2, 0.5), u(0.3, 0.5))
            pose.bend += _v(-0.15, -u(0.3, 0.8), 0)
        case 1:
            pose.right_hand = _v(u(-0.25, 0.1), u(0.4, 0.85), u(0.35, 0.5))
            pose.bend += _v(u(0.0, 0.3), u(0.2, 0.6), 0)
        case _:
            pose.right_hand = _v(u(0.0, 0.3), u(-0.15, 0.15), u(0.25, 0.4))
            pose.bend += _v(u(0.2, 0.6), u(0.3, 0.7), 0)
    return pose


def swing(rng: Rng) -> Pose:
    pose, u = _stand(rng, 0.4, 0.3), rng.uniform
    pose.hips += _v(u(-0.15, 0.15), 0, 0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hand = _v(sign * u(-0.25, 0.6), u(-0.1, 0.95), u(0.1, 0.5))
        setattr(pose, f"{side}_hand", hand)
    return pose


def climb(rng: Rng) -> Pose:
    pose, u = _stand(rng, 0.15), rng.uniform
    pose.left_hand = _v(u(0.05, 0.3), u(0.75, 1.0), u(0.1, 0.35))
    pose.right_hand = _v(-u(0.05, 0.3), u(0.1, 0.6), u(0.2, 0.4))
    pose.gaze = _v(u(-0.7, 0.1), u(-0.4, 0.4))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def floor_reach(rng: Rng) -> Pose:
    u = rng.uniform
    if rng.random() < 0.25:
        return _stand(rng)
    down = u(0.05, 0.6)
    pose = _stand(rng, 0.0, 0.3)
    pose.hips = _v(u(-0.05, 0.05), STAND - down, -u(0.05, 0.25))
    fold = u(0.7, 1.0)
    pose.lean = _v(0.9 * fold, u(-0.3, 0.3), 0)
    pose.bend = _v(fold * (1.0 - 0.6 * down), u(-0.4, 0.4), u(-0.2, 0.2))
    pose.reach = _v(1, float(rng.random() < 0.6))
    pose.left_hand = _v(u(-0.1, 0.5), u(0.05, 0.4), u(0.2, 0.6))
    pose.right_hand = (
        _v(-u(-0.1, 0.5), u(0.05, 0.4), u(0.2, 0.6)) if pose.reach[1] else _v(-0.2, 0.1, 0.3)
    )
    pose.gaze = _v(u(-0.3, 0.4), u(-0.3, 0.3))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def yoga(rng: Rng) -> Pose:
    pose, u = _stand(rng), rng.uniform
    match rng.integers(5):
        case 0:  # tree
            pose.right_foot = _v(-0.03, u(0.2, 0.5), 0.02)
            pose.right_knee = _v(-1, 0, 0.35)
            pose.hips = _v(0.1, STAND - 0.01, 0)
            pose.left_foot = _v(0.11, ANKLE, 0)
            pose.left_hand, pose.right_hand = _v(0.05, 0.98, 0.05), _v(-0.05, 0.98, 0.05)
        case 1:  # forward fold
            pose.hips = _v(0, STAND - 0.03, -0.12)
            pose.lean, pose.bend = _v(u(0.9, 1.3), 0, 0), _v(u(0.7, 1.1), 0, 0)
            pose.reach, pose.gaze = _v(1, 1), _v(u(-0.2, 0.3), 0)
            low = u(0.06, 0.4)
            pose.left_hand, pose.right_hand = _v(0.15, low, 0.2), _v(-0.15, low, 0.2)
        case 2:  # side bend
            pose.bend = _v(0, 0, u(0.3, 0.7))
            pose.right_hand, pose.left_hand = _v(-0.05, 1.0, 0.0), _v(0.3, -0.1, 0.05)
        case 3:  # chair
            pose.hips = _v(0, STAND - u(0.2, 0.4), -0.2)
            pose.lean, pose.bend = _v(u(0.4, 0.7), 0, 0), _v(u(-0.2, 0.2), 0, 0)
            pose.left_hand, pose.right_hand = _v(0.15, 0.95, 0.25), _v(-0.15, 0.95, 0.25)
        case _:  # wide legs, hands out
            pose.left_foot, pose.right_foot = _v(0.45, ANKLE, 0), _v(-0.45, ANKLE, 0)
            pose.hips = _v(0, STAND - 0.14, 0)
            pose.left_hand, pose.right_hand = _v(0.73, 0.47, 0), _v(-0.73, 0.47, 0)
            pose.bend = _v(u(-0.1, 0.3), u(-0.6, 0.6), u(-0.4, 0.4))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def sit_and_play(rng: Rng) -> Pose:
    """Around one seat: the height does not change from pose to pose by more than shifting does."""
    pose, u = (shoot, swing, throw)[int(rng.integers(3))](rng), rng.uniform
    pose.hips = _v(u(-0.04, 0.04), 0.55 + u(-0.01, 0.01), u(-0.05, 0.05))
    pose.lean = _v(u(-0.25, 0.2), u(-0.15, 0.15), 0)
    apart = u(0.1, 0.3)
    pose.left_foot = _v(apart, ANKLE, u(0.2, 0.55))
    pose.right_foot = _v(-apart, ANKLE, u(0.2, 0.55))
    return pose


def sit_on_floor(rng: Rng) -> Pose:
    pose, u = (shoot, swing)[int(rng.integers(2))](rng), rng.uniform
    pose.hips = _v(0, 0.11, 0)
    pose.lean = _v(u(-0.35, 0.15), u(-0.2, 0.2), 0)
    pose.bend = _v(u(0.0, 0.5), u(-0.5, 0.5), u(-0.2, 0.2))
    match rng.integers(3):
        case 0:  # cross-legged
            pose.left_foot, pose.right_foot = _v(-0.08, 0.08, 0.28), _v(0.1, 0.08, 0.33)
            pose.left_knee, pose.right_knee = _v(1, 0.15, 0.3), _v(-1, 0.15, 0.3)
        case 1:  # legs stretched out
            pose.left_foot, pose.right_foot = (
                _v(u(0.08, 0.35), 0.09, u(0.7, 0.84)),
                _v(-u(0.08, 0.35), 0.09, u(0.7, 0.84)),
            )
            pose.left_knee, pose.right_knee = _v(0.1, 1, 0.2), _v(-0.1, 1, 0.2)
        case _:  # knees drawn up
            pose.left_foot, pose.right_foot = (
                _v(u(0.05, 0.3), 0.09, u(0.35, 0.6)),
                _v(-u(0.05, 0.3), 0.09, u(0.35, 0.6)),
            )
            pose.left_knee, pose.right_knee = _v(0.2, 1, 0.4), _v(-0.2, 1, 0.4)
    return pose


def lie(rng: Rng) -> Pose:
    """On the back, rolled to a side at times."""
    pose, u = swing(rng), rng.uniform
    roll = u(-0.3, 0.3) if rng.random() < 0.6 else rng.choice([-1.0, 1.0]) * u(0.9, 1.5)
    pelvis = Rotation.from_rotvec([-np.pi / 2 + u(0.0, 0.1), 0, 0]) * Rotation.from_rotvec(
        [0, roll, 0]
    )
    pose.hips, pose.lean = _v(0, 0.12, 0), pelvis.as_rotvec()
    pose.bend = _v(u(0.0, 0.4), u(-0.3, 0.3), u(-0.2, 0.2))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        away, up = u(0.4, 0.85), u(0.0, 0.15)
        foot = pose.hips + pelvis.apply([sign * u(0.06, 0.25), -away, up])
        setattr(pose, f"{side}_foot", foot)
        setattr(pose, f"{side}_knee", _v(0.3 * sign, 0, 1))
    pose.gaze = _v(u(0.0, 0.6), u(-0.5, 0.5))
    return pose


def box(rng: Rng) -> Pose:
    pose, u = _stand(rng, 0.25), rng.uniform
    pose.bend += _v(0.15, u(-0.5, 0.5), 0)
    guard = (_v(0.12, u(0.35, 0.5), u(0.2, 0.3)), _v(-0.12, u(0.35, 0.5), u(0.2, 0.3)))
    pose.left_hand, pose.right_hand = guard
    if rng.random() < 0.6:
        pose.left_hand = _v(u(-0.1, 0.1), u(0.2, 0.6), u(0.45, 0.56))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def dance(rng: Rng) -> Pose:
    pose, u = swing(rng), rng.uniform
    pose.lean += _v(0, 0, u(-0.2, 0.2))
    pose.bend += _v(u(-0.2, 0.2), u(-0.4, 0.4), u(-0.3, 0.3))
    if rng.random() < 0.4:
        pose.right_foot = _v(-u(0.05, 0.4), u(ANKLE, 0.4), u(-0.3, 0.4))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def duck(rng: Rng) -> Pose:
    """Under what comes flying, or to the side of it."""
    pose, u = (shoot, swing)[int(rng.integers(2))](rng), rng.uniform
    match rng.integers(4):
        case 0:
            return pose
        case 1:  # knees bent
            down = u(0.2, 0.6)
            pose.hips = _v(u(-0.1, 0.1), STAND - down, -0.3 * down)
            pose.lean = _v(u(0.6, 1.4) * down, u(-0.3, 0.3), 0)
            pose.bend = _v(u(0.3, 1.2) * down, u(-0.4, 0.4), u(-0.2, 0.2))
        case 2:  # folded at the hips
            down = u(0.02, 0.25)
            pose.hips = _v(0, STAND - down, -u(0.1, 0.2))
            pose.lean = _v(u(0.4, 0.9), u(-0.3, 0.3), 0)
            pose.bend = _v(u(0.3, 0.8), u(-0.3, 0.3), u(-0.2, 0.2))
        case _:  # to the side
            away, down = u(0.1, 0.3), u(0.08, 0.4)
            pose.hips = _v(away, STAND - down, -0.2 * down)
            pose.lean = _v(0.5 * down, u(-0.2, 0.2), -u(0.0, 0.25))
            pose.bend = _v(u(0.0, 0.5), u(-0.3, 0.3), -u(0.1, 0.5))
            pose.left_foot = _v(away + u(0.1, 0.3), ANKLE, u(-0.1, 0.1))
    pose.gaze = _v(u(-0.7, 0.2), u(-0.4, 0.4))
    return pose if rng.random() < 0.5 else _mirrored(pose)


def kick(rng: Rng) -> Pose:
    """On one leg: kicks, raised knees, steps over something."""
    pose, u = (shoot, swing, throw)[int(rng.integers(3))](rng), rng.uniform
    if rng.random() < 0.4:
        return pose
    pose.left_foot = _v(u(0.02, 0.12), ANKLE, u(-0.05, 0.05))
    pose.hips = _v(0.07, STAND - u(0.01, 0.08), -0.03)
    high = u(0.15, 0.8)
    match rng.integers(3):
        case 0:  # to the front
            pose.right_foot = _v(-u(0.0, 0.25), high, u(0.3, 0.75))
            pose.lean = _v(-u(0.0, 0.35) * high, u(-0.2, 0.4), 0)
        case 1:  # a raised knee
            pose.right_foot = _v(-u(0.05, 0.25), ANKLE + 0.6 * high, u(-0.15, 0.25))
        case _:  # to the side or behind
            pose.right_foot = _v(-u(0.2, 0.6), 0.6 * high, u(-0.45, 0.1))
            pose.lean = _v(u(0.0, 0.3) * high, u(-0.2, 0.2), u(0.0, 0.4) * high)
    return pose if rng.random() < 0.5 else _mirrored(pose)


def perch(rng: Rng) -> Pose:
    """On a high stool: feet on its rung, on the floor or hanging."""
    pose, u = (shoot, swing, throw)[int(rng.integers(3))](rng), rng.uniform
    pose.hips = _v(u(-0.03, 0.03), 0.64 + u(-0.01, 0.01), u(-0.04, 0.04))
    pose.lean = _v(u(-0.2, 0.2), u(-0.2, 0.2), 0)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        wide = sign * u(0.06, 0.28)
        foot = (
            _v(wide, u(0.2, 0.4), u(0.05, 0.35)),
            _v(wide, ANKLE, u(0.3, 0.5)),
            _v(wide, u(0.2, 0.35), u(0.3, 0.45)),
        )[int(rng.integers(3))]
        setattr(pose, f"{side}_foot", foot)
    return pose


def kneel_and_play(rng: Rng) -> Pose:
    """On both knees: upright, or sitting on the heels."""
    pose, u = (shoot, swing, throw)[int(rng.integers(3))](rng), rng.uniform
    height = _KNEELING_KNEE + THIGH * (u(0.9, 0.99) if rng.random() < 0.6 else u(0.45, 0.9))
    pose.hips = _v(u(-0.05, 0.05), height, 0)
    pose.lean = _v(u(-0.1, 0.5), u(-0.3, 0.3), u(-0.1, 0.1))
    pose.bend = _v(u(-0.1, 0.5), u(-0.5, 0.5), u(-0.2, 0.2))
    ahead = np.sqrt(THIGH**2 - (height - _KNEELING_KNEE) ** 2)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        apart = sign * (HIP_HALF + u(-0.03, 0.12))
        setattr(pose, f"{side}_foot", _v(apart, _KNEELING_ANKLE, ahead - SHIN))
        setattr(pose, f"{side}_knee", _v(0.3 * (apart - sign * HIP_HALF), -0.3, 1))
    return pose
