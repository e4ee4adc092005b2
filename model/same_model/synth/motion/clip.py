"""Clean metric motion of 22 SMPL-like joints from a captured clip.

A ``Motion`` is independent of any body: joint rotations relative to an ideal T-pose (facing +z,
y up, left arm along +x) and the path of the hip midpoint. ``retarget`` puts it on a body.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation, Slerp

from same_engines.errors import DataError
from same_model.synth.motion.capture.asf_amc import asf_of, read_amc
from same_model.synth.motion.capture.bvh import read_bvh
from same_model.synth.motion.capture.joint_names import SourceJoints, find_joints
from same_model.synth.motion.capture.skeleton import SkeletonClip, read_text_file
from same_model.synth.motion.capture.tpose_motion import to_tpose
from same_model.synth.motion.splits import AMC_FPS
from same_runtime.conventions import JOINT_NAMES

LOW_PASS_HZ = 6.0
"""Human motion lies below; above, marker noise ruins second differences."""
MAX_JOINT_SPEED_DEG_S = 2400.0
"""Faster is a track that flipped: a hard kick stays under 2000 deg/s."""
MAX_ROOT_RESIDUAL_M = 0.04
"""How far the raw root may stray from its low-passed path before it counts as lost."""
MAX_KNEE_SIDEWAYS = 0.6
MAX_KNEE_HYPEREXTENSION = 0.5
"""Limits on the sine of the shin's direction in the thigh's frame."""
JUMP_MARGIN_S = 0.04
LEAD_IN_S = 0.06
"""Clips start with a rest pose and a few frames that blend out of it."""
MIN_SEGMENT_S = 1.0
SEATED_WORDS = ("sit on", "sit down", "drive")
"""Actions with these words have a seat under the performer."""

REFERENCE_LEG_M = 0.86
REFERENCE_ARM_M = 0.58
"""Hip to ankle and shoulder to wrist of a 1.75 m adult (0.491 H and 0.332 H): Drillis and
Contini, "Body segment parameters", 1966. They set the scale of clips in unknown units."""


@dataclass(frozen=True)
class Motion:
    """Motion of 22 joints relative to the ideal T-pose, sampled uniformly."""

    name: str
    fps: float
    hips_m: NDArray[np.float64]
    """(frames, 3) metres: midpoint of the hip joints, world axes (y up), floor not yet known."""
    rotations_xyzw: NDArray[np.float64]
    """(frames, 22, 4) unit quaternions: T-pose axes of each joint to world."""
    leg_length_m: float
    """Hip to ankle of the performer, metres."""
    action: str = ""
    seated: bool = False
    """Whether the performer sits on something at some point."""
    source_frames: tuple[int, int] = (0, 0)
    """First and one-past-last frame in the source file."""

    @property
    def frames(self) -> int:
        return len(self.hips_m)

    @property
    def seconds(self) -> float:
        return (self.frames - 1) / self.fps

    def mirrored(self) -> "Motion":
        """The same motion with left and right exchanged."""
        swap = [JOINT_NAMES.index(_other_side(n)) for n in JOINT_NAMES]
        return replace(
            self,
            name=self.name + "~mirrored",
            hips_m=self.hips_m * (-1, 1, 1),
            rotations_xyzw=self.rotations_xyzw[:, swap] * (1, -1, -1, 1),
        )


@dataclass
class MotionReport:
    """What became of one clip."""

    name: str
    source_frames: int
    kept_frames: int = 0
    segments: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Frames dropped, by reason."""
    fault: str = ""
    """Why the clip cannot be used at all; empty when it can."""

    @property
    def notable(self) -> bool:
        """Whether more was dropped than the rest pose that every clip starts with, or all."""
        return self.source_frames - self.kept_frames > 12 or not self.kept_frames

    def __str__(self) -> str:
        if self.fault:
            return self.fault
        reasons = ", ".join(f"{n} {why}" for why, n in self.dropped.items() if n)
        return (
            f"{self.name}: kept {self.kept_frames} of {self.source_frames} frames in "
            f"{self.segments} segment(s)" + (f"; dropped {reasons}" if reasons else "")
        )


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name[5:]
    if name.startswith("right_"):
        return "left_" + name[6:]
    return name


