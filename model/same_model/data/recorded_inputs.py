"""What the network is given of a recorded sequence, made by the core that runs in the tracker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import DataError
from same_model.config import ModelConfig
from same_model.data.device_stream import DeviceStream
from same_model.data.sequence import SequenceReader
from same_runtime._core import (
    MAX_FRAME_GAP_NS,
    DeviceStates,
    FrameAssembler,
    ImagePreprocessor,
    LookupKind,
    Synchroniser,
)
from same_runtime.conventions import (
    DEVICES,
    FEATURE_DIM,
    NUM_DEVICES,
    NUM_JOINTS,
    NUM_VIEWS,
    POSE_DEVICES,
    VIEWS,
)


@dataclass(frozen=True)
class Loss:
    """A stream that gives nothing for a while."""

    stream: str
    """A device or a view of ``same_runtime.conventions``."""
    start_ns: int
    end_ns: int
    """First time at which the stream is back."""

    def covers(self, timestamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where ``timestamps_ns`` falls into the loss."""
        return (timestamps_ns >= self.start_ns) & (timestamps_ns < self.end_ns)


@dataclass(frozen=True, eq=False)
class RecordedInputs:
    """Network inputs of the F frames whose head pose is known, and what they should give."""

    frames: NDArray[np.int64]
    """(F,) index of each frame in the sequence."""
    starts: NDArray[np.int64]
    """(S,) first row of each stretch: 0, and every row at which tracking starts anew."""
    timestamps_ns: NDArray[np.int64]
    """(F,)."""
    view_valid: NDArray[np.float32]
    """(F, V) 1 or 0."""
    imu_features: NDArray[np.float32]
    """(F, N, 16), see ``same_runtime.conventions.FEATURE_DIM``."""
    T_anchor_cam: NDArray[np.float32]
    """(F, window, 4, 4): for the window that ends at each frame."""
    time_offset_s: NDArray[np.float32]
    """(F, window)."""
    window_valid: NDArray[np.float32]
    """(F, window)."""
    T_world_anchor: NDArray[np.float64]
    """(F, 4, 4) from the sensed head pose."""
    rays: NDArray[np.float32]
    """(V, 3, Hf, Wf), of the calibration that the application has."""
    origins: NDArray[np.float32]
    """(V, 3) metres."""
    axes: NDArray[np.float32]
    """(V, 3)."""
    joints_world: NDArray[np.float64]
    """(F, J, 3) metres: truth."""
    joints_local: NDArray[np.float32]
    """(F, J, 3) metres: truth in the true left camera's frame."""


def _kept(stream: DeviceStream, keep: NDArray[np.bool_]) -> DeviceStream:
    # Copies in memory: single elements of a memory map are slow to read.
    return DeviceStream(
        np.asarray(stream.timestamp_ns)[keep],
        np.asarray(stream.orientation_xyzw)[keep],
        None if stream.position is None else np.asarray(stream.position)[keep],
        None if stream.acceleration is None else np.asarray(stream.acceleration)[keep],
    )


def kept_streams(sequence: SequenceReader, losses: Sequence[Loss]) -> dict[str, DeviceStream]:
    """The device streams of ``sequence`` without the samples that ``losses`` take."""
    kept = {}
    for device, stream in sequence.streams.items():
        keep = np.ones(len(stream.timestamp_ns), bool)
        for loss in losses:
            if loss.stream == device:
                keep &= ~loss.covers(stream.timestamp_ns)
        kept[device] = _kept(stream, keep)
    return kept


def lost_views(sequence: SequenceReader, losses: Sequence[Loss]) -> NDArray[np.bool_]:
    """(T, V): true where ``losses`` take the image."""
    lost = np.zeros((sequence.frames, NUM_VIEWS), bool)
    for loss in losses:
        if loss.stream in VIEWS:
            lost[:, VIEWS.index(loss.stream)] |= loss.covers(sequence.timestamps_ns)
    return lost


_FINITE = ("joints_world", "joints_2d", "T_world_cam_left")


def check_finite(sequence: SequenceReader, also: Sequence[str] = ()) -> None:
    """Raise ``DataError`` naming the first array of ``sequence`` with a value not finite: of those
    that the network's inputs and targets are made of, and those named by ``also``."""
    arrays: dict[str, NDArray[np.generic] | None] = {
        name: getattr(sequence, name) for name in (*_FINITE, *also)
    }
    for device, stream in sequence.streams.items():
        for name in ("orientation_xyzw", "position", "acceleration"):
            arrays[f"stream_{device}_{name}"] = getattr(stream, name)
    for name, array in arrays.items():
        if array is not None and not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).reshape(len(array), -1).any(axis=1).argmax())
            raise DataError(f"{sequence.path / name}.npy: row {bad} is not finite")


class _Feeder:
    """Hands device streams to a synchroniser as time goes on."""

    def __init__(self, streams: dict[str, DeviceStream], synchroniser: Synchroniser) -> None:
        self._streams, self._synchroniser = streams, synchroniser
        self._done = dict.fromkeys(DEVICES, 0)

    def push_until(self, stamp_ns: int) -> None:
        """Push every sample up to ``stamp_ns`` that was not pushed before."""
        for device, name in enumerate(DEVICES):
            stream = self._streams[name]
            end = int(np.searchsorted(stream.timestamp_ns, stamp_ns, "right"))
            for i in range(self._done[name], end):
                sample_ns, orientation = int(stream.timestamp_ns[i]), stream.orientation_xyzw[i]
                if name in POSE_DEVICES:
                    assert stream.position is not None
                    self._synchroniser.push_pose(device, sample_ns, stream.position[i], orientation)
                else:
                    assert stream.acceleration is not None
                    self._synchroniser.push_leg(
                        device, sample_ns, orientation, stream.acceleration[i]
                    )
            self._done[name] = max(self._done[name], end)


