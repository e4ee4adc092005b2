"""Where commands write: found unusable before the work, not after it."""

import os
from pathlib import Path

from same_engines.errors import InvalidInputError


def check_file_place(option: str, path: Path | None) -> None:
    """Raise ``InvalidInputError`` naming ``option`` unless ``path`` (None: nothing is written) can
    be a file: its folder is there and may be written to."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise InvalidInputError(f"{option} {path}: its folder does not exist")
    if path.is_dir():
        raise InvalidInputError(f"{option} {path}: is a folder; name a file")
    if not os.access(path.parent, os.W_OK):
        raise InvalidInputError(f"{option} {path}: its folder cannot be written to")


def check_folder_place(option: str, path: Path) -> None:
    """Raise ``InvalidInputError`` naming ``option`` unless ``path`` is a folder that may be written
    to, or can become one; nothing is made."""
    there = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InvalidInputError(f"{option} {path}: cannot be made ({there} is a file)")
    if not os.access(there, os.W_OK):
        raise InvalidInputError(f"{option} {path}: {there} cannot be written to")


def make_folder(option: str, path: Path) -> None:
    """Make the folder ``path``. Raises ``InvalidInputError`` as ``check_folder_place`` does, and
    where it cannot be made all the same."""
    check_folder_place(option, path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{option} {path}: cannot be made ({error.strerror})") from None
