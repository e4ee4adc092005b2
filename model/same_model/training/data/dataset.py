"""Sequence folders as flat arrays in memory, ready for random access."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from same_model.config import ModelConfig
from same_model.data.image_zoom import to_zoomed
from same_model.data.recorded_inputs import (
    RecordedInputs,
    image_preprocessor,
    joints_in_anchor,
    read_inputs,
)
from same_model.data.sequence import SequenceReader
from same_runtime.conventions import FEATURE_STRIDE, NUM_VIEWS

HIDDEN = 0.5
"""``Frames.visible`` of a joint that is hidden inside the image."""

_OF_WINDOWS: Final = ("joints_world", "T_world_anchor", "T_anchor_cam", "window_valid")
"""What windows alone read: most of a frame without its images."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of many sequences, one after the other; F is their total, or 0 for images and for
    ``_OF_WINDOWS`` that were not wanted."""

    images: NDArray[np.uint8]
    """(F, V, H, W) at the network's size."""
    joints_2d: NDArray[np.float32]
    """(F, V, J, 2) feature pixels, centres at integers."""
    visible: NDArray[np.float32]
    """(F, V, J): 1 where the joint is seen, 0.5 where it is hidden but inside the feature map, 0
    outside: what ``visibility`` shall say, and the weight of its place in the losses."""
    imu_features: NDArray[np.float32]
    """(F, N, 16)."""
    joints_local: NDArray[np.float32]
    """(F, J, 3) metres, true left-camera frame."""
    joints_world: NDArray[np.float64]
    """(F, J, 3) metres."""
    T_world_anchor: NDArray[np.float64]
    """(F, 4, 4)."""
    T_anchor_cam: NDArray[np.float32]
    """(F, window, 4, 4)."""
    time_offset_s: NDArray[np.float32]
    """(F, window)."""
    window_valid: NDArray[np.float32]
    """(F, window)."""
    sequence_of: NDArray[np.int64]
    """(F,) index of the sequence."""
    starts: NDArray[np.int64]
    """(S + 1,) first frame of each sequence, then F."""
    stretches: NDArray[np.int64]
    """(P + 1,) first frame of each stretch, then F. At a gap after which tracking starts anew a new
    one begins, so that no window and no state is carried over what nobody saw."""
    rays: NDArray[np.float32]
    """(S, V, 3, Hf, Wf)."""
    origins: NDArray[np.float32]
    """(S, V, 3) metres."""
    axes: NDArray[np.float32]
    """(S, V, 3)."""

    def __len__(self) -> int:
        return len(self.sequence_of)

    @cached_property
    def stretch_of(self) -> NDArray[np.int64]:
        """(F,) index of the stretch."""
        return np.repeat(np.arange(len(self.stretches) - 1), np.diff(self.stretches))

    @cached_property
    def step_s(self) -> NDArray[np.float32]:
        """(F,) seconds from frame to frame of the sequence that each frame is of."""
        steps = self.time_offset_s[:, -1] - self.time_offset_s[:, -2]
        found = np.full(len(self.starts) - 1, 1.0 / 30.0, np.float32)
        for sequence, part in enumerate(np.split(steps, self.starts[1:-1])):
            if (part > 0).any():
                found[sequence] = np.median(part[part > 0])
        return found[self.sequence_of]

    def window_rows(self, last: NDArray[np.int64], window: int) -> NDArray[np.int64]:
        """(B, window) frames of the windows that end at ``last`` (B,), oldest first.

        Rows before a stretch's start repeat its first frame; ``window_valid`` marks them.
        """
        rows = last[:, None] + np.arange(1 - window, 1)
        first = self.stretches[self.stretch_of[last]]
        return np.maximum(rows, first[:, None])

    def stretch_rows(
        self, first: NDArray[np.int64], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(B, length) consecutive frames about ``first`` (B,), and which of them count.

        What would leave the stretch begins earlier; what is longer than it repeats the last frame,
        which does not count.
        """
        start = self.stretches[self.stretch_of[first]]
        ends = self.stretches[self.stretch_of[first] + 1]
        first = np.maximum(np.minimum(first, ends - length), start)
        rows = first[:, None] + np.arange(length)
        return np.minimum(rows, ends[:, None] - 1), rows < ends[:, None]

    def of_sequences(self, first: int, end: int) -> "Frames":
        """The frames of the sequences from ``first`` up to but not ``end``."""
        rows = slice(int(self.starts[first]), int(self.starts[end]))
        return self._of(rows, slice(first, end))

    def of_stretch(self, stretch: int) -> "Frames":
        """The frames of one stretch."""
        rows = slice(int(self.stretches[stretch]), int(self.stretches[stretch + 1]))
        sequence = int(self.sequence_of[rows.start])
        return self._of(rows, slice(sequence, sequence + 1))

    def _of(self, rows: slice, sequences: slice) -> "Frames":
        """The frames ``rows``, which are of ``sequences``."""
        by_sequence = ("rays", "origins", "axes")
        parts = {
            field.name: getattr(self, field.name)[sequences if field.name in by_sequence else rows]
            for field in fields(self)
        }
        parts["sequence_of"] = parts["sequence_of"] - sequences.start
        for name in ("starts", "stretches"):
            bounds = getattr(self, name)
            inside = bounds[(bounds > rows.start) & (bounds < rows.stop)]
            parts[name] = np.array([rows.start, *inside, rows.stop]) - rows.start
        return Frames(**parts)

    def anchor_targets(
        self, last: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(B, window, J, 3) truth in the anchor frame of each window's newest frame."""
        return joints_in_anchor(self.joints_world[rows], self.T_world_anchor[last][:, None])


def load_frames(
    sequences: list[SequenceReader],
    config: ModelConfig,
    images: bool,
    label: str,
    windows: bool = True,
) -> Frames:
    """Read ``sequences`` through the core into memory, with ``images`` and what ``windows`` read if
    they are wanted.

    Raises ``DataError`` naming the sequence whose values are not finite, of another joint set or
    too small, or without the images that are wanted.
    """
    if images:
        check_images(sequences)
    parts = [
        (sequence, _inputs(sequence, config, windows))
        for sequence in track(sequences, f"reading {label}", disable=len(sequences) < 20)
    ]
    lengths = [len(inputs.frames) for _, inputs in parts]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    begun = [start + inputs.starts for start, (_, inputs) in zip(starts[:-1], parts, strict=True)]
    pixels = _pixels(parts, config) if images else np.zeros((0, NUM_VIEWS, 0, 0), np.uint8)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(inputs, name) for _, inputs in parts])

    joints_2d, visible = zip(
        *(image_truth(sequence, inputs.frames, config) for sequence, inputs in parts), strict=True
    )
    return Frames(
        pixels,
        np.concatenate(joints_2d),
        np.concatenate(visible),
        joined("imu_features"),
        joined("joints_local"),
        joined("joints_world"),
        joined("T_world_anchor"),
        joined("T_anchor_cam"),
        joined("time_offset_s"),
        joined("window_valid"),
        np.repeat(np.arange(len(parts)), lengths),
        starts,
        np.concatenate([*begun, starts[-1:]]),
        np.stack([inputs.rays for _, inputs in parts]),
        np.stack([inputs.origins for _, inputs in parts]),
        np.stack([inputs.axes for _, inputs in parts]),
    )


