"""Files of this user that nobody else can have written."""

import os
from pathlib import Path
from typing import Final

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
_WRITABLE_BY_OTHERS: Final = 0o022


def why_not_ours(status: os.stat_result) -> str | None:
    """Why a file or folder of this status may hold what another user put there; None if it
    cannot. Windows keeps a user's folders to the user itself."""
    if not hasattr(os, "getuid"):
        return None
    if status.st_uid != os.getuid():
        return "it belongs to another user"
    if status.st_mode & _WRITABLE_BY_OTHERS:
        return "other users can write to it; take that from them: chmod -R go-w"
    return None


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, with its parents, for this user only. Raises ``OSError``, also when it is
    there and another user could have put something into it, or when it is a link."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)
    reason = why_not_ours(folder.lstat()) if not folder.is_symlink() else "it is a link"
    if reason is not None:
        raise OSError(None, reason)


def private_opener(path: str, flags: int) -> int:
    """For ``open(..., opener=...)``: a new file can be read by its owner only."""
    return os.open(path, flags, PRIVATE_FILE)
