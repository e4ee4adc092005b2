"""The C++ library built with CMake, as tests of its installed form need it."""

import shutil
import subprocess

import pytest

BUILDS = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in ("cmake", "ninja", "c++")),
        reason="needs cmake, ninja and a C++ compiler",
    ),
]
"""Marks of tests that build it."""


def run_tool(*command: object) -> str:
    """What ``command`` prints. Fails the test with all it said where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
