"""What ``same-export`` refuses before it does anything: options without an effect, and places to
write to that are needed for something else."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from same_engines.bundle.manifest import MANIFEST_NAME
from same_engines.errors import ExportError, InvalidInputError
from same_engines.qnn.library import TARGET_PREFIX
from same_engines.tensorrt.library import TARGETS
from same_export.cpu_int8 import INT8_TARGET

if TYPE_CHECKING:
    from same_export.cli import ExportCommand


def check_effect(command: "ExportCommand") -> None:
    """Raise ``ExportError`` for an option that differs from its default and would do nothing."""
    target = command.target or ""
    for_npu = target.startswith(TARGET_PREFIX)
    calibrates = "--target cpu-int8 or qnn-...", for_npu or target == INT8_TARGET
    needed = {
        "preset": ("a checkpoint", command.ckpt is not None),
        "precision": ("a checkpoint or --target", command.ckpt is not None or target != ""),
        "operator": ("--target tensorrt-rtx or tensorrt", target in TARGETS),
        "calibration_recording": calibrates,
        "calibration_frames": calibrates,
        "check_frames": ("--target qnn-...", for_npu),
    }
    for field in fields(command):
        what, is_given = needed.get(field.name, ("", True))
        if not is_given and getattr(command, field.name) != field.default:
            raise ExportError(f"--{field.name.replace('_', '-')}: does nothing without {what}")


def check_apart(written: Mapping[str, Path | None], read: Mapping[str, Path | None]) -> None:
    """Raise ``InvalidInputError`` where something to write, file or folder, is what is read or
    written too, lies in it or holds it. Both by what they are called; None is not there."""
    for name, path in written.items():
        for other, place in {**read, **written}.items():
            if other == name or path is None or place is None:
                continue
            if _holds(path, place) or _holds(place, path):
                raise InvalidInputError(
                    f"{name} {path}: expected a place apart from {other} {place}; name another"
                )


def check_bundle_place(out: Path) -> None:
    """Raise ``ExportError`` where something else than a bundle is at ``out`` already."""
    if out.exists() and not (out / MANIFEST_NAME).is_file():
        raise ExportError(f"{out}: exists and is not a bundle; choose another --out")


def _holds(folder: Path, path: Path) -> bool:
    """Whether ``path`` is ``folder`` or lies in it, however the two are spelt."""
    folder, path = Path(os.path.realpath(folder)), Path(os.path.realpath(path))
    there = os.path.exists(folder)
    return any(
        place == folder or (there and os.path.exists(place) and os.path.samefile(place, folder))
        for place in (path, *path.parents)
    )
