"""same-train on the tiny network, with trouble ordered in advance; test_trouble.py starts it.

Trouble: ``none``; ``killed:N``, a SIGKILL in the middle of the Nth state's bytes; ``ctrl-c:N``,
Ctrl-C in the middle of step N; ``file-limit:BYTES``, no file may grow beyond (the kernel refuses
the write, as a full disk does).
"""

import os
import resource
import signal
import sys
from pathlib import Path

from tiny_model import TINY

from same_model.training import prepare
from same_model.training.config import TrainConfig
from same_model.training.run import train
from same_model.training.stages.inertial import InertialTraining
from same_runtime.cli.command import run_command

trouble, arguments = sys.argv[1], sys.argv[2:]
prepare.PRESETS = {"tiny": TINY}
if trouble.startswith("killed:"):
    left = int(trouble.partition(":")[2])
    write_bytes = Path.write_bytes

    def killed_halfway(path, content):
        global left
        left -= path.name.startswith(".state.pt.")
        if left == 0:
            write_bytes(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write_bytes(path, content)

    Path.write_bytes = killed_halfway
if trouble.startswith("ctrl-c:"):
    # A shell starts what it puts in the background with Ctrl-C ignored, and so are its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    make_batch = InertialTraining.make_batch
    batches: list[int] = []

    def interrupted_batch(stage, rng):
        batches.append(1)
        if len(batches) == int(trouble.partition(":")[2]):
            signal.raise_signal(signal.SIGINT)
        return make_batch(stage, rng)

    InertialTraining.make_batch = interrupted_batch
if trouble.startswith("file-limit:"):
    limit = int(trouble.partition(":")[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(run_command("same-train", TrainConfig, train, arguments))
