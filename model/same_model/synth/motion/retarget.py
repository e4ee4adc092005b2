"""Putting a motion onto a body and onto the floor."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.spatial.transform import Rotation

from same_model.synth.body.body import Body, joint_matrices, pose_joints, skin
from same_model.synth.motion.capture.tpose import LIMB_ENDS, T_POSE_DIRECTIONS, rotation_between
from same_model.synth.motion.clip import Motion, low_pass
from same_runtime.conventions import JOINT_NAMES, JOINT_PARENTS

_FEET = tuple(
    JOINT_NAMES.index(n) for n in ("left_ankle", "right_ankle", "left_foot", "right_foot")
)
_STANDING_PERCENTILE = 20.0
_LIFT_WINDOW_S = 0.1
_SETTLE_HZ = 4.0
_MAX_FLOAT_M = 0.06
_JUMP_M = 0.12
_NEAR_FLOOR_M = 0.25
_MAX_SUNK_M = 0.015
_EVERY_VERTEX = 11
_MAX_FOOT_TILT = np.deg2rad(15.0)


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
    for name, child in LIMB_ENDS.items():
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

    Captured skeletons fit their performers only roughly, so feet tilt and float. Here each foot is
    tilted by a constant so that it stands flat, and the body settles where its lower foot floats a
    little: standing feet stand, jumps stay jumps, and no sole sinks more than a few millimetres.
    """
    turn = Rotation.from_quat(motion.rotations_xyzw.reshape(-1, 4))
    align = np.tile(rest_alignment(body), (motion.frames, 1))
    rotations = (turn * Rotation.from_quat(align)).as_quat().reshape(motion.frames, -1, 4)

    hip_mid = (body.joints[1] + body.joints[2]) / 2 - body.joints[0]
    scale = body.leg_length_m / motion.leg_length_m
    pelvis = motion.hips_m * scale - Rotation.from_quat(rotations[:, 0]).apply(hip_mid)
    soles = sole_vertices(body)
    joints = pose_joints(body, pelvis, rotations)
    heights = _heights(body, soles, joint_matrices(body, joints, rotations))
    _flatten_feet(body, soles, heights, rotations)

    joints = pose_joints(body, pelvis, rotations)
    matrices = joint_matrices(body, joints, rotations)
    lowest = _heights(body, soles, matrices).min(axis=1) - sole_thickness_m
    shift = _grounding(lowest, motion.fps)
    shift += _lifted(_sunk(body, joints, matrices, shift), motion.fps)
    joints[..., 1] += shift[:, None]
    matrices[..., 1, 3] += shift[:, None]
    start = joints[0, 0] * (1, 0, 1)
    joints -= start
    matrices[..., :, 3] -= start
    return BodyMotion(body, motion.fps, joints, rotations, matrices)


def _heights(
    body: Body, chosen: NDArray[np.int64], matrices: NDArray[np.float64]
) -> NDArray[np.float64]:
    """World heights (frames, n) of some vertices."""
    model = body.model
    return np.concatenate(
        [
            skin(body.vertices[chosen], model.weight_joints[chosen], model.weights[chosen], part)[
                ..., 1
            ]
            for part in np.array_split(matrices, max(1, len(matrices) // 256))
        ]
    )


def _flatten_feet(
    body: Body,
    soles: NDArray[np.int64],
    heights: NDArray[np.float64],
    rotations: NDArray[np.float64],
) -> None:
    """Tilt each foot by one angle so that it is flat in the median of its lowest moments."""
    points = body.vertices[soles]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        ankle, foot = JOINT_NAMES.index(f"{side}_ankle"), JOINT_NAMES.index(f"{side}_foot")
        own = points[:, 0] * sign > 0
        behind = own & (points[:, 2] < body.joints[ankle, 2])
        ahead = own & (points[:, 2] > body.joints[foot, 2] - 0.03)
        heel, toe = heights[:, behind].min(axis=1), heights[:, ahead].min(axis=1)
        middle = (heel + toe) / 2
        standing = middle <= np.percentile(middle, _STANDING_PERCENTILE)
        length = points[ahead, 2].mean() - points[behind, 2].mean()
        angle = np.arctan2(np.median((heel - toe)[standing]), length)
        tilt = Rotation.from_rotvec([-np.clip(angle, -_MAX_FOOT_TILT, _MAX_FOOT_TILT), 0.0, 0.0])
        for j in (ankle, foot):
            rotations[:, j] = (Rotation.from_quat(rotations[:, j]) * tilt).as_quat()


def _grounding(lowest: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """What to add to the height (frames,) so that the lowest sole (frames,) meets the floor."""
    floor = np.percentile(lowest, _STANDING_PERCENTILE)
    above = lowest - floor
    # Walking bodies do not float: a small gap is the capture's error, a large one is a jump.
    share = np.clip((_JUMP_M - above) / (_JUMP_M - _MAX_FLOAT_M), 0.0, 1.0)
    settle = low_pass(np.maximum(above, 0.0) * share, fps, _SETTLE_HZ)
    return np.asarray(_lifted(np.maximum(settle - above, 0.0), fps) - floor - settle)


def _lifted(sunk: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """The smooth lift (frames,) that is nowhere less than how deep the body is sunk (frames,)."""
    window = max(3, round(_LIFT_WINDOW_S * fps))
    # The maximum first, over a window as wide as the smoother's, so that smoothing never sinks.
    return np.asarray(uniform_filter1d(maximum_filter1d(sunk, window), window))


def _sunk(
    body: Body,
    joints: NDArray[np.float64],
    matrices: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How deep (frames,) anything but the soles would be in the floor: hands, knees, a back."""
    others = [j for j in range(len(JOINT_NAMES)) if j not in _FEET]
    near = joints[:, others, 1].min(axis=1) + shift < _NEAR_FLOOR_M
    sunk = np.zeros(len(joints))
    if near.any():
        sample = np.arange(0, len(body.vertices), _EVERY_VERTEX)
        sunk[near] = -(_heights(body, sample, matrices[near]).min(axis=1) + shift[near])
    return np.where(sunk > _MAX_SUNK_M, sunk, 0.0)
