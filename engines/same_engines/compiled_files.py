"""What a library compiled for this machine when a graph or plan was first opened, kept for the
next start.

One file per input, library version, device and driver lies in the user's cache folder: a SHA-256,
then the library's own record, which it checks against the machine once more. Nothing here is
needed: whatever cannot be read or written is announced and done without.
"""

import hashlib
import json
import logging
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from same_engines.atomic_files import remove_partial_files, whole_file
from same_engines.files.owned import make_private_folder, private_opener, why_not_ours
from same_engines.files.regular_files import open_regular

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER_VARIABLE: Final = "SAME_CACHE_DIR"
"""Environment variable that names another folder than the user's cache folder."""

NO_FOLDER: Final = f"this user has no home folder; name one to keep them in: {FOLDER_VARIABLE}"
"""Why nothing is kept where ``cache_folder`` is None."""

_DIGEST_BYTES: Final = 32
_MAX_BYTES: Final = 512 << 20
_MOST_FILES: Final = 64

_log = logging.getLogger("same")


@dataclass(frozen=True)
class KernelKey:
    """What kernels that TensorRT-RTX compiled just in time are good for."""

    plan_sha256: str
    library_version: str
    gpu: str
    driver: str


def cache_folder() -> Path | None:
    """Where such files are kept: ``$SAME_CACHE_DIR``, else ``same-runtime`` in the user's cache;
    None for a user without a home folder, as in some containers."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return base / "same-runtime"


class CompiledFile:
    """One kept file. Never raises: a cache must not stop a start.

    ``folder``: as ``cache_folder`` gives it. ``key``: a dataclass of strings, everything that
    decides the content. ``kind``: what it holds, in the plural; the file's suffix, and its name in
    messages.
    """

    def __init__(
        self, folder: Path | None, key: "DataclassInstance", kind: str = "kernels"
    ) -> None:
        name = hashlib.sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()
        self._kind = kind
        self.path = None if folder is None else folder / f"{name[:32]}.{kind}"

    def read(self) -> bytes | None:
        """What was written, None when there is nothing; a damaged file is announced."""
        if self.path is None:
            return None
        try:
            if self.path.is_symlink() or not self.path.is_file():
                return None
            # Judged and read through one descriptor: what was looked at is what is loaded.
            with open_regular(self.path, getattr(os, "O_NOFOLLOW", 0)) as file:
                status = os.fstat(file.fileno())
                foreign = why_not_ours(status) or why_not_ours(self.path.parent.stat())
                size = status.st_size
                small_enough = _DIGEST_BYTES < size <= _DIGEST_BYTES + _MAX_BYTES
                content = file.read(size) if small_enough and foreign is None else b""
            if foreign is not None:
                self.ignore(foreign)
                return None
            os.utime(self.path)  # the files that go first are those not used for longest
        except OSError as error:
            self.ignore(error.strerror or str(error))
            return None
        compiled = content[_DIGEST_BYTES:]
        if not small_enough:
            self.ignore(f"it has {size} bytes")
        elif hashlib.sha256(compiled).digest() != content[:_DIGEST_BYTES]:
            self.ignore("its SHA-256 does not match")
        else:
            return compiled
        return None

    def write(self, compiled: bytes) -> None:
        """Put ``compiled`` in the place of what was there, all at once."""
        if not 0 < len(compiled) <= _MAX_BYTES:
            return
        if self.path is None:
            _log.warning("compiled %s are not kept: %s", self._kind, NO_FOLDER)
            return
        try:
            make_private_folder(self.path.parent)
            remove_partial_files(self.path.parent)
            # Whatever the umask: what others can write to is not read again.
            with whole_file(self.path) as part, open(part, "wb", opener=private_opener) as file:
                file.write(hashlib.sha256(compiled).digest() + compiled)
            files = sorted(self.path.parent.glob(f"*.{self._kind}"), key=_last_use)
            for old in files[:-_MOST_FILES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("compiled %s are not kept: %s: %s", self._kind, self.path, error.strerror)

    def ignore(self, reason: str) -> None:
        """Announce that the file is not used."""
        _log.warning(
            "kept %s are ignored and compiled again: %s: %s", self._kind, self.path, reason
        )


def _last_use(file: Path) -> int:
    return file.stat().st_mtime_ns
