"""A sequence folder from NumPy arrays: what a lab has of its own recordings."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from same_engines.errors import DataError
from same_engines.field_checks import check_kind
from same_engines.json_values import shown
from same_model.data.device_stream import DeviceStream
from same_model.data.own.check import check_sequence
from same_model.data.sequence import SequenceReader, SequenceWriter, open_sequence
from same_model.synth.motion.splits import PARTS
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, JOINT_NAMES, LEG_DEVICES, NUM_JOINTS, POSE_DEVICES
from same_runtime.samples import MAX_TIMESTAMP_NS

_MAX_GAP_NS: Final = 100_000_000
"""Further from a device's samples its state at a frame counts as missing, as in the tracker."""


class ImagePairs(Protocol):
    """Images that are there one after the other: an array, or a recording that is read."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __iter__(self) -> Iterator[Any]: ...


def write_own_sequence(
    path: Path,
    rig: CameraRig,
    timestamps_ns: NDArray[np.int64],
    images: ImagePairs,
    joints_world: NDArray[np.floating[Any]],
    streams: Mapping[str, DeviceStream],
    visible: NDArray[Any] | None = None,
    checked: bool = False,
    **meta: Any,
) -> SequenceReader:
    """Write the sequence folder ``path``, which must not be there, all of it or nothing, and open
    it.

    ``timestamps_ns`` (T,) mid-exposure times that rise; ``images`` (T, 2, H, W) uint8, left and
    right, of the rig's size; ``joints_world`` (T, 22, 3) metres, the annotation;
    ``streams``: what each of ``DEVICES`` reported at its own rate, ``head`` at least; ``visible``
    (T, 2, 22): 1 or 0, whether each view sees the joint, by default whether it is inside the image;
    ``checked``: whether to refuse what ``check_sequence`` finds, too;
    ``meta``: ``performer``, ``action``, ``split`` (one of ``PARTS``), ``licence`` and whatever else
    there is to say. Raises ``DataError`` naming what does not fit, ``InvalidInputError`` for a rig
    or streams of another kind.
    """
    check_kind("rig", rig, CameraRig)
    timestamps_ns = nanoseconds("timestamps_ns", timestamps_ns)
    streams = {device: _timed(device, stream) for device, stream in streams.items()}
    count = len(timestamps_ns)
    said = {"performer": "unknown", "action": "unknown", "split": "train", "frames": count, **meta}
    if said["split"] not in PARTS:
        raise DataError(f"split: expected one of {', '.join(PARTS)}, got {shown(said['split'])}")
    _check(rig, timestamps_ns, images, joints_world, streams)
    arrays = _at_frames(timestamps_ns, streams)
    T_world_head = arrays["T_world_device"][:, 0]
    joints = np.asarray(joints_world, np.float64)
    joints_2d, inside = np.empty((count, 2, NUM_JOINTS, 2)), np.empty((count, 2, NUM_JOINTS), bool)
    for view, camera in enumerate(rig.cameras):
        T = T_world_head @ camera.T_head_cam
        local = np.einsum("tba,tjb->tja", T[:, :3, :3], joints - T[:, None, :3, 3])
        joints_2d[:, view], inside[:, view] = camera.project(local)
    arrays |= {
        "timestamps_ns": timestamps_ns,
        "joints_world": joints,
        "joints_2d": np.nan_to_num(joints_2d, nan=-1e9),
        "visible": inside if visible is None else _seen(np.asarray(visible), inside.shape),
        "T_world_cam_left": T_world_head @ rig.left.T_head_cam,
    }
    calibration = rig.to_dict()
    with SequenceWriter(path, count, rig.left.width, rig.left.height, depth=False) as writer:
        for index, pair in enumerate(images):
            writer.images[index] = _stored(pair)
        texts = {"meta": said, "rig": calibration, "rig_true": calibration}
        writer.commit(
            arrays,
            {device: streams[device] for device in DEVICES},
            texts,
            partial(_refuse_problems, path) if checked else open_sequence,
        )
    return open_sequence(path)


def nanoseconds(name: str, times: NDArray[Any]) -> NDArray[np.int64]:
    """``times`` (n,) as they are stored. Raises ``DataError`` unless they are whole numbers within
    the range of timestamps."""
    times = np.asarray(times)
    is_float = times.dtype.kind == "f"
    if times.dtype.kind not in "iu" and not (is_float and (times % 1 == 0).all()):
        most = f" up to {times.max():g}" if is_float else ""
        raise DataError(f"{name}: expected integer nanoseconds, got {times.dtype}{most}")
    far = np.abs(times.astype(np.float64)) >= MAX_TIMESTAMP_NS
    if far.any():
        raise DataError(f"{name}: expected nanoseconds below 2**62, got {times[far][0]:g}")
    return times.astype(np.int64)


def _timed(device: str, stream: DeviceStream) -> DeviceStream:
    check_kind(f"streams: {device}", stream, DeviceStream)
    times_ns = nanoseconds(f"streams: {device}: timestamp_ns", stream.timestamp_ns)
    return replace(stream, timestamp_ns=times_ns)


def _stored(pair: Any) -> NDArray[np.uint8]:
    images = np.asarray(pair)
    if images.dtype != np.uint8:
        raise DataError(f"images: expected uint8, 0 to 255, got {images.dtype}: convert them first")
    return images


def _seen(visible: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if visible.shape != shape:
        raise DataError(f"visible: expected shape {shape}, got {visible.shape}")
    if not np.isin(visible, (0, 1)).all():
        raise DataError("visible: expected 0 and 1 only: say from which value on a joint is seen")
    return visible.astype(bool)


def _refuse_problems(path: Path, written: Path) -> None:
    problems = [problem.removeprefix(f"{written}: ") for problem in check_sequence(written)]
    if problems:
        raise DataError(f"{path}: not written: {'; '.join(problems)}")


def _check(
    rig: CameraRig,
    timestamps_ns: NDArray[np.int64],
    images: ImagePairs,
    joints_world: NDArray[np.floating[Any]],
    streams: Mapping[str, DeviceStream],
) -> None:
    count, size = len(timestamps_ns), (rig.left.height, rig.left.width)
    wanted = {
        "timestamps_ns": (np.shape(timestamps_ns), (count,)),
        "images": (np.shape(images), (count, 2, *size)),
        "joints_world": (np.shape(joints_world), (count, NUM_JOINTS, 3)),
    }
    for name, (came, expected) in wanted.items():
        if came != expected or count == 0:
            raise DataError(f"{name}: expected shape {expected}, got {came}")
    if (np.diff(timestamps_ns) <= 0).any():
        raise DataError("timestamps_ns: expected times that rise from frame to frame")
    if not (finite := np.isfinite(joints_world)).all():
        frame, joint, axis = np.argwhere(~finite)[0]
        came = np.asarray(joints_world)[frame, joint, axis]
        where = f"frame {frame}, {JOINT_NAMES[joint]}"
        raise DataError(f"joints_world: expected finite metres, got {came} at {where}")
    for device in DEVICES:
        stream = streams.get(device)
        if stream is None:
            raise DataError(f"streams: expected each of {', '.join(DEVICES)}, got no {device}")
        other = stream.acceleration if device in LEG_DEVICES else stream.position
        samples = len(stream.timestamp_ns)
        if other is None or len(other) != samples or len(stream.orientation_xyzw) != samples:
            raise DataError(f"streams: {device}: its arrays are not of one length")
        if not np.isfinite(other).all():
            raise DataError(f"streams: {device}: expected finite numbers")
        if samples and not np.allclose(
            np.linalg.norm(stream.orientation_xyzw, axis=1), 1.0, atol=1e-2
        ):
            raise DataError(f"streams: {device}: expected unit quaternions, xyzw")
        if (np.diff(stream.timestamp_ns) <= 0).any():
            raise DataError(f"streams: {device}: expected times that rise")


def is_sampled(stamps: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of ``stamps`` (T,) have a sample within 100 ms; ``times`` (n,) of the samples rise."""
    if len(times) == 0:
        return np.zeros(len(stamps), bool)
    after = np.searchsorted(times, stamps).clip(0, len(times) - 1)
    before = (after - 1).clip(0)
    near = np.minimum(np.abs(times[after] - stamps), np.abs(times[before] - stamps))
    return np.asarray(near <= _MAX_GAP_NS)


