"""Open files that others named: regular ones only.

A FIFO or a device would hold the reader up for ever or never end. Links are followed; what must not
be one checks that itself.
"""

import errno
import os
import stat
from typing import IO, Final

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO does not wait for a writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def open_regular(path: str | os.PathLike[str], extra_flags: int = 0) -> IO[bytes]:
    """The file at ``path`` for reading. Raises ``OSError``, also when it is not a regular one.

    ``extra_flags``: more of ``os.open``'s.
    """
    try:
        descriptor = os.open(path, _FLAGS | extra_flags)
    except ValueError:  # a NUL in the name
        raise OSError(errno.EINVAL, "not a file name") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most_bytes: int, no_link: bool = False) -> bytes:
    """The content of the file at ``path``. Raises ``OSError``, also if it is longer and, with
    ``no_link``, if it is a link."""
    with open_regular(path, getattr(os, "O_NOFOLLOW", 0) if no_link else 0) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise OSError(errno.EFBIG, f"larger than the {most_bytes} bytes allowed")
        return file.read(size + 1)[:size]
