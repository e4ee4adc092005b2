"""Which way each joint's bone and side point, from the 22 positions and the devices."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS
from same_runtime.skeleton.quaternions import cross, dot, multiply, rotate, unit
from same_runtime.skeleton.rest_pose import REST_DIRECTIONS

Array = NDArray[np.float64]


def joint(name: str) -> int:
    return JOINT_NAMES.index(name)


def _pair(name: str) -> list[int]:
    return [joint(f"left_{name}"), joint(f"right_{name}")]


_CHILD: Final = np.array(
    [
        joint("neck")
        if name == "spine3"
        else max(
            (child for child, parent in enumerate(JOINT_PARENTS) if parent == index), default=index
        )
        for index, name in enumerate(JOINT_NAMES)
    ]
)
HIPS, KNEES, ANKLES = np.array(_pair("hip")), np.array(_pair("knee")), np.array(_pair("ankle"))
SHOULDERS, ELBOWS, WRISTS = _pair("shoulder"), _pair("elbow"), _pair("wrist")
_COLLARS = _pair("collar")
_SPINE: Final = [joint(name) for name in ("spine1", "spine2", "spine3")]
_SPINE3, _NECK = joint("spine3"), joint("neck")
LEAVES: Final = np.array([joint("head"), *WRISTS, *_pair("foot")])
"""Joints without a bone to a child: theirs is a device's rotation or their parent's."""
_CHEST_SHARE: Final = np.array([[1 / 3], [2 / 3], [1.0]])
_X, _Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
_SIDE_SIGN: Final = np.array([[-1.0], [1.0]])


def _rest_bones() -> Array:
    bones = REST_DIRECTIONS[_CHILD].copy()
    bones[0] = _X  # across the hips
    return bones


def _rest_sides() -> Array:
    sides = np.tile(_X, (NUM_JOINTS, 1))
    sides[0] = unit(np.array((0.0, 0.168, 0.016)))  # from between the hips to spine1
    sides[[*_COLLARS, *SHOULDERS, *ELBOWS, *WRISTS]] = _Y
    return sides


REST_BONES: Final = _rest_bones()
"""(22, 3) unit, the direction in the T-pose that each joint's rotation must point exactly."""
REST_SIDES: Final = _rest_sides()
"""(22, 3) unit, the direction in the T-pose that fixes the twist about it."""

_SQUARE = np.sqrt(0.5)
HAND_FROM_GRIP: Final = np.array([(0.0, 0.0, _SQUARE, _SQUARE), (0.0, 0.0, -_SQUARE, _SQUARE)])
"""(2, 4): OpenXR's grip pose has -y along the hand and -z at the thumb; palms down, arms out."""

_STRAIGHT, _BENT = 0.10, 0.35
_BENT_BACK, _BENT_BACK_SURELY = 0.35, 0.70
_FOOT_TELLS, _FOOT_TELLS_BESIDE_IMU = 0.7, 0.3
_CHEST_TELLS, _HAND_TELLS = 0.3, 0.7


class Directions(NamedTuple):
    """What the rotations must agree with, world frame."""

    bones: Array
    """(22, 3) unit."""
    sides: Array
    """(22, 3); how well each is known is its length, 0..1."""


def ramp(values: Array, low: float | Array, high: float | Array) -> Array:
    """0 up to ``low``, 1 from ``high`` on, smooth between."""
    x = np.minimum(np.maximum((values - low) / (high - low), 0.0), 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def observed_directions(joints: Array, devices: Array, expected_hinges: Array) -> Directions:
    """Directions from ``joints`` (22, 3) and the ``devices``' orientations (5, 4; zeros where
    missing). ``expected_hinges``: (4, 3) where the hinge of the left and right knee and elbow is
    expected, by which a limb that noise bends a little backwards is told from one that turned."""
    bones = unit(joints[_CHILD] - joints)
    bones[0] = unit(joints[HIPS[1]] - joints[HIPS[0]])
    sides = np.zeros((NUM_JOINTS, 3))
    sides[0] = unit(joints[_SPINE[0]] - 0.5 * (joints[HIPS[0]] + joints[HIPS[1]]))
    chest = unit(joints[_COLLARS[1]] - joints[_COLLARS[0]])
    sides[_SPINE] = unit(bones[0] + _CHEST_SHARE * (chest - bones[0]))
    head = devices[0]
    sides[_NECK] = unit(chest + rotate(head, _X)) if head.any() else chest
    up = _chest_up(chest, bones[_SPINE3])
    sides[_COLLARS] = up

    hinges, known = _hinges(bones, expected_hinges)
    across = cross(bones[KNEES], bones[ANKLES])
    has_imu = devices[3:].any(axis=1, keepdims=True)
    foot_tells = np.where(has_imu, _FOOT_TELLS_BESIDE_IMU, _FOOT_TELLS)
    legs = hinges[:2] * known[:2] + (1.0 - known[:2]) * foot_tells * across
    sides[HIPS] = sides[KNEES] = legs
    sides[ANKLES] = across
    arms = hinges[2:] * known[2:] + (1.0 - known[2:]) * _CHEST_TELLS * _least_twisted(
        bones[SHOULDERS], chest, up
    )
    sides[SHOULDERS] = sides[ELBOWS] = arms
    hands = multiply(devices[1:3], HAND_FROM_GRIP)
    # Half of what the hand is turned about the forearm is in the forearm.
    sides[ELBOWS] += _HAND_TELLS * rotate(hands, _Y) * devices[1:3].any(axis=1, keepdims=True)
    return Directions(bones, sides)


def _hinges(bones: Array, expected: Array) -> tuple[Array, Array]:
    """(4, 3) unit axes of knees and elbows by the plane of three joints, and (4, 1) how well
    they are known, 0..1: not at all while the limb is straight."""
    upper = bones[[*HIPS, *SHOULDERS]]
    lower = bones[[*KNEES, *ELBOWS]]
    hinges = unit(cross(upper, lower))
    hinges[:3] *= -1.0
    bend = np.sqrt(dot(lower - upper, lower - upper))[:, None]
    backwards = (dot(hinges, expected) < 0.0)[:, None]
    low = np.where(backwards, _BENT_BACK, _STRAIGHT)
    return hinges, ramp(bend, low, np.where(backwards, _BENT_BACK_SURELY, _BENT))


def _chest_up(chest: Array, neck: Array) -> Array:
    """(3,) unit, up in the chest: the ``neck`` bone leans forward of it in the T-pose."""
    upright = unit(neck - chest * (chest @ neck))
    _, up, back = REST_BONES[_SPINE3]
    return up * upright - back * cross(chest, upright)


def _least_twisted(arms: Array, chest: Array, up: Array) -> Array:
    """(2, 3): where the hinge of a straight arm is if it swung from the T-pose on the shortest
    way; shorter the nearer the arm points across the chest, where that way is any."""
    start = _SIDE_SIGN * chest
    nearness = 1.0 + dot(start, arms)[:, None]
    swung = up - ((arms @ up)[:, None] / np.maximum(nearness, 1e-6)) * (start + arms)
    return np.asarray(unit(swung) * np.minimum(nearness, 1.0))
