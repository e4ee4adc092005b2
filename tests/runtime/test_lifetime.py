"""When a tracker and what belongs to it are freed, and how a program ends that never closed it."""

import gc
import os
import subprocess
import sys
import textwrap
import time
import weakref
from pathlib import Path

import pytest

from same_engines import Bundle, Engine
from same_runtime import Observer, Pose, SamePoseTracker
from same_runtime._core import NativeEngine
from same_runtime.estimation import core_tracker


class App(Observer):
    """Refers to its tracker, and the tracker to it."""

    def open(self, bundle: Path) -> SamePoseTracker:
        self.tracker = SamePoseTracker(bundle, observer=self)
        self.tracker.on_pose(self.show)
        return self.tracker

    def show(self, pose: Pose) -> None:
        self.shown = pose

    def estimated(self, timestamp_ns: int, latency_ns: int) -> None:
        self.estimated_ns = timestamp_ns

    def clock(self) -> int:
        return time.monotonic_ns()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_a_tracker_that_its_own_listener_refers_to_is_freed(
    tiny_bundle: Path, started: bool, closed: bool
) -> None:
    def use() -> tuple[weakref.ref, ...]:
        app = App()
        tracker = app.open(tiny_bundle)
        if started:
            tracker.start(clock=app.clock)
            tracker.stop()
        if closed:
            tracker.close()
        return weakref.ref(app), weakref.ref(tracker), weakref.ref(tracker._core)

    held = use()
    gc.collect()
    assert [ref() for ref in held] == [None] * 3


def test_a_closed_tracker_has_released_its_engine(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[weakref.ref] = []
    without_interpreter = core_tracker.without_interpreter

    def noting(engine: Engine, bundle: Bundle) -> Engine | NativeEngine:
        runs = without_interpreter(engine, bundle)
        opened.append(weakref.ref(runs))
        if runs is engine:
            pytest.skip("this ONNX Runtime has no C library")
        return runs

    monkeypatch.setattr(core_tracker, "without_interpreter", noting)
    tracker = SamePoseTracker(tiny_bundle, backend="onnxruntime")
    assert opened[0]() is not None
    tracker.close()
    assert opened[0]() is None
    tracker.close()
    assert tracker.stats().engine_failures == 0 and tracker.latest().timestamp_ns == 0


@pytest.mark.skipif(sys.platform != "linux", reason="ends threads in its own way")
@pytest.mark.parametrize("feed", ["push_frame", "frame"])
def test_a_program_may_end_while_a_daemon_thread_feeds_it(tiny_bundle: Path, feed: str) -> None:
    program = """
        import sys, threading, time
        import numpy as np
        from same_runtime import SamePoseTracker, StereoFrame

        tracker = SamePoseTracker(sys.argv[1], backend="onnxruntime")
        images = [np.zeros((tracker.rig.left.height, tracker.rig.left.width), np.uint8)] * 2

        def run():
            t = 10**9
            while True:
                t += 30_000_000
                tracker.ingest.head(t, (0.0, 1.6, 0.0), (0.0, 0.0, 0.0, 1.0))
                frame = StereoFrame(t, *images)
                FEED

        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.3)
        """
    calls = {"push_frame": "tracker.push_frame(frame)", "frame": "tracker.ingest.frame(frame)"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program).replace("FEED", calls[feed]), tiny_bundle],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
