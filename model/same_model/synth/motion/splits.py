"""The versioned split of the motion sources: train, validation, Protocol 1, Protocol 2."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from same_engines.errors import DataError
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json

SPLITS = ("train", "validation", "protocol1", "protocol2")
WITHHELD = "withheld"
"""Clips that show Protocol 2's actions: made only when asked for by name."""
PARTS = (*SPLITS, WITHHELD)
"""Every part that a recording may be of, as its ``meta`` says under ``split``."""
AMC_FPS = 120.0
"""AMC files name no rate; nearly all of CMU's have this one."""
FRAME_RATES = (1.0, 1000.0)
"""Least and most that an AMC may be said to have."""
_MOST_BYTES = 4 << 20
_LATEST = "motion-v4"
_CMU = "cmu-mocap"
_CMU_CREDIT = (
    "CMU Graphics Lab Motion Capture Database (mocap.cs.cmu.edu), free to use, created with "
    "funding from NSF EIA-0196217; BVH conversion by B. Hahne"
)


@dataclass(frozen=True)
class SplitClip:
    """One motion capture clip and where it belongs."""

    clip: str
    """File name without folder and endings."""
    action: str
    split: str
    source: str
    """Whose motion it is: a key of the split's ``sources``, and the name of its folder where the
    split is a shipped one."""
    performer: str
    amc_fps: float = AMC_FPS
    """Frames a second where it is an AMC, which does not say."""


@dataclass(frozen=True)
class SplitFile:
    """Which clip and which procedural action belongs to which split."""

    name: str
    version: int
    confounds: tuple[str, ...]
    """What the split cannot tell apart, in sentences."""
    sources: Mapping[str, str]
    """Source to its credit and licence, which go into every recording made of it."""
    clips: tuple[SplitClip, ...]
    excluded: tuple[SplitClip, ...]
    """Clips that are in no split, however they are asked for: their ``split`` says why not."""
    procedural: Mapping[str, tuple[str, ...]]
    """Split to its procedural actions."""
    is_own: bool = False
    """Whether it is a file of the user's: what it lists is meant wherever it lies."""

    @property
    def label(self) -> str:
        return f"{self.name}-v{self.version}"


def load_split(path: Path | None = None) -> SplitFile:
    """Read a split file, or a shipped one by its label; without a path the latest shipped one.

    Raises ``DataError`` for a missing or malformed file, a clip listed twice, left out for no
    reason or at a rate that none has, or an action that Protocol 2 shares with what is trained or
    validated on.
    """
    shipped = files("same_model.synth.motion").joinpath("splits")
    label = _LATEST if path is None else str(path)
    shipped_file = shipped.joinpath(f"{label}.json")
    is_own = path is not None and not shipped_file.is_file()
    source = label if is_own else str(shipped_file)
    try:
        content = read_regular(label, _MOST_BYTES) if is_own else shipped_file.read_bytes()
        split = replace(_read(parse_json(content)), is_own=is_own)
    except KeyError as error:
        raise DataError(f"{source}: not a split file: has no {error}") from None
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from None
    except (TypeError, ValueError):
        raise DataError(
            f"{source}: not a split file; the shipped motion-v4.json shows one"
        ) from None
    names = [c.clip for c in (*split.clips, *split.excluded)]
    if len(set(names)) != len(names):
        raise DataError(f"{source}: a clip is listed twice")
    if any(c.split in PARTS for c in split.excluded):
        raise DataError(f"{source}: excluded: expected a reason, got the name of a part")
    if any(not FRAME_RATES[0] <= c.amc_fps <= FRAME_RATES[1] for c in split.clips):
        raise DataError(f"{source}: amc_fps: expected 1 to 1000")
    unknown = ({c.split for c in split.clips} | set(split.procedural)) - set(PARTS)
    if unknown:
        raise DataError(f"{source}: unknown split {sorted(unknown)}")
    uncredited = {c.source for c in split.clips} - set(split.sources)
    if uncredited:
        raise DataError(f"{source}: no credit for the source {sorted(uncredited)}")
    actions = {s: {c.action for c in split.clips if c.split == s} for s in SPLITS}
    if (actions["train"] | actions["validation"]) & actions["protocol2"]:
        raise DataError(f"{source}: train and protocol2 share actions")
    return split


def _clip(listed: dict[str, Any], split: str) -> SplitClip:
    return SplitClip(
        listed["clip"],
        listed.get("action", ""),
        split,
        listed.get("source", _CMU),
        listed.get("performer", f"cmu{listed['clip'].split('_')[0]}"),
        float(listed.get("amc_fps", AMC_FPS)),
    )


def _read(data: dict[str, Any]) -> SplitFile:
    return SplitFile(
        str(data["name"]),
        int(data["version"]),
        tuple(str(c) for c in data["confounds"]),
        dict(data.get("sources", {_CMU: _CMU_CREDIT})),
        tuple(_clip(c, c["split"]) for c in data["clips"]),
        tuple(_clip(c, c["reason"]) for c in data["excluded"]),
        {k: tuple(v) for k, v in data["procedural"].items()},
    )
