"""What every output is: something that takes poses until it is closed."""

from abc import ABC, abstractmethod

from same_engines.errors import InvalidInputError, SameError
from same_runtime.pose import Pose


class Output(ABC):
    """Takes poses. ``send`` neither waits nor raises for what happens at the other end: that is
    counted. A context manager; for one thread at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        """The address or file, as it was given."""
        self.sent = 0
        """Poses that went out."""
        self.skipped = 0
        """Poses without a body, and those that came faster than the other end takes them."""
        self.failed = 0
        """Poses that could not be sent."""
        self.last_error = ""
        """Why the newest of these could not."""
        self._closed = False

    def send(self, pose: Pose) -> None:
        """Send one pose. Raises ``InvalidInputError`` for what is no ``Pose``, ``SameError`` when
        closed."""
        if self._closed:
            raise SameError(f"{self.name}: closed; open it anew")
        if not isinstance(pose, Pose):
            raise InvalidInputError(f"pose: expected a Pose, got {type(pose).__name__}")
        try:
            if self._send(pose):
                self.sent += 1
            else:
                self.skipped += 1
        except OSError as error:
            self.failed += 1
            self.last_error = error.strerror or str(error)

    def close(self) -> None:
        """Finish and release; safe to call twice."""
        if not self._closed:
            self._closed = True
            self._close()

    def summary(self) -> str:
        """The counters in one line."""
        line = f"{self.name}: {self.sent} poses sent"
        if self.skipped:
            line += f", {self.skipped} skipped"
        if self.failed:
            line += f", {self.failed} failed ({self.last_error})"
        return line

    @abstractmethod
    def _send(self, pose: Pose) -> bool:
        """Send; False when there was nothing to send. Raises ``OSError`` when it failed."""

    @abstractmethod
    def _close(self) -> None:
        """Release everything."""

    def __enter__(self) -> "Output":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
