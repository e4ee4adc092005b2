"""Whether sequence folders hold what training and evaluation take them for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from same_engines.errors import DataError
from same_model.data.own.agreement import disagreements
from same_model.data.recorded_inputs import check_finite
from same_model.data.sequence import SequenceReader, open_sequence
from same_model.synth.motion.splits import PARTS
from same_runtime.conventions import DEVICES, JOINT_PARENTS, LEG_DEVICES, POSE_DEVICES, VIEWS

_META: Final = ("performer", "action", "split")
_ALSO_FINITE: Final = (
    "T_world_device",
    "leg_acceleration",
    "sensed_position",
    "sensed_orientation",
    "sensed_acceleration",
)
_MOST_PIXELS: Final = 3.0
_HEAD_M: Final = (0.3, 2.5)
_LYING_M: Final = 0.05
_BONE_M: Final = 0.7
_BONE_SPREAD: Final = 0.1
_GRAVITY: Final = 9.81
_BLACK: Final = 1
"""The brightest of images that were scaled to 0..1 before they became whole numbers."""


def check_sequence(path: Path) -> list[str]:
    """Everything that is wrong with the sequence folder ``path``, one line each; empty if good."""
    try:
        sequence = open_sequence(path)
        return [f"{path}: {problem}" for problem in _problems(sequence)]
    except DataError as error:
        return [str(error)]


def _problems(sequence: SequenceReader) -> Iterator[str]:
    for name in _META:
        if not isinstance(sequence.meta.get(name), str) or not sequence.meta[name]:
            yield f"meta.json: {name}: expected a text"
        elif name == "split" and sequence.meta[name] not in PARTS:
            yield f"meta.json: split: expected one of {', '.join(PARTS)}"
    try:
        check_finite(sequence, _ALSO_FINITE)
    except DataError as error:
        yield str(error).removeprefix(f"{sequence.path}/")
        return
    if (np.diff(sequence.timestamps_ns) <= 0).any():
        yield "timestamps_ns: do not rise from frame to frame"
    images = sequence.images
    for rig in (sequence.rig, sequence.rig_true):
        sizes = [(camera.height, camera.width) for camera in rig.cameras]
        if sizes != [images.shape[-2:]] * 2:
            yield f"images: {images.shape[-2:]} pixels, where the rig's cameras have {sizes}"
            return
    for view, shown in enumerate(VIEWS):
        if sequence.has_images and not any(image.max() > _BLACK for image in images[:, view]):
            yield f"images: {shown} is black in every frame: expected 0 to 255"
    if not np.isin(sequence.visible, (0, 1)).all():
        yield "visible: expected 0 and 1 only"
    yield from _frames_of_reference(sequence)
    yield from _body(sequence)
    yield from _devices(sequence)
    yield from disagreements(sequence)


def _frames_of_reference(sequence: SequenceReader) -> Iterator[str]:
    for name in ("T_world_cam_left", "T_world_device"):
        turns = getattr(sequence, name)[..., :3, :3]
        squared = np.swapaxes(turns, -1, -2) @ turns
        if not np.allclose(squared, np.eye(3), atol=1e-3) or (np.linalg.det(turns) < 0).any():
            yield f"{name}: has matrices that are no rotations"
            return
    T_left = np.asarray(sequence.T_world_cam_left, np.float64)
    rig = sequence.rig_true
    worst = 0.0
    for view, camera in enumerate(rig.cameras):
        T = T_left if view == 0 else T_left @ rig.T_cam_left_cam_right
        joints = sequence.joints_world.astype(np.float64) - T[:, None, :3, 3]
        pixels, inside = camera.project(np.einsum("tba,tjb->tja", T[:, :3, :3], joints))
        seen = inside & sequence.visible[:, view].astype(bool)
        error = np.linalg.norm(pixels - sequence.joints_2d[:, view], axis=-1)[seen]
        worst = max(worst, float(np.median(error)) if len(error) else 0.0)
    if worst > _MOST_PIXELS:
        yield (
            f"joints_2d: {worst:.0f} pixels from where the true cameras see joints_world: another "
            "unit, frame or camera model"
        )
    if sequence.has_images and not sequence.visible.any():
        yield "visible: no joint is seen in any frame"


def _body(sequence: SequenceReader) -> Iterator[str]:
    joints = sequence.joints_world.astype(np.float64)
    low, high = _HEAD_M
    sensed = sequence.sensed_position[:, DEVICES.index("head"), 1]
    if float(np.median(sensed)) < low:  # the headset says so too: somebody lies all the time
        low = _LYING_M
    height = float(np.median(joints[:, 15, 1]))
    if not low < height < high:
        yield f"joints_world: the head is {height:.2f} m above y = 0: expected metres, y up"
    children = [joint for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0]
    parents = [JOINT_PARENTS[joint] for joint in children]
    lengths = np.linalg.norm(joints[:, children] - joints[:, parents], axis=-1)
    if lengths.max() > _BONE_M:
        yield f"joints_world: a bone of {lengths.max():.2f} m: expected metres, SMPL's joint order"
    elif (lengths.std(axis=0) > _BONE_SPREAD * lengths.mean(axis=0) + 0.01).any():
        yield "joints_world: bones change their length by over a tenth"


def _devices(sequence: SequenceReader) -> Iterator[str]:
    stamps = sequence.timestamps_ns
    for device, stream in sequence.streams.items():
        times = stream.timestamp_ns
        if len(times) == 0:
            if device in POSE_DEVICES[:1]:
                yield "stream head: is empty"
            continue
        norms = np.linalg.norm(stream.orientation_xyzw, axis=-1)
        if not np.allclose(norms, 1.0, atol=1e-2):
            yield f"stream {device}: has quaternions that are not of length 1"
        if (np.diff(times) <= 0).any():
            yield f"stream {device}: its times do not rise"
        if times[-1] < stamps[0] or times[0] > stamps[-1]:
            yield f"stream {device}: its times are not the frames': another clock"
        if device in LEG_DEVICES and stream.acceleration is not None:
            mean = float(np.linalg.norm(stream.acceleration.mean(axis=0)))
            if mean > _GRAVITY / 2:
                yield f"stream {device}: {mean:.1f} m/s^2 on average: gravity is not removed"
    head = sequence.sensed_position[:, DEVICES.index("head")]
    seen = sequence.sensed_valid[:, DEVICES.index("head")].astype(bool)
    if seen.any():
        apart = np.linalg.norm(head - sequence.joints_world[:, 15], axis=-1)[seen]
        if np.median(apart) > 0.5:
            yield (
                f"sensed_position: the headset is {np.median(apart):.1f} m from the head joint: "
                "another frame or unit"
            )
