"""What of a whole run is done, and how long the rest takes at the rates that were measured."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from same_engines.atomic_files import replace_file, told_disk
from same_engines.errors import DataError
from same_engines.json_values import parse_json


class RunProgress:
    """The state of a whole run, kept in a JSON file. For one thread at a time.

    ``units``: step -> how many jobs, optimiser steps or commands it has, in the run's order.
    """

    def __init__(
        self,
        path: Path,
        units: Mapping[str, int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._units, self._clock = path, dict(units), clock
        saved = read_progress(path)
        self.finished: list[str] = list(saved.get("finished", []))
        self.stopped = False
        """Whether the first process has stopped before the end."""
        self._seconds: dict[str, float] = dict(saved.get("seconds_per_unit", {}))
        self._reached: dict[str, int] = dict(saved.get("reached", {}))
        self._begun: dict[str, tuple[float, int]] = {}

    def reach(self, step: str, units: int) -> None:
        """``units`` of ``step`` are done by now; the first call of a process begins to measure."""
        now = self._clock()
        begun_at, begun_with = self._begun.setdefault(step, (now, units))
        self._reached[step] = units
        if units > begun_with:
            self._seconds[step] = (now - begun_at) / (units - begun_with)

    def finish(self, step: str) -> None:
        """All of ``step`` is done."""
        self._reached[step] = self._units[step]
        if step not in self.finished:
            self.finished.append(step)
        self.save()

    def left_s(self) -> tuple[float, list[str]]:
        """Seconds that the rest of all measured steps takes, and the steps that were not measured
        yet, about which nothing is claimed."""
        seconds, unknown = 0.0, []
        for step, units in self._units.items():
            if step in self.finished:
                continue
            if step in self._seconds:
                left = max(0, units - self._reached.get(step, 0))
                seconds += left * self._seconds[step]
            else:
                unknown.append(step)
        return seconds, unknown

    def text(self) -> str:
        """The remaining time in words."""
        seconds, unknown = self.left_s()
        if not unknown:
            return f"about {_duration(seconds)} left"
        known = f"at least {_duration(seconds)} left, and " if seconds else ""
        return f"{known}{', '.join(unknown)}, not measured yet"

    def save(self) -> None:
        """Write the file. Raises ``DataError`` when it cannot be written."""
        content = {
            "finished": self.finished,
            "stopped": self.stopped,
            "reached": self._reached,
            "seconds_per_unit": self._seconds,
        }
        with told_disk(DataError, self._path):
            replace_file(self._path, json.dumps(content, indent=1).encode())


def read_progress(path: Path) -> dict[str, Any]:
    """What ``RunProgress.save`` wrote; empty without a file. Raises ``DataError`` if damaged."""
    if not path.exists():
        return {}
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: damaged ({error}); delete it, finished steps are found") from None
    if not isinstance(content, dict):
        raise DataError(f"{path}: damaged; delete it, finished steps are found")
    return content


def _duration(seconds: float) -> str:
    minutes = seconds / 60.0
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60.0:.1f} h"
