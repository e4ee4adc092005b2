"""Which native code this user has built on this machine: plans are run on no other word.

A compiled plan is machine code, and a bundle may come from anywhere with plans in it. So each plan
that is built leaves its hash in the user's cache folder, and one whose hash is not there is not
loaded. It may be built again, come with a signature of a trusted key, or be allowed by whoever runs
the process.
"""

import logging
import os
from typing import Final

from same_engines.compiled_files import NO_FOLDER, cache_folder
from same_engines.files.owned import make_private_folder, private_opener, why_not_ours

ALLOW_VARIABLE: Final = "SAME_ALLOW_FOREIGN_PLANS"
"""Environment variable: 1 runs plans that were built elsewhere, as on a headset."""

_FOLDER: Final = "built-here"

_log = logging.getLogger("same")


def note_built(sha256: str) -> None:
    """Remember that this user built what has this hash. Never raises: without a cache folder the
    plan is built again."""
    cache = cache_folder()
    if cache is None:
        _log.warning("plans will be built again: %s", NO_FOLDER)
        return
    folder = cache / _FOLDER
    try:
        make_private_folder(folder.parent)
        make_private_folder(folder)
        with open(folder / sha256, "wb", opener=private_opener):
            pass
    except OSError as error:
        _log.warning("plans will be built again: %s: %s", folder, error.strerror)


def was_built_here(sha256: str) -> bool:
    """Whether ``note_built`` was told so by this user, or whoever runs this allows all plans."""
    if os.environ.get(ALLOW_VARIABLE) == "1":
        return True
    cache = cache_folder()
    if cache is None or len(sha256) != 64 or not sha256.isalnum():
        return False
    folder = cache / _FOLDER
    try:
        places = (folder.parent, folder, folder / sha256)
        return all(not p.is_symlink() and why_not_ours(p.stat()) is None for p in places)
    except OSError:
        return False
