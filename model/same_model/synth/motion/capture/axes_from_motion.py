"""T-pose axes of a skeleton whose rest pose means nothing, from how the clip moves."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_model.synth.motion.capture.joint_names import SourceJoints
from same_model.synth.motion.capture.skeleton import SkeletonClip
from same_model.synth.motion.capture.tpose import Vector, complete, direction

_NECK, _TOES = (0.0, 0.95, 0.32), (0.0, -0.32, 0.95)
"""Where neck and foot point in the T-pose of the body that wears the motion."""
_STANDING = np.cos(np.deg2rad(25.0))
_GOES_ON = np.cos(np.deg2rad(50.0))
_MIN_STANDING_S = 0.1
_WEAK = 0.3


class _Evidence:
    """Directions in a joint's own axes beside the T-pose directions that they must become."""

    def __init__(self, source: Rotation) -> None:
        self._source = source
        self._here: list[Vector] = []
        self._there: list[Vector] = []
        self._weights: list[float] = []

    def add(self, world: Vector, target: tuple[float, ...], weight: float = 1.0) -> "_Evidence":
        """``world``: (frames, 3), longer where it tells more; its mean over the clip counts."""
        mean = self._source.inv().apply(world).mean(0)
        strength = float(np.linalg.norm(mean))
        if strength > 1e-9:
            self._here.append(mean / strength)
            self._there.append(np.array(target, float))
            self._weights.append(weight if np.isinf(weight) else weight * strength)
        return self

    def frames(self) -> Rotation:
        """T-pose axes to world."""
        if not self._here:
            return self._source
        turn, *_ = Rotation.align_vectors(self._here, self._there, self._weights)
        return self._source * turn


def _across(vector: Vector, bone: Vector) -> Vector:
    """The part of unit vectors (frames, 3) that is perpendicular to unit bones (frames, 3)."""
    return vector - (vector * bone).sum(1, keepdims=True) * bone


def axes_from_motion(
    clip: SkeletonClip,
    joints: SourceJoints,
    at: Mapping[str, Vector],
    source: Mapping[int, Rotation],
) -> dict[str, Rotation]:
    own = {name: source[j] for name, j in joints.index.items()}
    hips = (at["left_hip"] + at["right_hip"]) / 2
    shoulders = (at["left_shoulder"] + at["right_shoulder"]) / 2
    top = at.get("neck", shoulders)
    left = (1.0, 0.0, 0.0)
    above = direction(shoulders - hips)
    frames = {
        "pelvis": _Evidence(own["pelvis"])
        .add(direction(at["left_hip"] - at["right_hip"]), left, np.inf)
        .add(above, (0, 1, 0))
        .frames()
    }
    chest = (
        _Evidence(source[joints.chest])
        .add(direction(at["left_shoulder"] - at["right_shoulder"]), left, np.inf)
        .add(above, (0, 1, 0))
        .frames()
    )
    end = _end_direction(clip, joints.index["head"], direction(at["head"] - top), source)
    if "neck" in at:
        frames["neck"] = (
            _Evidence(own["neck"])
            .add(direction(at["head"] - top), _NECK)
            .add(chest.apply(left), left, np.inf)
            .frames()
        )
    frames["head"] = (
        _Evidence(own["head"])
        .add(chest.apply([0, 1, 0]) if end is None else end, (0, 1, 0))
        .add(chest.apply(left), left, np.inf)
        .frames()
    )
    standing = _standing(at, hips, shoulders)
    if standing.sum() >= max(3, _MIN_STANDING_S * clip.fps):
        for name in ("pelvis", "neck", "head"):
            if name in frames:
                frames[name] = _upright(frames[name], standing)
        chest = _upright(chest, standing)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        frames |= _leg(side, at, own, frames["pelvis"])
        frames |= _arm(clip, joints, side, sign, at, own, chest, source)
    return complete(frames, [chest] if joints.spine else [])


def _standing(at: Mapping[str, Vector], hips: Vector, shoulders: Vector) -> NDArray[np.bool_]:
    """Frames in which trunk and legs (both legs' mean: walking counts) are upright."""
    trunk = direction(shoulders - hips)[:, 1]
    legs = hips - (at["left_ankle"] + at["right_ankle"]) / 2
    straight = np.linalg.norm(legs, axis=1) > 0.8 * np.percentile(np.linalg.norm(legs, axis=1), 95)
    return (trunk > _STANDING) & (direction(legs)[:, 1] > _STANDING) & straight


def _upright(frames: Rotation, standing: NDArray[np.bool_]) -> Rotation:
    """The same axes, nodded by a constant so that they are level while the performer stands."""
    ahead = frames[standing].apply([0.0, 0.0, 1.0])
    up = frames[standing].apply([0.0, 1.0, 0.0])
    nod = float(np.median(np.arctan2(ahead[:, 1], up[:, 1])))
    return frames * Rotation.from_rotvec([nod, 0.0, 0.0])


