"""The user's profile: what was calibrated, in a file that outlasts the session."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.atomic_files import replace_file
from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_number
from same_engines.files.regular_files import read_regular
from same_engines.json_values import float_vector, number_array, parse_json, shown
from same_runtime._core import (
    HIGHEST_STATURE_M,
    LONGEST_BONE_M,
    LOWEST_STATURE_M,
    SHORTEST_BONE_M,
)
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES, LEG_DEVICES, NUM_JOINTS
from same_runtime.pose import read_only_copy

_FORMAT, _VERSION = "same-user-profile", 1
_MOST_BYTES: Final = 1 << 16
_LONGEST_TEXT: Final = 200
_FIELDS: Final = {
    *("format", "version", "user", "saved", "rig"),
    *("height_m", "bone_lengths_m", "leg_straps", "floor_y_m"),
}
_STRAP_FIELDS: Final = {"head_height_m", *LEG_DEVICES}
_UNIT_WITHIN: Final = 1e-3


@dataclass(frozen=True, eq=False)
class LegStraps:
    """How the leg sensors were strapped on. Raises ``InvalidInputError`` for wrong values."""

    head_height_m: float
    """The head's height over the floor as the user stood for it."""
    mountings_xyzw: Mapping[str, NDArray[np.float64]]
    """Leg device -> (4,) unit quaternion, from the sensor as worn to one worn right."""

    def __post_init__(self) -> None:
        height = checked_number(
            "leg_straps.head_height_m",
            self.head_height_m,
            LOWEST_STATURE_M / 2,
            HIGHEST_STATURE_M,
            "metres",
        )
        object.__setattr__(self, "head_height_m", height)
        if not isinstance(self.mountings_xyzw, Mapping) or set(self.mountings_xyzw) != {
            *LEG_DEVICES
        }:
            raise InvalidInputError(f"leg_straps: expected {' and '.join(LEG_DEVICES)}")
        mountings = {}
        for device in LEG_DEVICES:
            name = f"leg_straps.{device}"
            mounting = number_array(name, self.mountings_xyzw[device], (4,))
            norm = float(np.linalg.norm(mounting))
            if abs(norm - 1.0) > _UNIT_WITHIN:
                raise InvalidInputError(
                    f"{name}: expected a unit quaternion (xyzw), got norm {norm:.4g}"
                )
            mountings[device] = read_only_copy(mounting / norm)
        object.__setattr__(self, "mountings_xyzw", mountings)