def _starts_anew(states: DeviceStates, newest_ns: int | None) -> bool:
    """Whether the tracker forgets what came up to ``newest_ns`` before it tracks ``states``."""
    if newest_ns is None or states.how[0] == LookupKind.MISSING:
        return False
    return states.timestamp_ns - newest_ns > MAX_FRAME_GAP_NS


def _true_joints(
    sequence: SequenceReader, frames: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(F, J, 3) metres each: in the world, and in the true left camera's frame."""
    joints_world = sequence.joints_world[frames].astype(np.float64)
    T_world_cam = sequence.T_world_cam_left[frames]
    joints_local = (joints_world - T_world_cam[:, None, :3, 3]) @ T_world_cam[:, :3, :3]
    return joints_world, joints_local.astype(np.float32)


def read_inputs(
    sequence: SequenceReader, config: ModelConfig, losses: Sequence[Loss] = ()
) -> RecordedInputs:
    """Feed the sensed streams of ``sequence`` to the core, each frame seeing only what came before.

    ``losses``: streams that are lost for a while. Raises ``DataError`` for values that are not
    finite or that the core refuses, and for a sequence without a usable head pose.
    """
    check_finite(sequence)
    count, window = sequence.frames, config.window
    imu_features = np.zeros((count, NUM_DEVICES, FEATURE_DIM), np.float32)
    T_anchor_cam = np.zeros((count, window, 4, 4), np.float32)
    time_offset_s = np.zeros((count, window), np.float32)
    window_valid = np.zeros((count, window), np.float32)
    T_world_anchor = np.zeros((count, 4, 4))
    known, anew = np.zeros(count, bool), np.zeros(count, bool)
    newest_ns: int | None = None
    synchroniser = Synchroniser()
    feeder = _Feeder(kept_streams(sequence, losses), synchroniser)
    assembler = FrameAssembler(sequence.rig.left.T_head_cam, 0.0, window)
    stamps = np.asarray(sequence.timestamps_ns)
    try:
        for frame, stamp in enumerate(stamps.tolist()):
            feeder.push_until(stamp)
            states = synchroniser.lookup(stamp)
            if _starts_anew(states, newest_ns):
                assembler.reset()
                newest_ns = None
            known[frame] = assembler.assemble(
                stamp,
                states,
                imu_features[frame],
                T_anchor_cam[frame],
                time_offset_s[frame],
                window_valid[frame],
            )
            if known[frame]:
                anew[frame], newest_ns = newest_ns is None, stamp
                T_world_anchor[frame] = assembler.T_world_anchor
    except ValueError as error:
        raise DataError(f"{sequence.path}: frame {frame}: {error}") from None
    if not known.any():
        raise DataError(f"{sequence.path}: no frame has a head pose")
    frames = np.flatnonzero(known)
    return RecordedInputs(
        frames,
        np.flatnonzero(anew[frames]),
        stamps[frames],
        (~lost_views(sequence, losses)[frames]).astype(np.float32),
        imu_features[frames],
        T_anchor_cam[frames],
        time_offset_s[frames],
        window_valid[frames],
        T_world_anchor[frames],
        *sequence.rig.ray_map(
            config.feature_width, config.feature_height, config.depth_mode, *config.zooms
        ),
        *_true_joints(sequence, frames),
    )


def read_images(
    sequence: SequenceReader, frames: NDArray[np.int64], config: ModelConfig
) -> NDArray[np.float32]:
    """Images of ``frames`` as the network takes them: (F, V, 1, H, W), resized and normalised.

    Raises ``DataError`` when the images are smaller than the network's input or show nothing.
    """
    preprocess = image_preprocessor(sequence, config, config.image_mean, config.image_std)
    images = sequence.images
    out = np.empty((len(frames), NUM_VIEWS, 1, config.input_height, config.input_width), np.float32)
    for row, frame in enumerate(frames):
        for view in range(NUM_VIEWS):
            preprocess(images[frame, view], out[row, view, 0])
    return out


def image_preprocessor(
    sequence: SequenceReader, config: ModelConfig, mean: float, std: float
) -> ImagePreprocessor:
    """The core's resize for images of ``sequence``. Raises ``DataError`` if they are too small, or
    show nothing where the network looks at them."""
    if config.uses_images:
        sequence.check_images()
    height, width = sequence.images.shape[-2:]
    if height < config.input_height or width < config.input_width:
        raise DataError(
            f"{sequence.path}: images of {width}x{height} are smaller than the "
            f"{config.input_width}x{config.input_height} that preset {config.preset} takes"
        )
    return ImagePreprocessor(
        height, width, config.input_height, config.input_width, mean, std, *config.zooms
    )


def joints_in_anchor(
    joints_world: NDArray[np.float64], T_world_anchor: NDArray[np.float64]
) -> NDArray[np.float32]:
    """World joints (..., J, 3) in anchor frames ``T_world_anchor`` (..., 4, 4): float32, metres."""
    assert joints_world.shape[-2:] == (NUM_JOINTS, 3)
    moved = joints_world - T_world_anchor[..., None, :3, 3]
    return (moved @ T_world_anchor[..., :3, :3]).astype(np.float32)
