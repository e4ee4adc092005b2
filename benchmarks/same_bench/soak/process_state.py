"""What this process holds: memory, open files, threads."""

import gc
from pathlib import Path
from typing import Final, NamedTuple

from same_engines.errors import InvalidInputError

_STATUS: Final = Path("/proc/self/status")


class ProcessState(NamedTuple):
    """At one moment."""

    rss_mib: float
    descriptors: int
    threads: int
    """Of the system, those of native libraries included."""


def process_state() -> ProcessState:
    """Now, once garbage is collected. Raises ``InvalidInputError`` off Linux."""
    if not _STATUS.exists():
        raise InvalidInputError("soak: needs Linux, whose /proc tells what a process holds")
    gc.collect()
    status = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return ProcessState(
        round(int(status["VmRSS"].split()[0]) / 1024, 2),
        len(list(Path("/proc/self/fd").iterdir())) - 1,  # the listing's own
        int(status["Threads"]),
    )
