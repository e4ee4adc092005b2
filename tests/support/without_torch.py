"""``same-export`` where PyTorch cannot be imported."""

import subprocess
import sys

_WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ImportError("PyTorch must not be needed for a bundle")

sys.meta_path.insert(0, NoTorch())
from same_export.cli import main
raise SystemExit(main())
"""


def same_export(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """What the command did with ``arguments``; ``before`` is code to run first."""
    return subprocess.run(
        [sys.executable, "-c", before + _WITHOUT_TORCH, *arguments], capture_output=True, text=True
    )
