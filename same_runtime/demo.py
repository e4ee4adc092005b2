"""The bundle and the recording that ship with the package."""

from importlib import resources
from pathlib import Path

_FOLDER = resources.files("same_runtime") / "demo_data"


def demo_bundle() -> Path:
    """Folder of the shipped ``lite`` bundle."""
    return Path(str(_FOLDER / "lite.same"))


def demo_recording() -> Path:
    """The shipped recording: real motion capture, simulated sensors, rendered images."""
    return Path(str(_FOLDER / "demo.mcap"))
