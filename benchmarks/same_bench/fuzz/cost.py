"""What reading one file costs: run as a process of its own, which tells its memory and time."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from same_bench.fuzz.attack import make_input, peak_rss_mb, read_one
from same_bench.fuzz.targets import TARGETS
from same_engines.processes import module_command

_WARM_UP = 20


@dataclass(frozen=True)
class Cost:
    """Of one file, once the reader has loaded all code."""

    was_read: bool
    grown_mb: float
    """By how much the process's largest memory grew."""
    seconds: float
    """Processor time."""


def cost_of(target: str, file: Path) -> Cost:
    """What reading ``file`` costs the reader ``target``; a reader that dies raises
    ``CalledProcessError``, one that hangs ``TimeoutExpired``."""
    command = module_command("same_bench.fuzz.cost", target, str(file))
    done = subprocess.run(command, capture_output=True, timeout=300, check=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _measure(name: str, file: Path) -> Cost:
    target = TARGETS[name]()
    with tempfile.TemporaryDirectory(prefix="same-fuzz-") as folder:
        for number in range(_WARM_UP):
            read_one(target, make_input(target, 0, number), Path(folder))
        content = file.read_bytes()
        before_mb, began_s = peak_rss_mb(), time.process_time()
        was_read = read_one(target, content, Path(folder))
        seconds = time.process_time() - began_s
    return Cost(was_read, round(peak_rss_mb() - before_mb, 1), round(seconds, 3))


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(sys.argv[1], Path(sys.argv[2])))))
