"""The frozen visual stage's outputs for every frame, computed once and memory-mapped."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from same_engines.errors import DataError
from same_model.network.network import SameModel
from same_model.training.data.dataset import Frames
from same_runtime.conventions import NUM_JOINTS

_CHUNK = 64
_NAMES = ("features", "joints_2d", "visibility")


class VisualCache(NamedTuple):
    """Visual outputs of F frames."""

    features: NDArray[np.float16]
    """(F, V, D, Hf, Wf)."""
    joints_2d: NDArray[np.float32]
    """(F, V, J, 2) feature pixels."""
    visibility: NDArray[np.float32]
    """(F, V, J)."""


def _key(model: SameModel, frames: Frames) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.visual.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    for array in (frames.joints_2d, frames.visible, frames.imu_features):
        digest.update(array.tobytes())
    return digest.hexdigest()[:24]


def cached_visual(
    model: SameModel,
    frames: Frames,
    read_images: Callable[[], NDArray[np.uint8]],
    root: Path,
    label: str,
) -> VisualCache:
    """The cache of ``frames`` under ``root``, made from ``read_images`` if it is not there.

    It is keyed by the weights and the frames' truth and sensor readings, so that the images need
    not be read to find it, and appears whole or not at all. Raises ``DataError`` when it cannot be
    written or is damaged.
    """
    folder = root / _key(model, frames)
    if not folder.exists():
        _write(model, read_images(), folder, label)
    try:
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in _NAMES]
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: damaged ({error}); delete it, it is made again") from None
    return VisualCache(*arrays)


@torch.inference_mode()
def _write(model: SameModel, images_u8: NDArray[np.uint8], folder: Path, label: str) -> None:
    config, count = model.config, len(images_u8)
    partial = folder.with_name(f".partial-{folder.name}-{os.getpid()}")
    shapes = {
        "features": (2, config.feature_dim, config.feature_height, config.feature_width),
        "joints_2d": (2, NUM_JOINTS, 2),
        "visibility": (2, NUM_JOINTS),
    }
    visual = model.visual.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    device = next(visual.parameters()).device
    try:
        partial.mkdir(parents=True)
        arrays = {
            name: np.lib.format.open_memmap(
                partial / f"{name}.npy", "w+",
                np.float16 if name == "features" else np.float32, (count, *shape),
            )
            for name, shape in shapes.items()
        }  # fmt: skip
        for name in arrays:  # a sparse map would meet a full disk as SIGBUS
            with (partial / f"{name}.npy").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        for start in track(range(0, count, _CHUNK), f"visual features of {label}"):
            rows = slice(start, min(start + _CHUNK, count))
            images = torch.from_numpy(images_u8[rows]).float().to(device) / 255.0
            images = (images - config.image_mean) / config.image_std
            with torch.autocast(device.type, torch.bfloat16):
                out = visual(images[:, :, None])
            for name in _NAMES:
                arrays[name][rows] = getattr(out, name).float().cpu().numpy()
        for array in arrays.values():
            array.flush()
        (partial / "about.json").write_text(json.dumps({"frames": count, "label": label}))
        if not folder.exists():  # another run may have been first
            os.replace(partial, folder)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror}); the features take "
            f"{np.prod(shapes['features']) * count * 2 / 1e9:.1f} GB, see --cache"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