@dataclass(frozen=True, eq=False)
class UserProfile:
    """What was calibrated of one user with one headset; None where it was not.

    ``tracker.calibration.profile()`` makes one, ``tracker.calibration.use`` and
    ``TrackerOptions.profile`` take it. Raises ``InvalidInputError`` naming a wrong value.
    """

    user: str = ""
    """Whose it is, as the application calls them."""
    saved: str = ""
    """When it was made: ISO 8601, UTC."""
    rig: str = ""
    """Which headset's cameras it was made with: ``rig_name``."""
    height_m: float | None = None
    """Stature."""
    bone_lengths_m: NDArray[np.float64] | None = None
    """(22,) from each joint's parent; 0 for the pelvis."""
    leg_straps: LegStraps | None = None
    floor_y_m: float | None = None
    """The floor's height in the headset's world."""

    def __post_init__(self) -> None:
        for name in ("user", "saved", "rig"):
            text = getattr(self, name)
            if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
                raise InvalidInputError(
                    f"{name}: expected text of at most {_LONGEST_TEXT} letters, got {shown(text)}"
                )
        checked: dict[str, object] = {}
        if self.height_m is not None:
            checked["height_m"] = checked_number(
                "height_m", self.height_m, LOWEST_STATURE_M, HIGHEST_STATURE_M, "metres"
            )
        if self.bone_lengths_m is not None:
            checked["bone_lengths_m"] = checked_lengths("bone_lengths_m", self.bone_lengths_m)
        if self.leg_straps is not None and not isinstance(self.leg_straps, LegStraps):
            raise InvalidInputError(f"leg_straps: expected LegStraps, got {shown(self.leg_straps)}")
        if self.floor_y_m is not None:
            checked["floor_y_m"] = checked_number("floor_y_m", self.floor_y_m, -1e3, 1e3, "metres")
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def save(self, path: str | Path) -> None:
        """Write it to ``path``, whole or not at all. Raises ``InvalidInputError`` where that
        cannot be done."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "user": self.user,
            "saved": self.saved,
            "rig": self.rig,
            "height_m": self.height_m,
            "bone_lengths_m": None,
            "leg_straps": None,
            "floor_y_m": self.floor_y_m,
        }
        if self.bone_lengths_m is not None:
            lengths = self.bone_lengths_m.tolist()
            content["bone_lengths_m"] = dict(zip(JOINT_NAMES, lengths, strict=True))
        if (straps := self.leg_straps) is not None:
            turns = {device: straps.mountings_xyzw[device].tolist() for device in LEG_DEVICES}
            content["leg_straps"] = {"head_height_m": straps.head_height_m, **turns}
        try:
            replace_file(Path(path), (json.dumps(content, indent=1) + "\n").encode())
        except OSError as error:
            raise InvalidInputError(
                f"{path}: the profile cannot be written ({error.strerror}); choose another place"
            ) from None

    @classmethod
    def load(cls, path: str | Path) -> "UserProfile":
        """Read what ``save`` wrote. Raises ``InvalidInputError`` naming the file and what is
        wrong with it."""
        try:
            content = parse_json(read_regular(path, _MOST_BYTES))
        except OSError as error:
            why = error.strerror or error
            raise InvalidInputError(f"{path}: the profile cannot be read ({why})") from None
        except ValueError as error:
            raise InvalidInputError(f"{path}: no user profile: no JSON ({error})") from None
        try:
            return cls(**_read(content))
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}: no user profile: {error}") from None


def checked_lengths(name: str, lengths_m: object) -> NDArray[np.float64]:
    """``lengths_m`` as (22,) read-only, 0 for the pelvis. Raises ``InvalidInputError``."""
    lengths = float_vector(name, lengths_m, NUM_JOINTS)
    bones = lengths[1:]
    if not ((bones >= SHORTEST_BONE_M) & (bones <= LONGEST_BONE_M)).all():
        raise InvalidInputError(
            f"{name}: expected ({NUM_JOINTS},) of {SHORTEST_BONE_M:g}..{LONGEST_BONE_M:g} metres, "
            f"got {shown(lengths_m)}"
        )
    lengths[0] = 0.0
    return read_only_copy(lengths)


EXAMPLE_RIG: Final = "8491a9cbc495023e"
"""``rig_name`` of the example headset that ``same-export`` writes where no rig is given."""


def rig_name(rig: CameraRig) -> str:
    """Tells one headset's cameras from another's."""
    return sha256(json.dumps(rig.to_dict(), sort_keys=True).encode()).hexdigest()[:16]


def now_utc() -> str:
    """Now, as ``UserProfile.saved`` has it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _read(content: Any) -> dict[str, Any]:
    """The fields of a ``UserProfile``, not yet judged beyond their names."""
    _check_names("the file", content, _FIELDS)
    if (content["format"], content["version"]) != (_FORMAT, _VERSION):
        raise InvalidInputError(
            f"format: expected {_FORMAT} {_VERSION}, got {shown(content['format'])} "
            f"{shown(content['version'])}"
        )
    fields = {name: content[name] for name in _FIELDS - {"format", "version"}}
    if (lengths := fields["bone_lengths_m"]) is not None:
        _check_names("bone_lengths_m", lengths, set(JOINT_NAMES))
        fields["bone_lengths_m"] = number_array(
            "bone_lengths_m", [lengths[name] for name in JOINT_NAMES], (len(JOINT_NAMES),)
        )
    if (straps := fields["leg_straps"]) is not None:
        _check_names("leg_straps", straps, _STRAP_FIELDS)
        turns = {device: straps[device] for device in LEG_DEVICES}
        fields["leg_straps"] = LegStraps(straps["head_height_m"], turns)
    return fields


def _check_names(where: str, content: Any, names: set[str]) -> None:
    if not isinstance(content, dict):
        raise InvalidInputError(f"{where}: expected an object, got {shown(content)}")
    if set(content) != names:
        odd = sorted(set(content) ^ names)[0]
        what = "is missing" if odd in names else "is not known"
        raise InvalidInputError(f"{where}: {shown(odd)} {what}")
