"""Which joint of a captured skeleton is which of ours, by its name or by a file that says so.

Names are compared without case, separators, name spaces, common prefixes and trailing digits, with
the side before or behind. That covers CMU (ASF and Daz), Mixamo, ACCAD, LAFAN, 100STYLE, Xsens MVN,
Rokoko, the UE mannequin, Rigify, Daz Genesis, 3ds Max bipeds and SMPL. The pelvis and the spine
need no names: they are what lies between the hips, the shoulders and the neck.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from same_engines.errors import DataError
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json
from same_model.synth.motion.capture.skeleton import SkeletonClip
from same_runtime.conventions import JOINT_NAMES

# The first that a skeleton has counts: "shoulder" is the upper arm where no "arm" is.
_SIDED = {
    "hip": ("upleg", "upperleg", "thighbend", "thigh", "femur", "hip"),
    "knee": ("shin", "calf", "lowerleg", "lowleg", "tibia", "knee", "leg"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toes", "toe", "ball", "foot"),
    "shoulder": ("upperarm", "uparm", "shldrbend", "shldr", "humerus", "arm", "shoulder"),
    "elbow": ("forearm", "forearmbend", "lowerarm", "lowarm", "radius", "elbow"),
    "wrist": ("hand", "wrist"),
    "collar": ("collar", "clavicle", "shoulder"),
}
_MIDDLE = {"neck": ("neck", "lowerneck", "necklower", "spine004"), "head": ("head", "spine006")}
_SIDES = {"left": ("left", "l"), "right": ("right", "r")}
_MOST_MAP_BYTES = 1 << 20
_OPTIONAL = {"left_foot", "right_foot", "left_collar", "right_collar", "neck"}
_BELOW = {
    "knee": "hip",
    "ankle": "knee",
    "foot": "ankle",
    "elbow": "shoulder",
    "wrist": "elbow",
}


@dataclass(frozen=True)
class SourceJoints:
    """Where our joints are in a captured skeleton."""

    index: Mapping[str, int]
    """Joint of ours to its index, without the spine's; feet, collars and neck may be missing."""
    spine: tuple[int, ...]
    """From above the pelvis to the chest (which carries neck and collars); may be empty."""

    @property
    def chest(self) -> int:
        return self.spine[-1] if self.spine else self.index["pelvis"]

    @property
    def used(self) -> list[int]:
        return sorted({*self.index.values(), *self.spine})


def read_joint_map(path: Path) -> dict[str, str]:
    """Read a JSON object of our joint names to a file's, such as ``{"left_hip": "ThighL"}``.

    Raises ``DataError`` for a missing or malformed file, or a joint that is not one of ours.
    """
    try:
        data = parse_json(read_regular(path, _MOST_MAP_BYTES).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a joint map ({error})") from None
    if not isinstance(data, dict) or not all(isinstance(v, str) for v in data.values()):
        raise DataError(f'{path}: expected a JSON object such as {{"left_hip": "ThighL"}}')
    known = set(JOINT_NAMES) - {"spine1", "spine2", "spine3"}
    if set(data) - known:
        raise DataError(
            f"{path}: unknown joint {min(set(data) - known)}; expected some of "
            f"{', '.join(sorted(known))}"
        )
    return data


def find_joints(clip: SkeletonClip, joint_map: Mapping[str, str] | None = None) -> SourceJoints:
    """Find our joints in ``clip``. Raises ``DataError`` naming those that are not to be found."""
    index = _named(clip, joint_map or {})
    for part, above in _BELOW.items():
        for side in _SIDES:
            child, parent = f"{side}_{part}", f"{side}_{above}"
            if child in index and index[parent] not in clip.ancestors(index[child])[1:]:
                raise DataError(
                    f"{clip.names[index[child]]} (as {child}) is not below "
                    f"{clip.names[index[parent]]} (as {parent}); name the joints by --joint-map"
                )
    pelvis = index.get("pelvis", _common(clip, index["left_hip"], index["right_hip"]))
    top = index.get("neck", index["head"])
    chest = _common(clip, index["left_shoulder"], index["right_shoulder"], top)
    between = clip.ancestors(chest)
    below = set(clip.ancestors(pelvis))
    spine = [j for j in between if j not in below]
    return SourceJoints({**index, "pelvis": pelvis}, tuple(reversed(spine)))


def _common(clip: SkeletonClip, *joints: int) -> int:
    """The lowest joint above all of ``joints``, none of which it is."""
    shared = set(clip.ancestors(joints[0])[1:])
    for joint in joints[1:]:
        shared &= set(clip.ancestors(joint)[1:])
    if not shared:
        raise DataError("the hips, shoulders and head hang on no common joint")
    return max(shared)


def _named(clip: SkeletonClip, joint_map: Mapping[str, str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for joint, name in joint_map.items():
        if name not in clip.names:
            raise DataError(f"no joint {name!r} (for {joint}); it has {_listed(clip.names)}")
        index[joint] = clip.names.index(name)
    exact, plain = _plain_names(clip.names)
    wanted: list[tuple[str, list[tuple[str, ...]]]] = [
        (name, [(word,) for word in words]) for name, words in _MIDDLE.items()
    ]
    for part, words in _SIDED.items():
        for side, marks in _SIDES.items():
            both: list[tuple[str, ...]] = [
                tuple(x for m in marks for x in (m + word, word + m)) for word in words
            ]
            wanted.append((f"{side}_{part}", both))
    for joint, choices in wanted:
        if joint in index:
            continue
        found = (
            table[spelled]
            for choice in choices
            for table in (exact, plain)
            for spelled in choice
            if spelled in table and table[spelled] not in index.values()
        )
        first = next(found, None)
        if first is not None:
            index[joint] = first
    absent = sorted({name for name, _ in wanted} - set(index) - _OPTIONAL)
    if absent:
        raise DataError(
            f"a skeleton without {', '.join(absent)} by any known name; say which joints they "
            f"are by --joint-map FILE. It has {_listed(clip.names)}"
        )
    return index


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(name[:40] for name in names[:80])


def _plain_names(names: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int]]:
    """Comparable spelling to index, with digits and without trailing ones; the first counts."""
    short = [name.rsplit(":", 1)[-1] for name in names]
    prefix = re.match(r".*[ _.\-]", os.path.commonprefix(short[1:]))  # the root may lack it
    exact: dict[str, int] = {}
    plain: dict[str, int] = {}
    for i, name in enumerate(short):
        name = name.removeprefix(prefix.group() if prefix else "").lower()
        name = re.sub(r"[^a-z0-9]", "", name.removeprefix("def-"))
        name = re.sub(r"^mixamorig\d*", "", name)
        exact.setdefault(name, i)
        plain.setdefault(re.sub(r"\d+$", "", name), i)
    return exact, plain
