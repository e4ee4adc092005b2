"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; what is there takes the name ``path`` when the block ends well.

    After an error the file that was at ``path`` is as it was and nothing else is left. A killed
    process leaves its part behind, for ``remove_partial_files``.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path) -> None:
    """Delete what killed processes left of ``whole_file`` in ``folder``."""
    for partial in folder.glob(".*.partial"):
        pid = partial.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