def low_pass(values: NDArray[np.float64], fps: float, cutoff_hz: float) -> NDArray[np.float64]:
    """Zero-phase second-order Butterworth along axis 0 (unchanged when fps is too low for it)."""
    if cutoff_hz >= 0.45 * fps or len(values) < 16:
        return values
    sos = butter(2, cutoff_hz, fs=fps, output="sos")
    return np.asarray(sosfiltfilt(sos, values, axis=0, padlen=min(len(values) - 1, int(fps / 4))))


def continuous(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flip signs along axis 0 so that neighbouring quaternions (..., 4) never oppose."""
    dots = (quaternions[1:] * quaternions[:-1]).sum(axis=-1, keepdims=True)
    signs = np.cumprod(np.where(dots < 0, -1.0, 1.0), axis=0)
    return np.concatenate([quaternions[:1], quaternions[1:] * signs])


def low_pass_rotations(
    quaternions: NDArray[np.float64], fps: float, cutoff_hz: float
) -> NDArray[np.float64]:
    """Low-pass unit quaternions (frames, ..., 4) along axis 0."""
    smooth = low_pass(continuous(quaternions), fps, cutoff_hz)
    return smooth / np.linalg.norm(smooth, axis=-1, keepdims=True)


def interpolate_rotations(
    source_s: NDArray[np.float64],
    rotations_xyzw: NDArray[np.float64],
    target_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Slerp (frames, joints, 4) rotations from times ``source_s`` to ``target_s`` within them."""
    target_s = np.clip(target_s, source_s[0], source_s[-1])
    return np.stack(
        [
            Slerp(source_s, Rotation.from_quat(rotations_xyzw[:, j]))(target_s).as_quat()
            for j in range(rotations_xyzw.shape[1])
        ],
        axis=1,
    )


def rotated(motion: Motion, yaw: float, look_down: float = 0.0) -> Motion:
    """The motion turned about the vertical, with the gaze lowered (radians).

    The neck takes half of ``look_down``, the head the rest.
    """
    turn = Rotation.from_rotvec([0.0, yaw, 0.0])
    shape = motion.rotations_xyzw.shape
    rotations = (turn * Rotation.from_quat(motion.rotations_xyzw.reshape(-1, 4))).as_quat()
    rotations = rotations.reshape(shape)
    for name, part in (("neck", 0.5), ("head", 1.0)):
        j = JOINT_NAMES.index(name)
        nod = Rotation.from_rotvec([part * look_down, 0.0, 0.0])
        rotations[:, j] = (Rotation.from_quat(rotations[:, j]) * nod).as_quat()
    return replace(motion, hips_m=turn.apply(motion.hips_m), rotations_xyzw=rotations)


def read_skeleton(path: Path, amc_fps: float = AMC_FPS) -> SkeletonClip:
    """Read a BVH or AMC file, plain or packed with xz; ``amc_fps``: frames a second of an AMC,
    which does not say. Raises ``DataError``."""
    name = Path(path).name.lower().removesuffix(".xz")
    if name.endswith(".bvh"):
        return read_bvh(path)
    if name.endswith(".amc"):
        return read_amc(path, fps=amc_fps)
    raise DataError(f"{path}: expected a .bvh or .amc file, or one packed as .xz")


def clip_digest(path: Path) -> str:
    """A short digest of the text of a clip, and of the ASF that an AMC is read with; the same
    however they are packed. Raises ``DataError``."""
    texts = [path, asf_of(path)] if ".amc" in path.name.lower() else [path]
    digest = hashlib.sha256()
    for text in texts:
        read_text_file(text, "clip", lambda lines: digest.update("\n".join(lines).encode()))
    return digest.hexdigest()[:16]


def load_clip(
    path: Path,
    action: str = "",
    joint_map: Mapping[str, str] | None = None,
    amc_fps: float = AMC_FPS,
) -> tuple[list[Motion], MotionReport]:
    """Read a clip and return its usable stretches, at the file's rate, and the report.

    ``joint_map``: our joint names to the file's, for what no name table finds; ``amc_fps``: frames
    a second of an AMC. Raises ``DataError``, naming the file, when it is damaged or its skeleton
    lacks some of our joints.
    """
    path = Path(path)
    clip = read_skeleton(path, amc_fps)
    try:
        return clean(clip, find_joints(clip, joint_map), path.name.split(".")[0], action)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def clean(
    clip: SkeletonClip, joints: SourceJoints, name: str, action: str
) -> tuple[list[Motion], MotionReport]:
    """The usable stretches of ``clip`` and what was dropped. Raises ``DataError``."""
    fps, report = clip.fps, MotionReport(name, clip.frames)
    if clip.frames < MIN_SEGMENT_S * fps:
        report.dropped["too short"] = clip.frames
        return [], report
    pose = to_tpose(clip, joints)
    leg = pose.lengths["left_hip"] + pose.lengths["left_knee"]
    arm = pose.lengths["left_shoulder"] + pose.lengths["left_elbow"]
    metres_per_unit = (REFERENCE_LEG_M + REFERENCE_ARM_M) / (leg + arm)
    hips = (pose.positions["left_hip"] + pose.positions["right_hip"]) / 2 * metres_per_unit
    rotations = pose.rotations_xyzw

    usable = np.ones(clip.frames, bool)
    margin = max(1, round(JUMP_MARGIN_S * fps))
    for reason, mask in _faults(clip, joints, hips, rotations).items():
        wide = mask
        if reason != "lead-in":
            wide = np.convolve(mask, np.ones(2 * margin + 1), "same") > 0.5
        report.dropped[reason] = int((wide & usable).sum())
        usable &= ~wide

    edges = np.flatnonzero(np.diff(np.concatenate([[0], usable.astype(np.int8), [0]])))
    segments: list[Motion] = []
    report.dropped["too short"] = 0
    for first, end in edges.reshape(-1, 2):
        if (end - first) / fps < MIN_SEGMENT_S:
            report.dropped["too short"] += int(end - first)
            continue
        segments.append(
            Motion(
                name if len(edges) == 2 else f"{name}.{len(segments)}",
                fps,
                low_pass(hips[first:end], fps, LOW_PASS_HZ),
                low_pass_rotations(rotations[first:end], fps, LOW_PASS_HZ),
                leg * metres_per_unit,
                action,
                any(word in action for word in SEATED_WORDS),
                (int(first), int(end)),
            )
        )
    report.segments = len(segments)
    report.kept_frames = sum(m.frames for m in segments)
    return segments, report


def _faults(
    clip: SkeletonClip,
    joints: SourceJoints,
    hips: NDArray[np.float64],
    rotations: NDArray[np.float64],
) -> dict[str, NDArray[np.bool_]]:
    """Reason to the frames (frames,) that cannot be used for it."""
    fps = clip.fps
    lead_in = np.arange(len(hips)) < max(1, round(LEAD_IN_S * fps))
    local = clip.rotations_xyzw[:, joints.used]
    cosine = np.abs((local[1:] * local[:-1]).sum(-1)).clip(0, 1)
    speed = np.rad2deg(2 * np.arccos(cosine)).max(axis=1) * fps
    start = int(lead_in.sum())
    residual = np.zeros(len(hips))
    residual[start:] = np.linalg.norm(
        hips[start:] - low_pass(hips[start:], fps, LOW_PASS_HZ), axis=1
    )
    knee = np.zeros(len(hips), bool)
    for side in ("left", "right"):
        thigh = Rotation.from_quat(rotations[:, JOINT_NAMES.index(f"{side}_hip")])
        shin = Rotation.from_quat(rotations[:, JOINT_NAMES.index(f"{side}_knee")])
        down = (thigh.inv() * shin).apply([0.0, -1.0, 0.0])
        knee |= np.abs(down[:, 0]) > MAX_KNEE_SIDEWAYS
        knee |= (down[:, 2] > MAX_KNEE_HYPEREXTENSION) & (down[:, 1] < 0)
    return {
        "lead-in": lead_in,
        "rotation jump": np.concatenate([[False], speed > MAX_JOINT_SPEED_DEG_S]),
        "root lost": residual > MAX_ROOT_RESIDUAL_M,
        "impossible knee": knee,
    }
