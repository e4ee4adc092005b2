"""The frozen visual stage's outputs for every frame, computed once and memory-mapped."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from rich.progress import track

from same_engines.atomic_files import remove_partial_files, told_disk, whole_folder
from same_engines.errors import DataError
from same_model.data.array_files import load_array
from same_model.data.sequence import SequenceReader
from same_model.same_network import SameModel
from same_model.training.data.dataset import Frames, normalised
from same_runtime.cli.console import messages
from same_runtime.conventions import NUM_JOINTS

_LOG = logging.getLogger("same")
_FORMAT_VERSION = 3
_CHUNK = 64
_NAMES = ("features", "joints_2d", "visibility")


class JoinedArrays:
    """Arrays of the same rows, one after the other, each left where it is: on disk."""

    def __init__(self, parts: "Sequence[NDArray[Any] | JoinedArrays]") -> None:
        self.parts = tuple(parts)
        self.dtype: np.dtype[Any] = parts[0].dtype
        self.ends = np.cumsum([len(part) for part in parts])
        self.shape: tuple[int, ...] = (int(self.ends[-1]), *parts[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]


class VisualCache(NamedTuple):
    """Visual outputs of F frames."""

    features: NDArray[np.float16] | JoinedArrays
    """(F, V, D, Hf, Wf), to be read by ``read_rows``."""
    joints_2d: NDArray[np.float32]
    """(F, V, J, 2) feature pixels."""
    visibility: NDArray[np.float32]
    """(F, V, J)."""


def read_rows(array: NDArray[Any] | JoinedArrays, rows: NDArray[np.int64]) -> NDArray[Any]:
    """``array[rows]``. Scattered rows of a memory map are read from its file: touching the map
    would also read, of a large file, ten times as much around them."""
    if isinstance(array, JoinedArrays):
        joined = np.empty((len(rows), *array.shape[1:]), array.dtype)
        of_part = np.searchsorted(array.ends, rows, side="right")
        for number, (part, end) in enumerate(zip(array.parts, array.ends, strict=True)):
            chosen = of_part == number
            joined[chosen] = read_rows(part, rows[chosen] - (end - len(part)))
        return joined
    if not (isinstance(array, np.memmap) and isinstance(array.base, mmap) and array.filename):
        return array[rows]
    out = np.empty((len(rows), *array.shape[1:]), array.dtype)
    size = out[:1].nbytes
    places = [array.offset + int(row) * size for row in rows]
    with open(array.filename, "rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            for place in places:
                os.posix_fadvise(file.fileno(), place, size, os.POSIX_FADV_WILLNEED)
        for row, place in zip(out, places, strict=True):
            file.seek(place)
            if file.readinto(row) != size:
                raise DataError(f"{array.filename}: ends before its last frame; delete its folder")
    return out


def with_errors_scaled(visual: VisualCache, frames: Frames, scale: float) -> VisualCache:
    """``visual`` with the joints that are in the image ``scale`` times as far from the truth.

    The visual stage is surer of images that it was trained on than of others; what is trained on
    its outputs for these would trust it too far on others.
    """
    found = np.array(visual.joints_2d)
    limit = np.array(visual.features.shape[:-3:-1], np.float32) - 1.0
    scaled = frames.joints_2d + np.float32(scale) * (found - frames.joints_2d)
    inside = frames.visible[..., None] > 0
    return visual._replace(joints_2d=np.where(inside, scaled.clip(0.0, limit), found))


def joined_caches(caches: Sequence[VisualCache]) -> VisualCache:
    """The frames of ``caches``, one after the other."""
    if len(caches) == 1:
        return caches[0]
    features = [cache.features for cache in caches]
    return VisualCache(
        JoinedArrays(features),
        np.concatenate([cache.joints_2d for cache in caches]),
        np.concatenate([cache.visibility for cache in caches]),
    )


def cache_key(model: SameModel, frames: Frames, sequences: list[SequenceReader]) -> str:
    """Changes when anything does from which the outputs are computed.

    The images count by their content: the same sequences may be rendered again. Hashing them
    takes a second per gigabyte, a small part of what training reads of their features.
    """
    config = model.config
    size = (config.input_width, config.input_height)
    seen = (*size, config.image_mean, config.image_std, *config.zooms)
    digest = hashlib.sha256(json.dumps([_FORMAT_VERSION, *seen]).encode())
    for name, tensor in model.visual.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    for array in (frames.joints_2d, frames.visible, frames.imu_features):
        digest.update(array.tobytes())
    for sequence in sequences:
        images = sequence.images
        digest.update(str(images.shape).encode())
        for start in range(0, len(images), _CHUNK):
            digest.update(images[start : start + _CHUNK].tobytes())
    return digest.hexdigest()[:24]


def cached_visual(
    model: SameModel,
    frames: Frames,
    sequences: list[SequenceReader],
    read_images: Callable[[], NDArray[np.uint8]],
    root: Path,
    label: str,
) -> VisualCache:
    """The cache of ``frames``, which are those of ``sequences``, under ``root``; made from
    ``read_images`` if it is not there.

    It appears whole or not at all, and is made once however many processes ask for it. Raises
    ``DataError`` when it cannot be written or is damaged.
    """
    folder = root / cache_key(model, frames, sequences)
    if not folder.exists():
        size_gb = _feature_bytes(model, len(frames)) / 1e9
        with told_disk(DataError, folder, f"the features take {size_gb:.1f} GB, see --cache"):
            root.mkdir(parents=True, exist_ok=True)
            # Not a barrier of the processes: those time out, and separate runs share caches too.
            with FileLock(root / f".{folder.name}.lock"):
                if not folder.exists():
                    _LOG.info("visual features of %s: %.2f GB in %s", label, size_gb, folder)
                    _make(model, read_images(), folder, label)
    try:
        arrays = [load_array(folder / f"{name}.npy") for name in _NAMES]
    except DataError as error:
        raise DataError(f"{error}; delete {folder}, it is made again") from None
    features = arrays[0]
    if isinstance(features, np.memmap):  # by its path, which ``read_rows`` reads
        path = folder / f"{_NAMES[0]}.npy"
        arrays[0] = np.memmap(path, features.dtype, "r", features.offset, features.shape)
    return VisualCache(*arrays)


def _shapes(model: SameModel) -> dict[str, tuple[int, ...]]:
    config = model.config
    return {
        "features": (2, config.feature_dim, config.feature_height, config.feature_width),
        "joints_2d": (2, NUM_JOINTS, 2),
        "visibility": (2, NUM_JOINTS),
    }


def _feature_bytes(model: SameModel, count: int) -> int:
    return 2 * count * int(np.prod(_shapes(model)["features"]))


def _make(model: SameModel, images_u8: NDArray[np.uint8], folder: Path, label: str) -> None:
    """Make ``folder``; the caller holds its lock."""
    remove_partial_files(folder.parent)
    with whole_folder(folder) as partial:
        _write(model, images_u8, partial, label)


@torch.inference_mode()
def _write(model: SameModel, images_u8: NDArray[np.uint8], folder: Path, label: str) -> None:
    count = len(images_u8)
    visual = model.visual.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = next(visual.parameters()).device
    with ExitStack() as stack:
        # Plain writes: a memory map would meet a full disk as SIGBUS.
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in _NAMES}
        for name, shape in _shapes(model).items():
            dtype = _dtype(name)
            header = {"descr": dtype.str, "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(files[name], header)
        for start in track(
            range(0, count, _CHUNK), f"visual features of {label}", console=messages()
        ):
            images = torch.from_numpy(images_u8[start : start + _CHUNK]).float().to(device)
            out = visual(normalised(images, model.config), in_bfloat16=True)
            for name, file in files.items():
                file.write(getattr(out, name).float().cpu().numpy().astype(_dtype(name)).tobytes())
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    (folder / "about.json").write_text(json.dumps({"frames": count, "label": label}))


def _dtype(name: str) -> np.dtype[np.float16] | np.dtype[np.float32]:
    return np.dtype(np.float16) if name == "features" else np.dtype(np.float32)
