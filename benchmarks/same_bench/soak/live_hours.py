"""A started tracker in real time, and what the process holds minute by minute."""

import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_bench.live.endless_devices import EndlessDevices
from same_bench.live.figures import milliseconds
from same_bench.live.series import Series
from same_bench.live.threads import send_devices
from same_bench.reporting.record import about_the_engine
from same_bench.soak.process_state import process_state
from same_engines import Bundle, open_engine
from same_runtime import Observer, SamePoseTracker
from same_runtime.live.options import LiveOptions
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording import Recording

_MINUTE_S: Final = 60.0
_LEG_HZ: Final = 200.0


class _Watch(Observer):
    """Counts poses and keeps how late a minute's were."""

    def __init__(self) -> None:
        self.late_ns: list[int] = []
        self.poses = self.tracked = self.not_finite = self.backwards = 0
        self._newest_ns = 0

    def given_out(self, ready_ns: int, late_ns: int) -> None:
        self.late_ns.append(late_ns)

    def pose(self, pose: Pose) -> None:
        """Listens to the tracker."""
        self.poses += 1
        self.backwards += pose.timestamp_ns < self._newest_ns
        self._newest_ns = pose.timestamp_ns
        if pose.status is not PoseStatus.INVALID:
            self.tracked += 1
            self.not_finite += not np.isfinite(pose.joints_world).all()

    def minute_late_ns(self) -> NDArray[np.int64]:
        """Of the poses since it was last asked."""
        late_ns, self.late_ns = self.late_ns, []
        return np.array(late_ns, np.int64)


def soak_live(bundle: Bundle, recording: Path, minutes: float, display_hz: float) -> dict[str, Any]:
    """Track in real time. ``late_ms`` is the machine's as much as the tracker's where other
    processes run beside it."""
    recorded = Recording(recording)
    devices = EndlessDevices(recorded, _LEG_HZ)
    watch, rows = _Watch(), []
    duration_ns = round(minutes * 60e9)
    engine = open_engine(bundle, "auto", "auto", threads=1)
    with SamePoseTracker(bundle.path, recorded.rig, engine, observer=watch) as tracker:
        tracker.on_pose(watch.pose)
        tracker.start(LiveOptions(display_hz))
        began_ns = time.monotonic_ns()
        sender = threading.Thread(
            target=send_devices,
            args=(tracker, devices, duration_ns, began_ns, Series(0, 3)),  # no costs are kept
            name="devices",
        )
        sender.start()
        while sender.is_alive():
            sender.join(_MINUTE_S)
            passed_s = 1e-9 * (time.monotonic_ns() - began_ns)
            late_ms = milliseconds(watch.minute_late_ns())
            state = process_state()._asdict()
            late = {f"late_{name}_ms": late_ms.get(name) for name in ("p50", "p99")}
            rows.append({"passed_s": round(passed_s, 1), **state, **late})
        stats = tracker.stats()
        tracker.stop()
    return {
        **about_the_engine(engine),
        "minutes": minutes,
        "display_hz": display_hz,
        "poses": watch.poses,
        "tracked": watch.tracked,
        "not_finite": watch.not_finite,
        "backwards": watch.backwards,
        "frames_accepted": stats.frames.accepted,
        "frames_tracked": stats.estimates.count,
        "refused": sum(stream.refused for stream in stats.streams.values()),
        "engine_failures": stats.engine_failures,
        "rows": rows,
    }
