"""The visual stage in 8 bits for CPUs."""

from typing import Final

INT8_TARGET: Final = "cpu-int8"
"""What ``same-export --target`` calls it."""
