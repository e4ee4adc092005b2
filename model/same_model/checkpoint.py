"""Checkpoints: tensors and the configuration, never code."""

import io
import json
import os
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from same_engines.atomic_files import replace_file
from same_engines.bundle.manifest import STAGES, checked_trained_steps
from same_engines.errors import CheckpointError, InvalidInputError
from same_engines.json_values import parse_json
from same_model.config import ModelConfig
from same_model.same_network import SameModel

FORMAT_VERSION: Final = 2
_SUFFIXES: Final = (".pt", ".safetensors")
_CONFIG_KEY: Final = "same_config"
_VERSION_KEY: Final = "same_format_version"
_WEIGHTS_KEY: Final = "state_dict"
_STEPS_KEY: Final = "same_trained_steps"
"""Absent from checkpoints of before."""
_WRAPPERS: Final = {"module": "DistributedDataParallel", "_orig_mod": "torch.compile"}
"""What wrappers of a model or of a part of it put into the names of its weights."""


def _check_suffix(path: Path) -> None:
    if path.suffix not in _SUFFIXES:
        raise CheckpointError(
            f"{path}: expected a name ending in {' or '.join(_SUFFIXES)}, got {path.suffix!r}"
        )


def save_checkpoint(path: str | os.PathLike[str], model: SameModel) -> None:
    """Write ``model``'s weights and configuration as ``.safetensors`` or ``.pt``, by the suffix.

    The file appears whole or not at all. Raises ``CheckpointError`` for another suffix or a
    file that cannot be written.
    """
    path = Path(path)
    _check_suffix(path)
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    config = model.config.to_dict()
    # Through memory: neither library says why a file cannot be written.
    if path.suffix == ".pt":
        buffer = io.BytesIO()
        header = {
            _VERSION_KEY: FORMAT_VERSION,
            _CONFIG_KEY: config,
            _STEPS_KEY: model.trained_steps,
        }
        torch.save({**header, _WEIGHTS_KEY: weights}, buffer)
        content: bytes | memoryview = buffer.getbuffer()
    else:
        metadata = {
            _VERSION_KEY: str(FORMAT_VERSION),
            _CONFIG_KEY: json.dumps(config),
            _STEPS_KEY: json.dumps(model.trained_steps),
        }
        content = safetensors.torch.save(weights, metadata)
    try:
        replace_file(path, content)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot write the checkpoint: {error.strerror}") from error


def load_checkpoint(path: str | os.PathLike[str], preset: str | None = None) -> SameModel:
    """Rebuild the model that ``save_checkpoint`` wrote, on the CPU in evaluation mode.

    ``preset``: the preset that the file must hold, or None for any. Raises
    ``CheckpointError`` naming the cause: unreadable or truncated file, a pickle that carries
    code, another preset, an invalid configuration, weights that are missing, unexpected,
    mis-shaped, of another type or not finite.
    """
    path = Path(path)
    contents, metadata = _read(path)
    if path.suffix == ".pt":
        version, config_values = contents.get(_VERSION_KEY), contents.get(_CONFIG_KEY)
        weights, steps = contents.get(_WEIGHTS_KEY), contents.get(_STEPS_KEY)
    else:
        version = metadata.get(_VERSION_KEY)
        config_values, weights = _parse_json(path, metadata.get(_CONFIG_KEY)), contents
        steps = _parse_json(path, metadata.get(_STEPS_KEY))
    if str(version) != str(FORMAT_VERSION):
        raise CheckpointError(
            f"{path}: expected a SAME checkpoint of format {FORMAT_VERSION}, got {version!r:.80}"
        )
    try:
        config = ModelConfig.from_dict(config_values)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if preset is not None and config.preset != preset:
        raise CheckpointError(f"{path}: expected preset {preset!r}, got {config.preset!r}")
    trained_steps = _trained_steps(path, steps)
    model_weights = _checked_weights(path, _expected(config), weights)
    model = SameModel(config)
    model.load_state_dict(model_weights)
    model.trained_steps = trained_steps
    return model.eval()


