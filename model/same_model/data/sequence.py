"""A recording as a folder of memory-mapped arrays: what training and evaluation read.

==========================  ======================  ==========================================
file                        shape, dtype            meaning
==========================  ======================  ==========================================
meta.json                                           format, origin, seed, split, licence
rig.json                                            calibration as the application has it
rig_true.json                                       the cameras that made the images
images.npy                  (T, 2, H, W) uint8      left, right, without sensor noise
timestamps_ns.npy           (T,) int64              mid-exposure
joints_world.npy            (T, 22, 3) float32      metres
joints_2d.npy               (T, 2, 22, 2) float32   pixels, true cameras; also outside the image
visible.npy                 (T, 2, 22) uint8        1 where the joint is in the image and seen
T_world_cam_left.npy        (T, 4, 4) float64       true
T_world_device.npy          (T, 5, 4, 4) float64    true poses at the frames, in ``DEVICES`` order
leg_acceleration.npy        (T, 2, 3) float32       true, m/s^2, world, gravity removed
sensed_position.npy         (T, 5, 3) float64       as sensed, at the frames (legs: zero)
sensed_orientation.npy      (T, 5, 4) float64       as sensed, xyzw; zero where missing
sensed_acceleration.npy     (T, 2, 3) float32       as sensed
sensed_valid.npy            (T, 5) uint8            0 where the device was missing
stream_<device>_*.npy                               timestamp_ns, orientation_xyzw and position
                                                    or acceleration, at the device's own rate
depth.npy (optional)        (T, 2, H, W) float16    metres along the ray, 0 beyond the lens
==========================  ======================  ==========================================
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from same_engines.atomic_files import PartialFolder, is_temporary
from same_engines.errors import DataError
from same_engines.files.folder_tree import files_below
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json
from same_model.data.array_files import load_array
from same_model.data.device_stream import DeviceStream
from same_model.data.rig import read_rig
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, NUM_JOINTS, POSE_DEVICES

FORMAT_VERSION = 1
_FORMAT = "same-sequence"
# name: (dtype, shape after the leading T); None is a free size.
_ARRAYS: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "images": ("uint8", (2, None, None)),
    "timestamps_ns": ("int64", ()),
    "joints_world": ("float32", (NUM_JOINTS, 3)),
    "joints_2d": ("float32", (2, NUM_JOINTS, 2)),
    "visible": ("uint8", (2, NUM_JOINTS)),
    "T_world_cam_left": ("float64", (4, 4)),
    "T_world_device": ("float64", (5, 4, 4)),
    "leg_acceleration": ("float32", (2, 3)),
    "sensed_position": ("float64", (5, 3)),
    "sensed_orientation": ("float64", (5, 4)),
    "sensed_acceleration": ("float32", (2, 3)),
    "sensed_valid": ("uint8", (5,)),
}
_MOST_META_BYTES = 4 << 20
_OPTIONAL_ARRAYS = {"depth": ("float16", (2, None, None))}
_MAPPED = ("images", "depth")


@dataclass(frozen=True)
class SequenceReader:
    """One sequence folder, opened; arrays are read-only.

    Images and depth are mapped anew wherever they are asked for, so that a data set of thousands
    of sequences does not hold thousands of open files; the rest is small and read once.
    """

    path: Path
    meta: dict[str, Any]

    @property
    def frames(self) -> int:
        return len(self.timestamps_ns)

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name not in _ARRAYS and name not in _OPTIONAL_ARRAYS:
            raise AttributeError(name)
        array = load_array(self.path / f"{name}.npy", in_memory=name not in _MAPPED)
        dtype, shape = {**_ARRAYS, **_OPTIONAL_ARRAYS}[name]
        fits = array.dtype == dtype and array.ndim == 1 + len(shape)
        if not fits or any(
            want is not None and want != have
            for want, have in zip(shape, array.shape[1:], strict=True)
        ):
            raise DataError(
                f"{self.path / name}.npy: expected {dtype} (T, {shape}), "
                f"got {array.dtype} {array.shape}"
            )
        if name not in _MAPPED:
            object.__setattr__(self, name, array)
        return array

    @property
    def has_images(self) -> bool:
        """Whether its images show anything: those of ``same-data synth --no-render`` are black."""
        config = self.meta.get("config")
        return not (isinstance(config, dict) and config.get("render") is False)

    def check_images(self) -> None:
        """Raise ``DataError`` where the images show nothing."""
        if not self.has_images:
            raise DataError(
                f"{self.path}: made without images (--no-render), for the inertial stage alone; "
                "make it with images"
            )

    @cached_property
    def rig(self) -> CameraRig:
        """The calibration that an application would have."""
        return read_rig(self.path / "rig.json")

    @cached_property
    def rig_true(self) -> CameraRig:
        return read_rig(self.path / "rig_true.json")

    @cached_property
    def streams(self) -> dict[str, DeviceStream]:
        """What each device reported, at its own rate."""
        return {device: self._stream(device) for device in DEVICES}

    def _stream(self, device: str) -> DeviceStream:
        second = "position" if device in POSE_DEVICES else "acceleration"
        stamps = self._stream_array(device, "timestamp_ns", "int64", ())
        turns = self._stream_array(device, "orientation_xyzw", "float64", (4,))
        values = self._stream_array(device, second, "float64", (3,))
        if not len(stamps) == len(turns) == len(values):
            raise DataError(f"{self.path}: stream_{device}: arrays of different lengths")
        is_pose = device in POSE_DEVICES
        return DeviceStream(stamps, turns, values if is_pose else None, None if is_pose else values)

    def _stream_array(
        self, device: str, name: str, dtype: str, shape: tuple[int, ...]
    ) -> NDArray[Any]:
        file = self.path / f"stream_{device}_{name}.npy"
        if not file.exists():
            raise DataError(f"{self.path}: no stream of {device} ({file.name})")
        array = load_array(file, in_memory=True)
        if not np.can_cast(array.dtype, dtype) or array.shape[1:] != shape or array.ndim == 0:
            raise DataError(
                f"{file}: expected {dtype} (n, {shape}), got {array.dtype} {array.shape}"
            )
        return array


def open_sequence(path: Path) -> SequenceReader:
    """Open a sequence folder.

    Raises ``DataError`` when it is not one, is of another format version, or when an array is
    missing, damaged or of another length than the others.
    """
    path = Path(path)
    try:
        meta = parse_json(read_regular(path / "meta.json", _MOST_META_BYTES))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a sequence folder ({error})") from None
    if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
        raise DataError(f"{path}/meta.json: not a {_FORMAT} file")
    if meta.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path}: format version {meta.get('format_version')}, this code reads "
            f"{FORMAT_VERSION}; write the data set again"
        )
    sequence = SequenceReader(path, meta)
    for name in _ARRAYS:
        if len(getattr(sequence, name)) != sequence.frames:
            raise DataError(f"{path}/{name}.npy: its length differs from timestamps_ns.npy")
    if sequence.frames == 0:
        raise DataError(f"{path}: no frames")
    return sequence


def find_sequences(root: Path) -> list[Path]:
    """All complete sequence folders under ``root``, sorted. Raises ``DataError`` if none."""
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; make one with `same-data synth --out {root}`")
    below = files_below(root, is_temporary)
    found = sorted(path.parent for path in below if path.name == "meta.json")
    if not found:
        raise DataError(
            f"{root}: no sequences in it; make some with `same-data synth --out {root}`"
        )
    return found


class SequenceWriter:
    """Writes one sequence: all of it or nothing.

    Everything goes to a temporary folder beside the target, which takes its name only when
    ``commit`` has checked and flushed it; leaving the ``with`` block earlier removes it. Whatever
    is at the target already stays: opening and ``commit`` raise ``DataError`` then.
    """

    def __init__(self, path: Path, frames: int, width: int, height: int, depth: bool) -> None:
        self.path = Path(path)
        try:
            self._writing = PartialFolder(self.path, replace=False)
        except OSError as error:
            raise self._refusal(error) from None
        self._folder = self._writing.partial
        with self._disk():
            self.images = np.lib.format.open_memmap(
                self._folder / "images.npy", "w+", np.uint8, (frames, 2, height, width)
            )
            self.depth = None
            if depth:
                self.depth = np.lib.format.open_memmap(
                    self._folder / "depth.npy", "w+", np.float16, (frames, 2, height, width)
                )
            # A sparse map would meet a full disk as SIGBUS; reserving the space fails politely.
            if hasattr(os, "posix_fallocate"):
                for name in ["images.npy"] + (["depth.npy"] if depth else []):
                    with open(self._folder / name, "r+b") as file:
                        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._writing.discard()
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> DataError:
        if isinstance(error, FileExistsError):
            return DataError(f"{self.path}: exists; name another folder, or remove it first")
        return DataError(f"{self.path}: cannot be written ({error.strerror})")

    def __enter__(self) -> "SequenceWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._writing.discard()

    def commit(
        self,
        arrays: Mapping[str, NDArray[Any]],
        streams: Mapping[str, DeviceStream],
        texts: Mapping[str, Mapping[str, Any]],
        check: Callable[[Path], object] = open_sequence,
    ) -> None:
        """Write everything but the images and give the folder its name.

        ``arrays``: every array of the format but ``images``. ``texts``: contents of
        ``meta`` (format fields are added), ``rig`` and ``rig_true``. ``check``: is given the
        folder before it has its name; it gets none where that raises.
        """
        with self._disk():
            self.images.flush()
            if self.depth is not None:
                self.depth.flush()
            for name, (dtype, _) in _ARRAYS.items():
                if name != "images":
                    np.save(self._folder / f"{name}.npy", np.asarray(arrays[name], dtype))
            for device, stream in streams.items():
                for field in ("timestamp_ns", "orientation_xyzw", "position", "acceleration"):
                    value = getattr(stream, field)
                    if value is not None:
                        np.save(self._folder / f"stream_{device}_{field}.npy", value)
            for name, content in texts.items():
                if name == "meta":
                    content = {"format": _FORMAT, "format_version": FORMAT_VERSION, **content}
                (self._folder / f"{name}.json").write_text(json.dumps(content, indent=1))
            check(self._folder)
            self._writing.commit()
