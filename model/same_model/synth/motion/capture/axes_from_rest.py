"""T-pose axes of a skeleton whose joints without rotation are a standing figure."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.synth.motion.capture.joint_names import SourceJoints
from same_model.synth.motion.capture.skeleton import SkeletonClip
from same_model.synth.motion.capture.tpose import (
    LIMB_ENDS,
    T_POSE_DIRECTIONS,
    Vector,
    complete,
    direction,
    rotation_between,
)

_UPRIGHT, _LEVEL_ARMS, _BENT_REST = np.cos(np.deg2rad([30.0, 45.0, 40.0]))


def _rest_positions(clip: SkeletonClip, joints: SourceJoints) -> dict[str, Vector]:
    offsets = [clip.moved[j].mean(0) if j in clip.moved else o for j, o in enumerate(clip.offsets)]
    return {
        name: np.sum([offsets[a] for a in clip.ancestors(j)[:-1]] + [np.zeros(3)], axis=0)
        for name, j in joints.index.items()
    }


def upright_rest(clip: SkeletonClip, joints: SourceJoints) -> Vector | None:
    """(3, 3) T-pose axes to the file's, if its joints without rotation are a standing figure."""
    at = _rest_positions(clip, joints)
    across = at["left_hip"] - at["right_hip"] + at["left_shoulder"] - at["right_shoulder"]
    hips = (at["left_hip"] + at["right_hip"]) / 2
    trunk = direction((at["left_shoulder"] + at["right_shoulder"]) / 2 - hips)
    up, left = _main_axis(trunk), _main_axis(across)
    if trunk @ up < _UPRIGHT or abs(up @ left) > 0:
        return None
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hip, knee, ankle, shoulder, elbow, wrist = (
            at[f"{side}_{part}"] for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        )
        leg, arm = direction(ankle - hip), direction(wrist - shoulder)
        if min(leg @ -up, direction(knee - hip) @ -up) < _UPRIGHT:
            return None
        bend = direction(elbow - shoulder) @ direction(wrist - elbow)
        if bend < _BENT_REST or arm @ (sign * left - up) < 0.7:
            return None
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _main_axis(vector: Vector) -> Vector:
    axis = np.zeros(3)
    at = int(np.abs(vector).argmax())
    axis[at] = 1.0 if vector[at] > 0 else -1.0
    return axis


def axes_from_rest(
    clip: SkeletonClip, joints: SourceJoints, rest: Vector, source: Mapping[int, Rotation]
) -> dict[str, Rotation]:
    at = _rest_positions(clip, joints)
    base = Rotation.from_matrix(rest)
    align: dict[str, Rotation] = {}
    for joint, end in LIMB_ENDS.items():
        if joint in at and np.linalg.norm(at[end] - at[joint]) > 0:
            target = np.array(T_POSE_DIRECTIONS[joint], float)
            align[joint] = rotation_between(target, rest.T @ (at[end] - at[joint]))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        # Arms that rest level keep their hands' axes; hanging ones take the hands along.
        arm = rest.T @ direction(at[f"{side}_wrist"] - at[f"{side}_elbow"])
        if arm[0] * sign < _LEVEL_ARMS:
            align[f"{side}_wrist"] = align[f"{side}_elbow"]
    frames = {
        name: source[j] * base * align.get(name, Rotation.identity())
        for name, j in joints.index.items()
    }
    chain = [source[j] * base for j in joints.spine]
    return complete(frames, chain)
