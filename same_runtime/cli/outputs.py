"""``--send`` and ``--write``: outputs by their names on the command line."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from same_engines.errors import InvalidInputError
from same_runtime.outputs import BvhFile, GlbFile, McapFile, Output, RerunViewer, open_output
from same_runtime.pose import Pose
from same_runtime.skeleton.rotations import SkeletonSolver

_log = logging.getLogger("same")
_FORMATS: Final[dict[str, tuple[str, Callable[[Path], Output]]]] = {
    "bvh": ("poses.bvh", BvhFile),
    "glb": ("poses.glb", GlbFile),
    "mcap": ("body.mcap", McapFile),
    "rrd": ("body.rrd", RerunViewer),
}


def check_formats(write: str) -> list[str]:
    """The formats in ``write``, which has commas between them. Raises ``InvalidInputError``."""
    formats = [name.strip() for name in write.split(",") if name.strip()]
    for name in formats:
        if name not in _FORMATS:
            raise InvalidInputError(f"--write: expected {', '.join(_FORMATS)}, got {name!r}")
    return formats


def write_files(folder: Path, write: str, poses: Sequence[Pose]) -> list[str]:
    """Write ``poses`` in each format; the names of the files that were written. Says which were
    not: they take poses with a body alone. Raises ``RecordingError`` where that cannot be done."""
    written = []
    for name in check_formats(write):
        file_name, opened = _FORMATS[name]
        with opened(folder / file_name) as file:
            for pose in poses:
                file.send(pose)
        if file.sent:
            written.append(file_name)
        else:
            older = "; the one there is older" if (folder / file_name).exists() else ""
            _log.warning("%s: not written: no pose has a body%s", folder / file_name, older)
    return written


@contextmanager
def opened_outputs(addresses: Sequence[str]) -> Iterator[list[Output]]:
    """The outputs at these addresses, closed at the end. Raises ``InvalidInputError``."""
    solver = SkeletonSolver()
    with ExitStack() as stack:
        yield [stack.enter_context(open_output(address, solver)) for address in addresses]
