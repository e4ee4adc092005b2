"""The versioned split of the motion sources: train, Protocol 1, Protocol 2."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from same_engines.errors import DataError

SPLITS = ("train", "protocol1", "protocol2")


@dataclass(frozen=True)
class SplitClip:
    """One motion capture clip and where it belongs."""

    clip: str
    action: str
    split: str

    @property
    def subject(self) -> str:
        return self.clip.split("_")[0]


@dataclass(frozen=True)
class SplitFile:
    """Which clip and which procedural action belongs to which split."""

    name: str
    version: int
    confounds: tuple[str, ...]
    """What the split cannot tell apart, in sentences."""
    clips: tuple[SplitClip, ...]
    excluded: Mapping[str, str]
    """Clip to the reason it is in no split."""
    procedural: Mapping[str, tuple[str, ...]]
    """Split to its procedural actions."""

    @property
    def label(self) -> str:
        return f"{self.name}-v{self.version}"


def load_split(path: Path | None = None) -> SplitFile:
    """Read a split file; without a path the shipped one of the CMU clips.

    Raises ``DataError`` for a missing or malformed file, a clip listed twice, or an action that
    Protocol 2 shares with train.
    """
    source = (
        path
        if path is not None
        else files("same_model.synth.motion").joinpath("splits/cmu-v1.json")
    )
    try:
        data: dict[str, Any] = json.loads(source.read_text())
        split = SplitFile(
            str(data["name"]),
            int(data["version"]),
            tuple(str(c) for c in data["confounds"]),
            tuple(SplitClip(c["clip"], c["action"], c["split"]) for c in data["clips"]),
            {c["clip"]: c["reason"] for c in data["excluded"]},
            {k: tuple(v) for k, v in data["procedural"].items()},
        )
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source}: not a split file ({error!r})") from None
    names = [c.clip for c in split.clips]
    if len(set(names)) != len(names):
        raise DataError(f"{source}: a clip is listed twice")
    unknown = {c.split for c in split.clips} | set(split.procedural)
    if unknown - set(SPLITS):
        raise DataError(f"{source}: unknown split {sorted(unknown - set(SPLITS))}")
    actions = {s: {c.action for c in split.clips if c.split == s} for s in SPLITS}
    if actions["train"] & actions["protocol2"]:
        raise DataError(f"{source}: train and protocol2 share actions")
    return split
