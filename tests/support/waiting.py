"""Waiting for what other threads do."""

import time
from collections.abc import Callable


def wait_until(done: Callable[[], object]) -> None:
    """Return once ``done`` says so; 20 seconds without fail the test."""
    deadline = time.monotonic() + 20.0
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
