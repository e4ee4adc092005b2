"""The ideal T-pose: facing +z, y up, the left arm along +x."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Vector = NDArray[np.float64]

T_POSE_DIRECTIONS = {
    "left_hip": (0, -1, 0),
    "right_hip": (0, -1, 0),
    "left_knee": (0, -1, 0),
    "right_knee": (0, -1, 0),
    "left_collar": (1, 0, 0),
    "right_collar": (-1, 0, 0),
    "left_shoulder": (1, 0, 0),
    "right_shoulder": (-1, 0, 0),
    "left_elbow": (1, 0, 0),
    "right_elbow": (-1, 0, 0),
}
"""Where each limb bone points in the ideal T-pose; other joints keep the rest axes."""
LIMB_ENDS = {
    "left_hip": "left_knee",
    "right_hip": "right_knee",
    "left_knee": "left_ankle",
    "right_knee": "right_ankle",
    "left_collar": "left_shoulder",
    "right_collar": "right_shoulder",
    "left_shoulder": "left_elbow",
    "right_shoulder": "right_elbow",
    "left_elbow": "left_wrist",
    "right_elbow": "right_wrist",
}
"""Joint at the end of each limb bone."""


def direction(vector: Vector) -> Vector:
    return vector / (np.linalg.norm(vector, axis=-1, keepdims=True) + 1e-12)


def rotation_between(source: Vector, target: Vector) -> Rotation:
    """The smallest rotation that turns direction ``source`` (3,) into ``target`` (3,)."""
    a = np.asarray(source, float) / np.linalg.norm(source)
    b = np.asarray(target, float) / np.linalg.norm(target)
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-9:
        if cosine > 0:
            return Rotation.identity()
        axis, sine = np.cross(a, np.eye(3)[np.abs(a).argmin()]), 0.0
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.arctan2(sine, cosine))


def complete(frames: dict[str, Rotation], chain: list[Rotation]) -> dict[str, Rotation]:
    """Fill in the spine and the joints that a skeleton may lack."""
    pelvis = frames["pelvis"]
    spine = [pelvis, *chain]
    if len(spine) == 1:
        frames |= dict.fromkeys(("spine1", "spine2", "spine3"), pelvis)
    elif len(spine) == 2:
        frames["spine3"] = spine[1]
        frames["spine1"] = _between(spine[0], spine[1], 1 / 3)
        frames["spine2"] = _between(spine[0], spine[1], 2 / 3)
    elif len(spine) == 3:
        frames["spine1"] = _between(spine[0], spine[1], 0.5)
        frames["spine2"], frames["spine3"] = spine[1:]
    else:
        frames["spine1"], frames["spine3"] = spine[1], spine[-1]
        frames["spine2"] = spine[len(spine) // 2]
    frames.setdefault("neck", frames["spine3"])
    for side in ("left", "right"):
        frames.setdefault(f"{side}_collar", frames["spine3"])
        frames.setdefault(f"{side}_foot", frames[f"{side}_ankle"])
    return frames


def _between(first: Rotation, second: Rotation, part: float) -> Rotation:
    return first * Rotation.from_rotvec(part * (first.inv() * second).as_rotvec())
