"""Opening a tracker and tracking writes nothing outside the cache folder and sends nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from same_runtime.camera import CameraRig
from same_runtime.recording import RecordingWriter

WATCHED = """
import json, os, sys
seen = []
def hook(event, arguments):
    if event == "open" and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(["open", str(arguments[0])])
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"):
        seen.append([event, str(arguments[0])])
    elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        seen.append([event, str(arguments[1:])])
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        seen.append([event, str(arguments[0])])
import numpy as np
from same_bench.measuring.made_up_stream import made_up_stream
from same_runtime.tracker import SamePoseTracker
sys.addaudithook(hook)
with SamePoseTracker(sys.argv[1], backend=sys.argv[2]) as tracker:
    for frame, imu in made_up_stream(tracker.rig, 5):
        tracker.push(frame, imu)
    tracker.start()
    for frame, imu in made_up_stream(tracker.rig, 5):
        tracker.latest()
    tracker.stop()
print(json.dumps(seen))
"""


@pytest.mark.parametrize("backend", ["onnxruntime", "auto"])
def test_nothing_is_written_or_sent_unasked(
    backend: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    cache, temporary = tmp_path / "cache", tmp_path / "tmp"
    temporary.mkdir()
    environment = {**os.environ, "SAME_CACHE_DIR": str(cache), "TMPDIR": str(temporary)}
    before = {path: path.stat().st_mtime_ns for path in tiny_bundle.rglob("*")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tiny_bundle), backend],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        check=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    places = (str(cache), str(temporary), "/dev/null")
    elsewhere = [
        (event, what)
        for event, what in seen
        # What a temporary folder holds is deleted by names relative to it.
        if not what.startswith(places)
        and what != str(tmp_path)
        and (event != "os.remove" or Path(what).is_absolute())
    ]
    assert elsewhere == []
    assert {path: path.stat().st_mtime_ns for path in tiny_bundle.rglob("*")} == before
    assert not list(temporary.iterdir())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX modes")
def test_a_recording_with_images_is_its_owners(tmp_path: Path, small_rig: CameraRig) -> None:
    for rig in (small_rig, None):
        path = tmp_path / f"{rig is None}.mcap"
        RecordingWriter(path, rig).close()
        mode = path.stat().st_mode & 0o777
        assert mode & 0o077 == 0 if rig is not None else mode & 0o600 == 0o600
