"""Files and folders that appear whole or not at all.

What is written goes beside its place under a name of this process and is moved there once it is
complete and on the disk. After an error what was there before is as it was and nothing else is
left. A killed process leaves its part behind, for ``remove_partial_files`` and
``remove_partials_of``.
"""

import contextlib
import errno
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import SameError
from same_engines.processes import is_process_alive, process_space

_PARTIAL, _REPLACED = "partial", "replaced"
_LONG_UNTOUCHED_S = 86_400.0


class PartialFile:
    """A file being written. Write to ``partial``, then ``commit`` or ``discard``. Raises
    ``OSError`` where ``path`` is a folder, or no name that a file can have."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        self.path = path
        self.partial = _beside(path, _PARTIAL)

    def commit(self) -> None:
        """Give the file its name. Raises ``OSError``; the file that was there stays then."""
        _sync(self.partial)
        os.replace(self.partial, self.path)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Delete what was written; nothing after ``commit``. Raises nothing."""
        with contextlib.suppress(OSError):
            self.partial.unlink(missing_ok=True)


class PartialFolder:
    """A folder being filled. Fill ``partial``, which exists, then ``commit`` or ``discard``.

    Raises ``OSError`` when it cannot be made, ``FileExistsError`` without ``replace`` where
    something is at ``path`` already.
    """

    def __init__(self, path: Path, replace: bool = True) -> None:
        self.path, self._replace = path, replace
        _put_back(path)
        self._refuse_what_is_there()
        self.partial = _beside(path, _PARTIAL)
        self.partial.mkdir(parents=True)

    def commit(self) -> None:
        """Give the folder its name; a folder that was there goes only after that.

        Raises ``OSError``; the folder that was there stays then. Without ``replace`` it always
        stays, also one that came meanwhile: ``FileExistsError``.
        """
        for file in self.partial.rglob("*"):
            if file.is_file():
                _sync(file)
        self._refuse_what_is_there()
        replaced = _beside(self.path, _REPLACED)
        with held_interrupts():
            # No system moves a folder over another one: for a moment neither has the name.
            if self._replace:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.path, replaced)
            try:
                os.rename(self.partial, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.rename(replaced, self.path)
                raise
        _sync_folder(self.path.parent)
        shutil.rmtree(replaced, ignore_errors=True)

    def discard(self) -> None:
        """Delete what was written; nothing after ``commit``. Raises nothing."""
        shutil.rmtree(self.partial, ignore_errors=True)

    def _refuse_what_is_there(self) -> None:
        if not self._replace and os.path.lexists(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the name ``path`` when the block ends well."""
    file = PartialFile(path)
    try:
        yield file.partial
        file.commit()
    finally:
        file.discard()


@contextlib.contextmanager
def whole_folder(path: Path, replace: bool = True) -> Iterator[Path]:
    """An empty folder to fill; it takes the name ``path`` when the block ends well. Without
    ``replace`` whatever is there raises ``FileExistsError`` and stays."""
    folder = PartialFolder(path, replace)
    try:
        yield folder.partial
        folder.commit()
    finally:
        folder.discard()


@contextlib.contextmanager
def told_disk(kind: type[SameError], what: object, next_step: str = "") -> Iterator[None]:
    """Raise ``kind`` where the disk refuses what the block writes; ``what`` names it, and
    ``next_step`` says what to do then."""
    try:
        yield
    except OSError as error:
        then = f"; {next_step}" if next_step else ""
        raise kind(f"{what}: cannot be written ({error.strerror}){then}") from None


def replace_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole or not at all. Raises ``OSError``."""
    with whole_file(path) as partial:
        partial.write_bytes(content)


def remove_partial_files(folder: Path, recursive: bool = False) -> int:
    """Delete what killed processes left in ``folder``, with ``recursive`` also further down, and
    return how many files and folders that were. What another machine or container wrote goes once
    nobody has touched it for a day."""
    pattern = f".*.{_PARTIAL}"
    return _remove_left_over(folder.rglob(pattern) if recursive else folder.glob(pattern))


def remove_partials_of(path: Path) -> None:
    """Delete what processes left beside ``path`` that were killed while they wrote it, as
    ``remove_partial_files`` does."""
    # Without it the one that was to be replaced is all there is, and put back.
    for kind in (_PARTIAL, _REPLACED) if path.exists() else (_PARTIAL,):
        _remove_left_over(_all_beside(path, kind))


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is half of something: not to be read."""
    return name.startswith(".") and name.endswith((f".{_PARTIAL}", f".{_REPLACED}"))


def _beside(path: Path, kind: str) -> Path:
    if not path.name or "\0" in str(path):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
    # The random part keeps threads of one process apart.
    mark = process_space() + secrets.token_hex(4)
    return path.with_name(f".{path.name}.{os.getpid()}.{mark}.{kind}")


def _all_beside(path: Path, kind: str) -> list[Path]:
    # The pattern alone fits those of ``model.same`` as well where ``path`` is ``model``.
    found = path.parent.glob(f".{glob.escape(path.name)}.*.{kind}")
    return [file for file in found if file.name.rsplit(".", 3)[0] == f".{path.name}"]


def _is_left_over(path: Path) -> bool:
    parts = path.name.rsplit(".", 3)
    if len(parts) != 4 or not parts[1].isdecimal() or is_process_alive(int(parts[1])):
        return False
    # On a shared disk another machine's process, and one in another container, is not alive here
    # whether it runs or not: only time tells. What this machine left need not wait for that.
    return parts[2].startswith(process_space()) or _is_long_untouched(path)


def _is_long_untouched(path: Path) -> bool:
    try:
        states = [file.lstat() for file in (path, *path.rglob("*"))]
    except OSError:  # it is going or being renamed just now
        return False
    return time.time() - max(map(_touched_s, states)) > _LONG_UNTOUCHED_S


def _touched_s(state: os.stat_result) -> float:
    return max(state.st_mtime, state.st_ctime)  # a folder set aside has only the latter's change


def _remove_left_over(paths: Iterable[Path]) -> int:
    left = [path for path in paths if _is_left_over(path)]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
    return len(left)


def _put_back(path: Path) -> None:
    """Undo half a ``PartialFolder.commit`` that a process was killed in."""
    if path.exists():
        return
    for replaced in _all_beside(path, _REPLACED):
        if _is_left_over(replaced):
            os.rename(replaced, path)
            return


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Neither Windows nor every network's file system can do it; the rename has happened anyway.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