def _end_direction(
    clip: SkeletonClip, joint: int, bone: Vector, source: Mapping[int, Rotation]
) -> Vector | None:
    """Where the joint's own end, or a child of it, lies from it: (frames, 3).

    Of several, the one that goes on best from the bone before, (frames, 3), not a thumb or an eye;
    None when none does, as where a writer made up the ends.
    """
    children = [j for j, p in enumerate(clip.parents) if p == joint]
    offsets = [*(clip.offsets[j] for j in children), clip.ends.get(joint, np.zeros(3))]
    ways = [source[joint].apply(direction(o)) for o in offsets if np.linalg.norm(o) > 1e-6]
    along = [float((way * bone).sum(1).mean()) for way in ways]
    if not ways or max(along) < _GOES_ON:
        return None
    return np.asarray(ways[int(np.argmax(along))])


def _leg(
    side: str, at: Mapping[str, Vector], own: Mapping[str, Rotation], pelvis: Rotation
) -> dict[str, Rotation]:
    down, ahead = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)
    thigh = direction(at[f"{side}_knee"] - at[f"{side}_hip"])
    shin = direction(at[f"{side}_ankle"] - at[f"{side}_knee"])
    hip = (
        _Evidence(own[f"{side}_hip"])
        .add(thigh, down, np.inf)
        .add(-_across(shin, thigh), ahead)
        .add(_across(pelvis.apply(ahead), thigh), ahead, _WEAK)
        .frames()
    )
    bend = _Evidence(own[f"{side}_knee"]).add(shin, down, np.inf)
    bend.add(_across(thigh, shin), ahead).add(_across(hip.apply(ahead), shin), ahead, _WEAK)
    knee = bend.frames()
    ankle = _Evidence(own[f"{side}_ankle"])
    if f"{side}_foot" in at:
        ankle.add(direction(at[f"{side}_foot"] - at[f"{side}_ankle"]), _TOES, np.inf)
        ankle.add(knee.apply([1.0, 0.0, 0.0]), (1.0, 0.0, 0.0))
    else:
        ankle.add(-shin, (0.0, 1.0, 0.0)).add(knee.apply(ahead), ahead)
    out = {f"{side}_hip": hip, f"{side}_knee": knee, f"{side}_ankle": ankle.frames()}
    if f"{side}_foot" in at:
        out[f"{side}_foot"] = _following(own[f"{side}_foot"], out[f"{side}_ankle"])
    return out


def _following(own: Rotation, leader: Rotation) -> Rotation:
    """A joint's axes, such that on average they are those of ``leader``."""
    return own * (own.inv() * leader).mean()


def _arm(
    clip: SkeletonClip,
    joints: SourceJoints,
    side: str,
    sign: float,
    at: Mapping[str, Vector],
    own: Mapping[str, Rotation],
    chest: Rotation,
    source: Mapping[int, Rotation],
) -> dict[str, Rotation]:
    out_along, ahead = (sign, 0.0, 0.0), (0.0, 0.0, 1.0)
    upper = direction(at[f"{side}_elbow"] - at[f"{side}_shoulder"])
    lower = direction(at[f"{side}_wrist"] - at[f"{side}_elbow"])
    forward = chest.apply(ahead)
    shoulder = (
        _Evidence(own[f"{side}_shoulder"])
        .add(upper, out_along, np.inf)
        .add(_across(lower, upper), ahead)
        .add(_across(forward, upper), ahead, _WEAK)
        .frames()
    )
    elbow = (
        _Evidence(own[f"{side}_elbow"])
        .add(lower, out_along, np.inf)
        .add(_across(-upper, lower), ahead)
        .add(_across(shoulder.apply(ahead), lower), ahead, _WEAK)
        .frames()
    )
    out = {f"{side}_shoulder": shoulder, f"{side}_elbow": elbow}
    hand = _end_direction(clip, joints.index[f"{side}_wrist"], lower, source)
    wrist = _Evidence(own[f"{side}_wrist"])
    wrist.add(lower if hand is None else hand, out_along, np.inf)
    out[f"{side}_wrist"] = wrist.add(_across(elbow.apply(ahead), lower), ahead).frames()
    if f"{side}_collar" in at:
        collar = _Evidence(own[f"{side}_collar"])
        collar.add(direction(at[f"{side}_shoulder"] - at[f"{side}_collar"]), out_along, np.inf)
        out[f"{side}_collar"] = collar.add(chest.apply([0.0, 1.0, 0.0]), (0, 1, 0)).frames()
    return out
