"""The two threads of a live run: the devices that send, and the application that asks."""

import os
import threading
import time
from pathlib import Path
from typing import Final

from rich.progress import Progress

from same_bench.live.endless_devices import EndlessDevices, send
from same_bench.live.series import Series
from same_runtime import SamePoseTracker
from same_runtime.cli.console import messages

_SECOND_NS: Final = 1_000_000_000
_STATM: Final = Path("/proc/self/statm")


def send_devices(
    tracker: SamePoseTracker,
    devices: EndlessDevices,
    duration_ns: int,
    began_ns: int,
    costs: Series,
) -> None:
    """Send every sample when it is due, and note (stream, ns of the call, ns late)."""
    for passed_ns, event in devices.events(duration_ns):
        due_ns = began_ns + passed_ns
        wait_ns = due_ns - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(1e-9 * wait_ns)
        late_ns = time.monotonic_ns() - due_ns
        costs.add(event.stream, send(tracker.ingest, event, due_ns), late_ns)


def use_poses(
    tracker: SamePoseTracker,
    display_hz: float,
    feeder: threading.Thread,
    began_ns: int,
    duration_ns: int,
    calls: Series,
    memory: Series,
) -> None:
    """What an application does: at each of its frames it asks for poses."""
    period_ns, due_ns = round(1e9 / display_hz), began_ns
    next_look_ns = began_ns
    with Progress(console=messages(), auto_refresh=False) as progress:
        task = progress.add_task("tracking", total=duration_ns)
        while feeder.is_alive():
            due_ns = max(due_ns + period_ns, time.monotonic_ns())
            time.sleep(max(0.0, 1e-9 * (due_ns - time.monotonic_ns())))
            now_ns = time.monotonic_ns()
            began_call_ns = time.perf_counter_ns()
            tracker.at_time(now_ns + period_ns)
            between_ns = time.perf_counter_ns()
            tracker.latest()
            calls.add(between_ns - began_call_ns, time.perf_counter_ns() - between_ns)
            if now_ns >= next_look_ns:
                next_look_ns += _SECOND_NS
                memory.add(now_ns - began_ns, _resident_bytes())
                progress.update(task, completed=now_ns - began_ns, refresh=True)


def _resident_bytes() -> int:
    if not _STATM.exists():
        return -1
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
