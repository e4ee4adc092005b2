"""How processes that render begin, and end with their parent."""

import os
import signal
import threading
from multiprocessing import parent_process


def begin_worker() -> None:
    """What each process does first."""
    ignore_interrupts()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its workers, who would wait for it for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