def _trained_steps(path: Path, steps: object) -> dict[str, int | None]:
    if steps is None:  # a checkpoint from before they were counted
        return dict.fromkeys(STAGES)
    try:
        return checked_trained_steps(str(path), steps)
    except InvalidInputError as error:
        raise CheckpointError(str(error)) from None


@lru_cache(maxsize=4)  # building a model takes longer than reading its weights
def _expected(config: ModelConfig) -> dict[str, Tensor]:
    """What the weights must be, from a model without storage: a hostile configuration cannot claim
    memory."""
    with torch.device("meta"):
        return SameModel(config).state_dict()


def _read(path: Path) -> tuple[dict[Any, Any], dict[str, str]]:
    """Top-level mapping and, for safetensors, the metadata."""
    if not path.is_file():
        what = "is a folder; name a checkpoint" if path.is_dir() else "no such file"
        raise CheckpointError(f"{path}: {what}")
    _check_suffix(path)
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
        _check_archive(path)
        contents = torch.load(path, map_location="cpu", weights_only=True)
    # Whatever a damaged or hostile file makes the reader raise, the caller learns one thing.
    except Exception as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path}: cannot be read safely (truncated, or a pickle that carries code): {cause}"
        ) from error
    if not isinstance(contents, dict):
        raise CheckpointError(f"{path}: expected a mapping, got {type(contents).__name__}")
    return contents, {}


def _check_archive(path: Path) -> None:
    """Raise ``ValueError`` for an archive that PyTorch did not write: one that holds more than its
    own size, packed or told twice."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if (
        any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        or sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise ValueError("its tensors are packed, as PyTorch packs none")


def _parse_json(path: Path, text: str | None) -> object:
    if text is None:
        return None
    try:
        return parse_json(text)
    except ValueError as error:
        raise CheckpointError(f"{path}: the configuration is not JSON: {error}") from None


def _names(names: set[str]) -> str:
    shown = sorted(map(str, names))
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _wrapper_hint(expected: Mapping[str, Tensor], weights: Mapping[Any, Tensor]) -> str:
    """What to do about weights that were saved from a wrapper of the model; else nothing."""
    parts = {part for name in weights for part in str(name).split(".")}
    found = [wrapper for wrapper in _WRAPPERS if wrapper in parts]
    plain = {
        ".".join(part for part in str(name).split(".") if part not in found) for name in weights
    }
    if plain != expected.keys():
        return ""
    causes = " and ".join(f"{wrapper!r} in them is from {_WRAPPERS[wrapper]}" for wrapper in found)
    inner = "".join(f".{wrapper}" for wrapper in found)
    return f"; {causes}: save the model inside, save_checkpoint(path, wrapper{inner})"


def _checked_weights(
    path: Path, expected: Mapping[str, Tensor], weights: object
) -> dict[str, Tensor]:
    if not isinstance(weights, dict):
        raise CheckpointError(
            f"{path}: expected a mapping of weights, got {type(weights).__name__}"
        )
    for problem, names in (
        ("missing", expected.keys() - weights.keys()),
        ("unexpected", weights.keys() - expected.keys()),
    ):
        if names:
            raise CheckpointError(
                f"{path}: {problem} weights: {_names(names)}{_wrapper_hint(expected, weights)}"
            )
    for name, wanted in expected.items():
        came = weights[name]
        if not isinstance(came, Tensor) or came.layout != torch.strided or came.is_quantized:
            raise CheckpointError(f"{path}: {name}: expected a dense tensor")
        if came.shape != wanted.shape:
            raise CheckpointError(
                f"{path}: {name}: expected shape {tuple(wanted.shape)}, got {tuple(came.shape)}"
            )
        if came.dtype != wanted.dtype:
            raise CheckpointError(f"{path}: {name}: expected {wanted.dtype}, got {came.dtype}")
        if came.device.type != "cpu":
            raise CheckpointError(f"{path}: {name}: holds no values")
        if came.is_floating_point() and not torch.isfinite(came).all():
            raise CheckpointError(f"{path}: {name}: expected finite values")
    return weights
