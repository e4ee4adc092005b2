"""Hands poses to whoever wants them: the newest one, callbacks and async iterators."""

import asyncio
import logging
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Final

from same_engines.errors import InvalidInputError
from same_runtime import _core
from same_runtime.core_pose import from_core
from same_runtime.pose import Pose
from same_runtime.samples import check_timestamp_ns

_log = logging.getLogger("same")

_END: Final = None
"""What listeners are given when no more poses will come."""


class Publisher:
    """One session after another gives poses out to any number of readers; a slow reader misses
    poses, nothing queues up."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal handler may stop in the middle of a stop
        self._listeners: tuple[Callable[[Pose | None], None], ...] = ()
        self._ended = False
        self.callback_errors = 0

    def turn(self, started: Callable[[], bool]) -> None:
        """Call it after every start and stop; ``started``: whether a session runs now. When none
        does, iterators end."""
        with self._lock:
            self._ended = not started()
            listeners = self._listeners if self._ended else ()
        for listener in listeners:
            self._call(listener, _END)

    def publish_of_core(self) -> Callable[[_core.Pose], None]:
        """``publish``, as a function that does not keep the publisher alive: Python sees no
        reference that the core holds, so that with them a tracker to which its own listeners refer
        would never be freed."""
        held = weakref.ref(self)

        def publish(pose: _core.Pose) -> None:
            if (publisher := held()) is not None:
                publisher.publish(pose)

        return publish

    def publish(self, pose: _core.Pose) -> None:
        """Pass the core's ``pose`` on. A listener that raises is logged and counted, and gets the
        next pose all the same."""
        if listeners := self._listeners:
            given = from_core(pose)
            for listener in listeners:
                self._call(listener, given)

    def checked_clock(self, clock: Callable[[], int]) -> Callable[[], int | None]:
        """``clock``, but None, and counted, when it raises or gives no nanoseconds."""

        def now_ns() -> int | None:
            try:
                return check_timestamp_ns("clock()", clock())
            except BaseException:
                self.count_error("the clock")
                return None

        return now_ns

    def count_error(self, what: str) -> None:
        """Count, inside ``except``, an error of the application's code; the first is logged."""
        self.callback_errors += 1
        if self.callback_errors == 1:
            _log.exception("%s raised; further errors are only counted", what)

    def listen(self, callback: Callable[[Pose], None]) -> Callable[[], None]:
        """Call ``callback`` with every pose, in the publisher's thread; returns what ends it.
        Raises ``InvalidInputError`` for what cannot be called."""
        if not callable(callback):
            raise InvalidInputError(f"callback: expected a function, got {type(callback).__name__}")

        def listener(pose: Pose | None) -> None:
            if pose is not None:
                callback(pose)

        remove, _ = self._add(listener)
        return remove

    async def poses(self) -> AsyncIterator[Pose]:
        """The newest pose each time there is one, until the session ends; ends at once when it
        has ended already, and waits for the first session."""
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        latest: list[Pose | None] = []
        scheduled = threading.Event()  # at most one wake-up waits in the loop, however slow it is

        def wake() -> None:
            scheduled.clear()
            arrived.set()

        def listener(pose: Pose | None) -> None:
            if latest == [_END]:
                return  # a session that began meanwhile is not this iterator's
            latest[:] = [pose]
            if not scheduled.is_set():
                scheduled.set()
                loop.call_soon_threadsafe(wake)

        remove, ended = self._add(listener)
        try:
            while not ended:
                await arrived.wait()
                arrived.clear()
                pose = latest[0]
                if pose is None:
                    return
                yield pose
        finally:
            remove()

    def _call(self, listener: Callable[[Pose | None], None], pose: Pose | None) -> None:
        try:
            listener(pose)
        except BaseException:  # sys.exit() in a callback would end the thread for everybody
            self.count_error("a pose callback")

    def _add(self, listener: Callable[[Pose | None], None]) -> tuple[Callable[[], None], bool]:
        """What ends ``listener``, and whether no session runs any more."""
        with self._lock:
            self._listeners = (*self._listeners, listener)
            ended = self._ended

        def remove() -> None:
            with self._lock:
                self._listeners = tuple(x for x in self._listeners if x is not listener)

        return remove, ended
