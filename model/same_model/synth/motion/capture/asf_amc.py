"""Reading Acclaim ASF/AMC motion capture, plain or packed with xz.

An ASF bone turns about its START, in axes of its own; here it becomes a joint at that place, with
the file's world axes at rest. Angles in degrees or radians; lengths in any unit, as the scale comes
from the limbs.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.synth.motion.capture.skeleton import (
    MAX_JOINTS,
    Malformed,
    SkeletonClip,
    numbers,
    read_text_file,
)
from same_model.synth.motion.splits import AMC_FPS

_DOF = ("tx", "ty", "tz", "rx", "ry", "rz", "l")


@dataclass
class _Bone:
    name: str
    offset: NDArray[np.float64]
    """(3,) from its start to its end at rest, world axes."""
    axes: Rotation
    """Its own axes to the world at rest."""
    dof: tuple[str, ...]


@dataclass(frozen=True)
class _Skeleton:
    bones: dict[str, _Bone]
    """By name, parents before children; the first is the root."""
    parents: dict[str, str]
    degrees: bool


def read_amc(path: Path, skeleton: Path | None = None, fps: float = AMC_FPS) -> SkeletonClip:
    """Read one ``.amc`` or ``.amc.xz`` file of ``fps`` frames a second with the ``.asf`` beside it,
    or ``skeleton``.

    Raises ``DataError``, naming the file and what is wrong in it, for a missing, truncated or
    malformed file, and for an AMC without its ASF.
    """
    path = Path(path)
    asf = read_text_file(skeleton or asf_of(path), "ASF", _parse_asf)
    return read_text_file(path, "AMC", lambda lines: _parse_amc(lines, asf, fps))


def asf_of(path: Path) -> Path:
    """The skeleton of an AMC: the file of its subject's name beside it, or the only one there.
    Raises ``DataError`` without one."""
    subject = path.name.split(".")[0].split("_")[0]
    named = [path.with_name(subject + ending) for ending in (".asf", ".asf.xz")]
    beside = sorted(p for p in path.parent.glob("*.asf*") if p.is_file())
    for found in named:
        if found in beside:
            return found
    if len(beside) == 1:
        return beside[0]
    raise DataError(
        f"{path}: its skeleton is missing; put {named[0].name} (or {named[1].name}) beside it"
    )


def _parse_asf(lines: list[str]) -> _Skeleton:
    sections: dict[str, list[list[str]]] = {}
    current: list[list[str]] = []
    for line in lines:
        if line.lstrip().startswith("#"):
            continue
        words = line.split()
        if words[0].startswith(":"):
            current = sections.setdefault(words[0].lower(), [])
            words = words[1:]
        if words:
            current.append(words)
    missing = [s for s in (":units", ":root", ":bonedata", ":hierarchy") if s not in sections]
    if missing:
        raise Malformed(f"no {missing[0]} section")
    units = {words[0].lower(): words[-1] for words in sections[":units"]}
    degrees = units.get("angle", "deg").lower().startswith("deg")
    bones = {"root": _root(sections[":root"], degrees)}
    for bone in _bones(sections[":bonedata"], degrees):
        if bone.name in bones:
            raise Malformed(f"bone {bone.name[:40]} is listed twice")
        bones[bone.name] = bone
    return _ordered(bones, sections[":hierarchy"], degrees)


def _field(entry: dict[str, list[str]], name: str, count: int, of: str) -> NDArray[np.float64]:
    return numbers(entry.get(name, [])[:count], f"{of}: {name}", count)


def _euler(entry: dict[str, list[str]], values: str, order: str, degrees: bool) -> Rotation:
    angles = _field(entry, values, 3, "ASF")
    if sorted(order.upper()) != ["X", "Y", "Z"]:
        raise Malformed(f"axis: expected an order such as XYZ, got {order[:20]!r}")
    # Acclaim turns about the fixed axes, the first named first.
    return Rotation.from_euler(order.lower(), angles, degrees=degrees)


def _root(section: list[list[str]], degrees: bool) -> _Bone:
    entry = {words[0].lower(): words[1:] for words in section}
    order = tuple(word.lower() for word in entry.get("order", []))
    if not order or set(order) - set(_DOF) or len(set(order)) < len(order):
        raise Malformed(f"root: expected an order such as TX TY TZ RX RY RZ, got {order}")
    axis = (entry.get("axis") or ["XYZ"])[0]
    axes = _euler({"orientation": ["0", "0", "0"], **entry}, "orientation", axis, degrees)
    return _Bone("root", np.zeros(3), axes, order)


def _bones(section: list[list[str]], degrees: bool) -> list[_Bone]:
    out: list[_Bone] = []
    entry: dict[str, list[str]] = {}
    for words in section:
        key = words[0].lower()
        if key == "begin":
            entry = {}
        elif key == "end":
            if "name" not in entry or not entry["name"]:
                raise Malformed("a bone without a name")
            name = entry["name"][0]
            axis = _euler(entry, "axis", (entry.get("axis") or ["", "", "", "XYZ"])[-1], degrees)
            offset = _field(entry, "direction", 3, name) * _field(entry, "length", 1, name)
            dof = tuple(word.lower() for word in entry.get("dof", []))
            if set(dof) - set(_DOF) or len(set(dof)) < len(dof):
                raise Malformed(
                    f"bone {name[:40]}: degrees of freedom unknown or twice in {' '.join(dof)}"
                )
            out.append(_Bone(name, offset, axis, dof))
            if len(out) > MAX_JOINTS:
                raise Malformed(f"expected at most {MAX_JOINTS} bones, got more")
        else:
            entry[key] = words[1:]
    return out


def _ordered(bones: dict[str, _Bone], section: list[list[str]], degrees: bool) -> _Skeleton:
    parents: dict[str, str] = {}
    placed = {"root": bones["root"]}
    for parent, *children in section:
        if parent in ("begin", "end"):
            continue
        for child in children:
            if parent not in placed or child not in bones or child in placed:
                raise Malformed(f"hierarchy: unexpected {child[:40]!r} under {parent[:40]!r}")
            parents[child] = parent
            placed[child] = bones[child]
    return _Skeleton(placed, parents, degrees)


def _parse_amc(lines: list[str], asf: _Skeleton, fps: float) -> SkeletonClip:
    names = list(asf.bones)
    columns: dict[str, list[list[str]]] = {name: [] for name in names if asf.bones[name].dof}
    frames = 0
    for line in lines:
        words = line.split()
        if words[0].startswith(("#", ":")):
            continue
        if len(words) == 1 and words[0].isdigit():
            _complete(columns, frames)
            frames += 1
        elif words[0] in columns and frames:
            columns[words[0]].append(words[1:])
        else:
            raise Malformed(f"unexpected {line.strip()[:60]!r}: no such bone in the ASF")
    if not frames:
        raise Malformed("no frames")
    _complete(columns, frames)

    roots = np.zeros((frames, 3))
    rotations = np.tile([0.0, 0.0, 0.0, 1.0], (frames, len(names), 1))
    for j, name in enumerate(names):
        bone = asf.bones[name]
        if name not in columns:
            continue
        rows, width = columns[name], len(bone.dof)
        if any(len(row) != width for row in rows):
            raise Malformed(f"bone {name}: expected {width} values in each frame")
        values = numbers([word for row in rows for word in row], f"bone {name}")
        channels = dict(zip(bone.dof, values.reshape(frames, width).T, strict=True))
        if name == "root":
            roots = np.stack([channels.get(f"t{a}", np.zeros(frames)) for a in "xyz"], axis=1)
        turns = [d for d in bone.dof if d[0] == "r"]
        if turns:
            order = "".join(d[1] for d in turns)
            angles = np.stack([channels[d] for d in turns], axis=1)
            own = Rotation.from_euler(order, angles, degrees=asf.degrees)
            rotations[:, j] = (bone.axes * own * bone.axes.inv()).as_quat()
    return _clip(asf, roots, rotations, fps)


def _complete(columns: dict[str, list[list[str]]], frames: int) -> None:
    short = next((name for name, rows in columns.items() if len(rows) != frames), None)
    if short is not None:
        raise Malformed(f"frame {frames}: bone {short} is missing or listed twice")


def _clip(
    asf: _Skeleton,
    roots: NDArray[np.float64],
    rotations: NDArray[np.float64],
    fps: float,
) -> SkeletonClip:
    names = list(asf.bones)
    parents = [names.index(asf.parents[n]) if n in asf.parents else -1 for n in names]
    # A joint stands where its parent's bone ends.
    offsets = np.array([np.zeros(3) if p < 0 else asf.bones[names[p]].offset for p in parents])
    leaves = set(range(len(names))) - set(parents)
    ends = {j: asf.bones[names[j]].offset for j in sorted(leaves)}
    return SkeletonClip(tuple(names), tuple(parents), offsets, roots, rotations, fps, ends=ends)
