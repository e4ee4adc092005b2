"""Hands poses to whoever wants them: the newest one, callbacks and async iterators."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable

from same_runtime.pose import Pose

_log = logging.getLogger("same")


class PoseFeed:
    """One publisher, any number of readers; a slow reader misses poses, nothing queues up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[Pose | None], None], ...] = ()
        self.newest: Pose | None = None
        self.callback_errors = 0

    def publish(self, pose: Pose | None) -> None:
        """Pass ``pose`` on; None says that no more will come. A listener that raises is logged
        and counted, and hears the next pose all the same."""
        if pose is not None:
            self.newest = pose
        for listener in self._listeners:
            try:
                listener(pose)
            except Exception:
                self.callback_errors += 1
                if self.callback_errors == 1:
                    _log.exception("a pose callback raised; further errors are only counted")

    def listen(self, callback: Callable[[Pose], None]) -> Callable[[], None]:
        """Call ``callback`` with every pose, in the publisher's thread; returns what ends it."""

        def listener(pose: Pose | None) -> None:
            if pose is not None:
                callback(pose)

        return self._add(listener)

    async def poses(self) -> AsyncIterator[Pose]:
        """The newest pose each time there is one, until the publisher stops."""
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        latest: list[Pose | None] = []
        scheduled = threading.Event()  # at most one wake-up waits in the loop, however slow it is

        def wake() -> None:
            scheduled.clear()
            came.set()

        def listener(pose: Pose | None) -> None:
            latest[:] = [pose]
            if not scheduled.is_set():
                scheduled.set()
                loop.call_soon_threadsafe(wake)

        remove = self._add(listener)
        try:
            while True:
                await came.wait()
                came.clear()
                pose = latest[0]
                if pose is None:
                    return
                yield pose
        finally:
            remove()

    def _add(self, listener: Callable[[Pose | None], None]) -> Callable[[], None]:
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def remove() -> None:
            with self._lock:
                self._listeners = tuple(x for x in self._listeners if x is not listener)

        return remove
