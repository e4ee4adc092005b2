"""The distributions of the checkout, and an environment of its own to try them in."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Distributions:
    """What ``python -m build`` makes of the checkout."""

    sdist: Path
    wheel: Path


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has nothing but what was installed into it."""

    folder: Path
    work: Path
    """An empty folder outside the checkout to run things in."""

    def run(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in ``work``."""
        programs = self.folder / ("Scripts" if os.name == "nt" else "bin")
        variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        variables["PATH"] = os.pathsep.join([str(programs), variables.get("PATH", "")])
        return subprocess.run(
            [programs / program, *map(str, arguments)],
            cwd=self.work,
            env=variables,
            capture_output=True,
            text=True,
        )
