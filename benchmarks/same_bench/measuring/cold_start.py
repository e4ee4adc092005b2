"""Cold start and memory of a process that only tracks, measured in one of its own.

``python -m same_bench.measuring.cold_start`` prints one JSON object: it imports nothing but the
runtime and streams the recording, so its memory is the tracker's.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from same_engines.errors import EngineError
from same_engines.processes import module_command

FRAMES: Final = 96
_TIMEOUT_S = 300


def cold_start(
    bundle: Path, recording: Path, backend: str, precision: str, threads: int | None
) -> dict[str, Any]:
    """Milliseconds of import, load (the whole bundle read and verified), engine build, warm-up and
    first pose, MiB of resident memory and number of threads, of a fresh process that tracks
    ``FRAMES`` frames; ``live_threads``: once it was started, to run in the background.

    The operating system's file cache stays as it is. Raises ``EngineError`` if it fails.
    """
    arguments = [str(bundle), str(recording), backend, precision, str(threads or 0)]
    try:
        done = subprocess.run(
            module_command("same_bench.measuring.cold_start", *arguments),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise EngineError(f"cold start: the process failed: {said[-1] if said else ''}") from None
    return json.loads(done.stdout.splitlines()[-1])


def _status(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(field + ":")]
    return int(found[0]) if found else None


def _status_mib(field: str) -> float | None:
    kib = _status(field)
    return None if kib is None else kib / 1024


def _measure(bundle: str, recording: str, backend: str, precision: str, threads: str) -> None:
    started = time.perf_counter()
    from same_engines import Bundle, open_engine
    from same_runtime import SamePoseTracker
    from same_runtime.recording import Recording

    imported = time.perf_counter()
    opened = Bundle.open(bundle)
    opened.verify()
    loaded = time.perf_counter()
    engine = open_engine(opened, backend, precision, int(threads) or None)
    built = time.perf_counter()
    tracker = SamePoseTracker(bundle, Recording(recording).rig, engine)
    warm = time.perf_counter()

    from same_runtime.recording import Recording
    from same_runtime.recording.replay import Replay

    poses = iter(Replay(Recording(recording), tracker))
    first_ms = next(poses).pose.latency_ns / 1e6
    for _, _frame in zip(range(FRAMES - 1), poses, strict=False):
        pass
    found = {
        "import_ms": 1e3 * (imported - started),
        "load_ms": 1e3 * (loaded - imported),
        "build_ms": 1e3 * (built - loaded),
        "warm_up_ms": 1e3 * (warm - built),
        "first_pose_ms": first_ms,
        "rss_mib": _status_mib("VmRSS"),
        "peak_rss_mib": _status_mib("VmHWM"),
        "torch_imported": "torch" in sys.modules,
        "threads": _status("Threads"),
    }
    with tracker:
        tracker.start()
        found["live_threads"] = _status("Threads")
    print(json.dumps(found))


if __name__ == "__main__":
    _measure(*sys.argv[1:])
