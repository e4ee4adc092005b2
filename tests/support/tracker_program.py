"""A program of its own that opens a tracker, for what ends with a process."""

import subprocess
import sys
import textwrap
from pathlib import Path


def run_program(bundle: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run ``body``, which finds the path of ``bundle`` in ``sys.argv[1]``."""
    program = "from same_runtime import *\nimport os, sys, threading, time\n"
    return subprocess.run(
        [sys.executable, "-c", program + textwrap.dedent(body), str(bundle)],
        capture_output=True,
        text=True,
        timeout=60,
    )
