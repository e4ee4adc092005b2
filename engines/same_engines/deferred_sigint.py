"""Ctrl-C while native code runs that must not be left by an exception."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def held_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether Ctrl-C came; it takes effect when the block ends.

    Python raises ``KeyboardInterrupt`` at the next line it runs, which may be the first of a
    callback, below native code that no exception may cross. Signals go to the main thread only,
    so in any other this changes nothing; nor does it where Ctrl-C is ignored, as in a job of a
    script's background.
    """
    pressed: list[int] = []
    former = signal.getsignal(signal.SIGINT)
    elsewhere = threading.current_thread() is not threading.main_thread()
    if elsewhere or former in (None, signal.SIG_IGN):
        yield lambda: False
        return
    signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, former)
        if pressed:  # also where the block raised, or the key would have to be pressed again
            signal.raise_signal(signal.SIGINT)
