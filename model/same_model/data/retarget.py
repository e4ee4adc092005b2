"""Putting a motion onto a body and onto the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.spatial.transform import Rotation

from same_model.data.body import Body, joint_matrices, pose_joints, skin
from same_model.data.motion import T_POSE_DIRECTIONS, Motion, rotation_between
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS

_CHILD = {
    "left_hip": "left_knee", "right_hip": "right_knee", "left_knee": "left_ankle",
    "right_knee": "right_ankle", "left_collar": "left_shoulder",
    "right_collar": "right_shoulder", "left_shoulder": "left_elbow",
    "right_shoulder": "right_elbow", "left_elbow": "left_wrist", "right_elbow": "right_wrist",
}  # fmt: skip
_FEET = tuple(
    JOINT_NAMES.index(n) for n in ("left_ankle", "right_ankle", "left_foot", "right_foot")
)
_STANDING_PERCENTILE = 20.0
_LIFT_WINDOW_S = 0.15


@dataclass(frozen=True)
class BodyMotion:
    """A motion on one body, in the world (y up, floor at y = 0)."""

    body: Body
    fps: float
    joints: NDArray[np.float64]
    """(frames, 22, 3) metres."""
    rotations_xyzw: NDArray[np.float64]
    """(frames, 22, 4) rest axes of each joint to world."""
    matrices: NDArray[np.float64]
    """(frames, 22, 3, 4) rest to world, for skinning."""

    @property
    def frames(self) -> int:
        return len(self.joints)


def rest_alignment(body: Body) -> NDArray[np.float64]:
    """(22, 4) xyzw: body rest axes to T-pose axes, per joint.

    The body rests with its arms down; each limb bone is turned to where the T-pose has it, and
    what hangs on it without a bone of its own (hands) follows its parent.
    """
    out = np.tile([0.0, 0.0, 0.0, 1.0], (len(JOINT_NAMES), 1))
    for name, child in _CHILD.items():
        j, c = JOINT_NAMES.index(name), JOINT_NAMES.index(child)
        target = np.array(T_POSE_DIRECTIONS[name], float)
        out[j] = rotation_between(body.joints[c] - body.joints[j], target).as_quat()
    for name in ("left_wrist", "right_wrist"):
        j = JOINT_NAMES.index(name)
        out[j] = out[JOINT_PARENTS[j]]
    return out


def sole_vertices(body: Body) -> NDArray[np.int64]:
    """Indices of the vertices that may touch the floor: the lower half of the feet."""
    on_foot = np.isin(body.model.weight_joints[:, 0], _FEET)
    ankle = body.joints[JOINT_NAMES.index("left_ankle"), 1]
    low = body.vertices[:, 1] < (body.vertices[:, 1].min() + ankle) / 2
    return np.flatnonzero(on_foot & low)


def retarget(motion: Motion, body: Body, sole_thickness_m: float = 0.0) -> BodyMotion:
    """Put ``motion`` on ``body``: angles kept, path scaled by leg length, feet on the floor.

    The floor is the height at which the lower foot mostly is; where the body would still
    sink in, it is lifted smoothly, so no vertex of the feet lies deeper than a few millimetres.
    """
    turn = Rotation.from_quat(motion.rotations_xyzw.reshape(-1, 4))
    align = np.tile(rest_alignment(body), (motion.frames, 1))
    rotations = (turn * Rotation.from_quat(align)).as_quat().reshape(motion.frames, -1, 4)

    hip_mid = (body.joints[1] + body.joints[2]) / 2 - body.joints[0]
    scale = body.leg_length_m / motion.leg_length_m
    pelvis = motion.hips_m * scale - Rotation.from_quat(rotations[:, 0]).apply(hip_mid)
    joints = pose_joints(body, pelvis, rotations)

    soles = sole_vertices(body)
    matrices = joint_matrices(body, joints, rotations)
    lowest = np.empty(motion.frames)
    for first in range(0, motion.frames, 256):
        part = slice(first, first + 256)
        lowest[part] = skin(
            body.vertices[soles], body.model.weight_joints[soles], body.model.weights[soles],
            matrices[part],
        )[..., 1].min(axis=1)  # fmt: skip
    lowest -= sole_thickness_m
    floor = np.percentile(lowest, _STANDING_PERCENTILE)
    sunk = np.maximum(floor - lowest, 0.0)
    window = max(3, round(_LIFT_WINDOW_S * motion.fps))
    # The maximum first, over a window as wide as the smoother's, so that smoothing never sinks.
    lift = uniform_filter1d(maximum_filter1d(sunk, window), window) - floor
    joints[..., 1] += lift[:, None]
    matrices[..., 1, 3] += lift[:, None]
    start = joints[0, 0] * (1, 0, 1)
    joints -= start
    matrices[..., :, 3] -= start
    return BodyMotion(body, motion.fps, joints, rotations, matrices)