def check_images(sequences: Iterable[SequenceReader]) -> None:
    """Raise ``DataError`` naming the first of ``sequences`` without images."""
    for sequence in sequences:
        sequence.check_images()


def _inputs(sequence: SequenceReader, config: ModelConfig, windows: bool) -> RecordedInputs:
    inputs = read_inputs(sequence, config)
    if windows:
        return inputs
    # Copies: a view would keep the whole array.
    return replace(inputs, **{name: getattr(inputs, name)[:0].copy() for name in _OF_WINDOWS})


def load_images(sequences: list[SequenceReader], config: ModelConfig) -> NDArray[np.uint8]:
    """The images of ``load_frames`` alone: (F, V, H, W)."""
    return _pixels([(sequence, read_inputs(sequence, config)) for sequence in sequences], config)


def normalised(images: Tensor, config: ModelConfig) -> Tensor:
    """Images (..., V, H, W) in [0, 255] as the network takes them: (..., V, 1, H, W)."""
    mean, std = 255.0 * config.image_mean, 255.0 * config.image_std
    return ((images - mean) / std)[..., None, :, :]


def _pixels(
    parts: list[tuple[SequenceReader, RecordedInputs]], config: ModelConfig
) -> NDArray[np.uint8]:
    count = sum(len(inputs.frames) for _, inputs in parts)
    pixels = np.zeros((count, NUM_VIEWS, config.input_height, config.input_width), np.uint8)
    row = 0
    for sequence, inputs in parts:
        _read_uint8(sequence, inputs, config, pixels[row : row + len(inputs.frames)])
        row += len(inputs.frames)
    return pixels


def _read_uint8(
    sequence: SequenceReader, inputs: RecordedInputs, config: ModelConfig, out: NDArray[np.uint8]
) -> None:
    images = sequence.images
    if images.shape[-2:] == out.shape[-2:] and config.zooms == (1.0, 1.0):
        out[:] = images[inputs.frames]
        return
    resize = image_preprocessor(sequence, config, 0.0, 1.0 / 255.0)
    resized = np.empty(out.shape[-2:], np.float32)
    for row, frame in enumerate(inputs.frames):
        for view in range(NUM_VIEWS):
            resize(images[frame, view], resized)
            out[row, view] = np.rint(resized)


def image_truth(
    sequence: SequenceReader, frames: NDArray[np.int64], config: ModelConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """2D joints of ``frames`` in feature pixels and how well each is visible
    (``Frames.visible``).

    Hidden joints count: from above, the shin hides the ankle in nine images of ten, and the image
    still tells where it is.
    """
    height, width = sequence.images.shape[-2:]
    scale = np.array([config.input_width / width, config.input_height / height]) / FEATURE_STRIDE
    evenly = (sequence.joints_2d[frames] + 0.5) * scale - 0.5
    joints_2d = to_zoomed(evenly, config)
    limit = np.array([config.feature_width, config.feature_height]) - 0.5
    inside = ((joints_2d > -0.5) & (joints_2d < limit)).all(axis=-1)
    visible = np.where(sequence.visible[frames] > 0, 1.0, HIDDEN) * (inside & sequence.has_images)
    return joints_2d.astype(np.float32), visible.astype(np.float32)
