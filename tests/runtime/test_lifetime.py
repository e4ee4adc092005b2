"""When a tracker and what belongs to it are freed, and how a program ends that never closed it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


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