def _at_frames(
    stamps: NDArray[np.int64], streams: Mapping[str, DeviceStream]
) -> dict[str, NDArray[Any]]:
    """What the devices say at the frames' times."""
    count = len(stamps)
    orientation = np.zeros((count, len(DEVICES), 4))
    vectors = np.zeros((count, len(DEVICES), 3))
    poses = np.tile(np.eye(4), (count, len(DEVICES), 1, 1))
    valid = np.zeros((count, len(DEVICES)), bool)
    for index, device in enumerate(DEVICES):
        stream = streams[device]
        times = stream.timestamp_ns
        if len(times) < 2:
            continue
        within = stamps.clip(times[0], times[-1])
        valid[:, index] = is_sampled(stamps, times)
        turned = Slerp(times - times[0], Rotation.from_quat(stream.orientation_xyzw))(
            within - times[0]
        )
        orientation[:, index] = turned.as_quat()
        vector = stream.position if device in POSE_DEVICES else stream.acceleration
        assert vector is not None
        for axis in range(3):
            vectors[:, index, axis] = np.interp(within, times, np.asarray(vector)[:, axis])
        poses[:, index, :3, :3] = turned.as_matrix()
    if not valid[:, 0].all():
        raise DataError("streams: head: expected a sample within 100 ms of every frame")
    first_leg = len(POSE_DEVICES)
    positions, accelerations = vectors.copy(), vectors[:, first_leg:]
    positions[:, first_leg:] = 0.0
    poses[:, :, :3, 3] = positions
    orientation[~valid] = 0.0
    return {
        "T_world_device": poses,
        "leg_acceleration": accelerations,
        "sensed_position": positions,
        "sensed_orientation": orientation,
        "sensed_acceleration": accelerations,
        "sensed_valid": valid,
    }
