"""From a captured skeleton's joint axes to those of the ideal T-pose (facing +z, y up, left +x).

Files disagree on what no rotation means: an upright figure in T- or A-pose, or bones stacked in a
heap, when a program wrote each bone's own axes. So: where a file's rest pose is an upright figure,
its limbs are turned from their rest directions to the T-pose's. Where it is not, each joint's
axes come from the clip itself: bones from where they point, their twist from how knees and elbows
bend, feet from the toes, the trunk from hips and shoulders, and what is upright from the moments in
which the performer stands. In both, limb bones point exactly where the file has them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.capture.axes_from_motion import axes_from_motion
from same_model.synth.motion.capture.axes_from_rest import axes_from_rest, upright_rest
from same_model.synth.motion.capture.joint_names import SourceJoints
from same_model.synth.motion.capture.skeleton import SkeletonClip
from same_model.synth.motion.capture.tpose import LIMB_ENDS, T_POSE_DIRECTIONS, Vector, direction
from same_runtime.conventions import JOINT_NAMES


@dataclass(frozen=True)
class TPoseMotion:
    """A clip's 22 joints with T-pose axes, in a world with y up, file units."""

    positions: dict[str, Vector]
    """Our joints (without the spine's) to (frames, 3)."""
    rotations_xyzw: Vector
    """(frames, 22, 4) T-pose axes of each joint to world."""
    lengths: dict[str, float]
    """Limb bone, by its upper joint, to its length."""


def to_tpose(clip: SkeletonClip, joints: SourceJoints) -> TPoseMotion:
    """Turn a clip into T-pose axes. Raises ``DataError`` for limbs without length."""
    placed, turned = clip.poses()
    rest = upright_rest(clip, joints)
    axes = np.eye(3) if rest is None else rest
    world = _world_turn(axes, {n: placed[:, j] for n, j in joints.index.items()})
    positions = {n: placed[:, j] @ world.T for n, j in joints.index.items()}
    source = {
        j: Rotation.from_matrix(world) * Rotation.from_quat(turned[:, j]) for j in joints.used
    }
    lengths = {
        joint: float(np.linalg.norm(positions[end] - positions[joint], axis=1).mean())
        for joint, end in LIMB_ENDS.items()
        if joint in positions
    }
    short = [joint for joint, length in lengths.items() if "collar" not in joint and length < 1e-6]
    if short:
        raise DataError(f"the bone from {short[0]} to {LIMB_ENDS[short[0]]} has no length")
    if rest is None:
        frames = axes_from_motion(clip, joints, positions, source)
    else:
        frames = axes_from_rest(clip, joints, rest, source)
    _point_exactly(frames, positions, lengths)
    return TPoseMotion(
        positions, np.stack([frames[n].as_quat() for n in JOINT_NAMES], axis=1), lengths
    )


def _world_turn(axes: Vector, at: Mapping[str, Vector]) -> Vector:
    """(3, 3) from the file's world to one with y up.

    BVH has y up; some files have z. The rest pose says so, or else legs and trunk that stand along
    z, their feet near z = 0, most of the time.
    """
    hips = (at["left_hip"] + at["right_hip"]) / 2
    trunk = direction((at["left_shoulder"] + at["right_shoulder"]) / 2 - hips).mean(0)
    legs = direction(hips - (at["left_ankle"] + at["right_ankle"]) / 2).mean(0)
    rest_up = axes[:, 1]
    along_z = min(trunk[2], legs[2])
    resting = rest_up[2] > 0.5 and along_z > max(trunk[1], legs[1])
    leg = np.linalg.norm(at["left_knee"] - at["left_hip"], axis=1).mean() * 2
    standing = along_z > 0.7 and max(trunk[1], legs[1]) < 0.4 and hips[:, 2].mean() > 0.5 * leg
    if resting or standing:
        return np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    return np.eye(3)


def _point_exactly(
    frames: dict[str, Rotation], positions: Mapping[str, Vector], lengths: Mapping[str, float]
) -> None:
    """Swing each limb bone to where its two joints are, however many bones the file has there."""
    for joint, end in LIMB_ENDS.items():
        if joint not in positions or lengths[joint] < 1e-6:
            continue
        wanted = direction(positions[end] - positions[joint])
        have = frames[joint].apply(np.array(T_POSE_DIRECTIONS[joint], float))
        axis = np.cross(have, wanted)
        sine = np.linalg.norm(axis, axis=1, keepdims=True)
        if sine.max() < 1e-6:
            continue
        angle = np.arctan2(sine, (have * wanted).sum(1, keepdims=True))
        frames[joint] = Rotation.from_rotvec(axis / (sine + 1e-12) * angle) * frames[joint]
