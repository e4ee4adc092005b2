"""What people do in headset games, as motion.

A take runs through random key poses of its action, each held a moment, at the action's own speed;
limbs follow by two-bone inverse kinematics.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion import game_poses
from same_model.synth.motion.clip import MAX_JOINT_SPEED_DEG_S, low_pass_rotations
from same_model.synth.motion.game_poses import Pose, Rng
from same_model.synth.motion.ik import ANKLE, FPS, SHOULDER, Vector, assemble, path

_SMOOTH_HZ = 3.0
_TRIES = 20
_CLOSEST_M = 0.19
"""Wrist to shoulder with the elbow bent by 140 degrees."""


@dataclass(frozen=True)
class _Style:
    pose: Callable[[Rng], Pose]
    every_s: tuple[float, float]
    """Fastest and slowest time from pose to pose."""
    free_legs: bool = False
    """The legs do not stand: their feet go along with the shins."""
    lifted_feet_hang: bool = False
    """Feet that are off the floor go along with the shins."""
    toes_back: float = 0.0
    """Radians that the feet are stretched."""
    hips_up: tuple[float, float] = (0.0, 0.0)
    """How much higher the hips are, metres, drawn once for a take: seats differ."""


STYLES = {
    "shoot": _Style(game_poses.shoot, (0.5, 1.4)),
    "throw": _Style(game_poses.throw, (0.35, 0.8)),
    "swing": _Style(game_poses.swing, (0.3, 0.7)),
    "climb": _Style(game_poses.climb, (0.5, 1.0)),
    "floor reach": _Style(game_poses.floor_reach, (0.8, 1.6)),
    "yoga": _Style(game_poses.yoga, (1.2, 2.5)),
    "sit and play": _Style(game_poses.sit_and_play, (0.4, 1.2)),
    "sit on floor": _Style(game_poses.sit_on_floor, (0.6, 1.5), free_legs=True),
    "lie": _Style(game_poses.lie, (0.8, 2.0), free_legs=True),
    "box": _Style(game_poses.box, (0.2, 0.5)),
    "dance": _Style(game_poses.dance, (0.35, 0.8)),
    "duck": _Style(game_poses.duck, (0.35, 0.9)),
    "kick": _Style(game_poses.kick, (0.35, 0.8), lifted_feet_hang=True),
    "perch": _Style(game_poses.perch, (0.5, 1.4), lifted_feet_hang=True, hips_up=(0.0, 0.2)),
    "kneel and play": _Style(game_poses.kneel_and_play, (0.5, 1.4), free_legs=True, toes_back=1.35),
}


def play(rng: Rng, times: Vector, action: str) -> tuple[Vector, Vector]:
    """Hips (frames, 3) and joint rotations (frames, 22, 4) of a take of ``action``.

    Where a hand passes its shoulder the elbow turns over: such takes are drawn anew.
    """
    for _ in range(_TRIES):
        hips, rotations = _take(rng, times, STYLES[action])
        cosine = np.abs((rotations[1:] * rotations[:-1]).sum(axis=-1)).min()
        if np.rad2deg(2 * np.arccos(min(cosine, 1.0))) * FPS < MAX_JOINT_SPEED_DEG_S:
            break
    return hips, rotations


def _take(rng: Rng, times: Vector, style: _Style) -> tuple[Vector, Vector]:
    every = rng.uniform(*style.every_s)
    count = int(times[-1] / every) + 4
    points = [np.concatenate(astuple(style.pose(rng))) for _ in range(count)]
    moving = path(rng, times, points, every)
    lengths = np.cumsum([len(v) for v in astuple(Pose(np.zeros(3)))])[:-1]
    hips, lean, bend, *feet_and_hands, gaze, left_knee, right_knee = np.split(
        moving, lengths, axis=1
    )
    left_foot, right_foot, left_hand, right_hand, reach = feet_and_hands
    if any(style.hips_up):
        hips[:, 1] += rng.uniform(*style.hips_up)
    pelvis = Rotation.from_rotvec(lean)
    chest = pelvis * Rotation.from_rotvec(bend)
    hands = []
    for side, hand in enumerate((left_hand, right_hand)):
        share = reach[:, side : side + 1].clip(0, 1)
        world = share * hand + (1 - share) * (hips + chest.apply(hand))
        hands.append(hips + chest.apply(_bendable(chest.inv().apply(world - hips), side)))
    feet = (left_foot, right_foot)
    if not style.free_legs:
        feet = (_stepping(times, left_foot), _stepping(times, right_foot))
    toes = np.full(len(times), style.toes_back)
    # Standing legs point their knees where the pelvis faces, however far it leans.
    facing = pelvis if style.free_legs else _heading(pelvis)
    knees = (facing.apply(left_knee), facing.apply(right_knee))
    rotations = assemble(
        times,
        hips,
        pelvis,
        bend,
        feet,
        (hands[0], hands[1]),
        gaze,
        (toes, toes),
        knees,
        free_feet=style.free_legs,
        lifted_feet_hang=style.lifted_feet_hang,
    )
    return hips, low_pass_rotations(rotations, FPS, _SMOOTH_HZ)


def _heading(turn: Rotation) -> Rotation:
    """The part of rotations (frames,) about the vertical, taken from where left is."""
    left = turn.apply([1.0, 0.0, 0.0])
    yaw = np.arctan2(-left[:, 2], left[:, 0])
    return Rotation.from_rotvec(yaw[:, None] * (0.0, 1.0, 0.0))


def _bendable(hand: Vector, side: int) -> Vector:
    """A hand (frames, 3) in chest axes, moved forward where its elbow would fold too far."""
    away = hand - SHOULDER * ((1, 1, 1) if side == 0 else (-1, 1, 1))
    room = _CLOSEST_M**2 - (away[:, :2] ** 2).sum(axis=1)
    ahead = np.sqrt(np.maximum(room, 0.0))
    near = (np.linalg.norm(away, axis=1) < _CLOSEST_M) & (away[:, 2] < ahead)
    moved = hand.copy()
    moved[near, 2] += (ahead - away[:, 2])[near]
    return moved


def _stepping(times: Vector, foot: Vector) -> Vector:
    """A foot that is lifted while it moves along the floor."""
    speed = np.linalg.norm(np.gradient(foot[:, [0, 2]], times, axis=0), axis=1)
    lifted = foot.copy()
    lifted[:, 1] = np.maximum(foot[:, 1], ANKLE) + 0.08 * np.minimum(speed / 0.5, 1.0)
    return lifted
