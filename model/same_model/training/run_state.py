"""A run on disk: the state from which it goes on exactly, written whole or not at all."""

import contextlib
import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import torch

from same_engines.atomic_files import replace_file
from same_engines.errors import CheckpointError, DataError
from same_engines.json_values import parse_json
from same_model.checkpoint import load_checkpoint
from same_model.data.array_files import load_array
from same_model.data.sequence import find_sequences
from same_model.training.config import TrainConfig

_FORMAT_VERSION = 1
_Paths = Literal["places", "spelled", "beside"]
# Fields that may differ between the halves of an interrupted run without changing its result.
_FREE_FIELDS = (
    "out",
    "cache",
    "save_every",
    "validate_every",
    "threads",
    "device",
    "allow_untrained",
)
# Fields that came later, at the value with which a run is what it was before them, or is refused
# for its layers.
_LATER_FIELDS = {
    "end_to_end": False,
    "pose_frame": None,
    "joint_filter": None,
    "imu_filter": None,
    "column_zoom": None,
    "row_zoom": None,
    "leg_straps": None,
    "more_data": (),
}
LATER_LOSS_FIELDS = {"steady": 0.0, "late": 0.0, "standing": 0.0, "lowest": 0.0, "legs": 1.0}

# Of the inertial stage alone; other runs are what they were, whatever these say.
LATER_AUGMENT_FIELDS = {
    "body_size": 0.0,
    "tempo": 0.0,
    "strap_deg": 0.0,
    "heading_deg": 0.0,
    "measured_straps": 0.0,
}


def run_digest(config: TrainConfig, paths: _Paths = "places") -> str:
    """Changes when a field of ``config`` that shapes the result does.

    Paths count by the place that they lead to; ``spelled``: by their text, as in states that
    were written before; ``beside``: by the way there from the run's folder, so that a run that
    moved together with its data goes on.
    """

    def text(value: object) -> str:
        if not isinstance(value, Path) or paths == "spelled":
            return str(value)
        if paths == "beside":
            return os.path.relpath(value.resolve(), config.out.resolve())
        return str(value.resolve())

    fields = asdict(config)
    fields["loss"] = _without(LATER_LOSS_FIELDS, fields["loss"])
    for name, none in LATER_AUGMENT_FIELDS.items():
        if config.stage != "inertial" or fields["augment"][name] == none:
            del fields["augment"][name]
    shaping = {
        name: value
        for name, value in _without(_LATER_FIELDS, fields).items()
        if name not in _FREE_FIELDS
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True, default=text).encode()).hexdigest()


def _without(later: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if later.get(name, ...) != value}


def run_contents(config: TrainConfig) -> dict[str, str]:
    """A digest of what the paths of ``config`` hold, by the setting's name: every checkpoint's
    weights, the names and lengths of the recordings. What cannot be read is left out; whoever
    reads it next says so."""
    contents = {}
    for name, path in vars(config.init).items():
        with contextlib.suppress(CheckpointError):
            if path is not None:
                contents[f"init.{name}"] = weights_digest(path)
    with contextlib.suppress(DataError):
        recordings = [
            (str(path.relative_to(folder)), len(load_array(path / "timestamps_ns.npy")))
            for folder in config.folders
            for path in find_sequences(folder)
        ]
        contents["data"] = hashlib.sha256(json.dumps(recordings).encode()).hexdigest()
    return contents


def weights_digest(path: Path) -> str:
    """SHA-256 of a checkpoint's network and weights: not of its bytes, which need not be the same
    when it is written again. Raises ``CheckpointError``."""
    model = load_checkpoint(path)
    digest = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def changed_contents(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The settings whose digests in ``now`` are others than ``before``. Of one that is not in
    ``before``, as in runs from before digests were kept, nothing is known."""
    return [name for name, content in now.items() if before.get(name, content) != content]


def load_run(config: TrainConfig) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """``load_state`` of the run ``config`` and its ``run_contents``.

    Raises ``CheckpointError`` as ``load_state`` does, and where the contents are others than those
    that the state was trained on.
    """
    path = config.out / "state.pt"
    state, contents = load_state(path, config), run_contents(config)
    before = {} if state is None else state.get("contents", {})
    for name in changed_contents(before, contents):
        _, _, init = name.partition("init.")
        places = (getattr(config.init, init),) if init else config.folders
        raise CheckpointError(
            f"{path}: what is in --{name} {' '.join(map(str, places))} has changed since this run "
            "began; give another --out, or what was there"
        )
    return state, contents


def save_state(path: Path, config: TrainConfig, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) of the run ``config``.

    Raises ``CheckpointError`` and leaves the file that was there when it cannot be written.
    """
    # Through memory: PyTorch's own file writer hides why a file cannot be written.
    content = io.BytesIO()
    digests = {"digest": run_digest(config), "digest_beside": run_digest(config, "beside")}
    torch.save({"format_version": _FORMAT_VERSION, **digests, **state}, content)
    try:
        replace_file(path, content.getbuffer())
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be written ({error.strerror}); the last saved state is intact, and "
            "the same command goes on from it"
        ) from error


def load_state(path: Path, config: TrainConfig) -> dict[str, Any] | None:
    """What ``save_state`` wrote, or None without a file.

    Raises ``CheckpointError`` for a damaged file or one of a run with other settings.
    """
    if not path.exists():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the reader raise
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: damaged or not a training state: {cause}") from error
    if not isinstance(state, dict) or state.get("format_version") != _FORMAT_VERSION:
        raise CheckpointError(f"{path}: not a training state of format {_FORMAT_VERSION}")
    if not any(_is_of(state, then) for then in _that_it_goes_on_from(config, state)):
        raise CheckpointError(
            f"{path}: belongs to a run with other settings{_changes(path.parent, config)}; give "
            "those again or another --out"
        )
    return state


def _is_of(state: Mapping[str, Any], config: TrainConfig) -> bool:
    is_same = state["digest"] in (run_digest(config), run_digest(config, "spelled"))
    return is_same or state.get("digest_beside") == run_digest(config, "beside")


def _that_it_goes_on_from(config: TrainConfig, state: Mapping[str, Any]) -> Iterator[TrainConfig]:
    """``config``, and where it asks for more steps the runs that it extends."""
    yield config
    before = state.get("steps")
    if config.steps is not None and isinstance(before, int) and before < config.steps:
        yield replace(config, steps=before)
        yield replace(config, steps=None)


def _changes(folder: Path, config: TrainConfig) -> str:
    """The settings that differ from those in ``config.json`` of a run's folder, old and new."""
    try:
        before = _flat(parse_json((folder / "config.json").read_bytes()))
    except (OSError, ValueError, AttributeError):
        return ""
    settings = {"loss": LATER_LOSS_FIELDS, "augment": LATER_AUGMENT_FIELDS}
    later = _flat(_plain({**_LATER_FIELDS, **settings}))
    before, now = {**later, **before}, _flat(_plain(asdict(config)))
    no_matter = set(_FREE_FIELDS)
    if config.stage != "inertial":
        no_matter |= {f"augment.{name}" for name in LATER_AUGMENT_FIELDS}
    changed = [
        f"{name} was {before[name]}, is {value}"
        for name, value in now.items()
        if name not in no_matter and name in before and before[name] != value
    ]
    return f" ({'; '.join(changed)})" if changed else ""


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As ``config.json`` holds them."""
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat
