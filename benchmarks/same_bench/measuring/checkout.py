"""The sources, which benchmarks that compile something need."""

from pathlib import Path

from same_engines.errors import EngineError


def find_checkout() -> Path:
    """The checkout that this package runs from. Raises ``EngineError`` when it was installed
    without one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "CMakeLists.txt").is_file():
        raise EngineError("this needs the sources: run it from a checkout, pip install -e .")
    return root
