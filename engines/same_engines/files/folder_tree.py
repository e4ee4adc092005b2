"""The files below a folder, while others may be at work there."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(
    folder: str | os.PathLike[str], passes_over: Callable[[str], bool] = lambda name: False
) -> Iterator[Path]:
    """Every file below ``folder``, in a fixed order.

    Folders whose name ``passes_over`` accepts are not looked into, nor are those that cannot be
    listed, because they are another user's or have just gone; links to folders are not followed.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not passes_over(name))
        for name in sorted(files):
            yield Path(parent, name)
