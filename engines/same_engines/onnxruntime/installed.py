"""Which distribution of ONNX Runtime is installed, and whether several lie over each other.

Each of them owns the package ``onnxruntime``, and pip does not know that they exclude each other:
installed together, the files of the last one are used, and uninstalling one breaks the other.
"""

import logging
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

DISTRIBUTIONS: Final = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-training",
    "ort-nightly",
    "ort-nightly-gpu",
)
"""Those that own the package ``onnxruntime``; ``onnxruntime-qnn`` has a package of its own."""
CUDA_INSTALL: Final = (
    "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu>=1.20'"
)

_log = logging.getLogger("same")


def installed_distributions() -> tuple[str, ...]:
    """Name and version of every installed distribution that owns ``onnxruntime``."""
    found = []
    for name in DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def describe_shadowing() -> str | None:
    """One line on distributions that lie over each other and how to mend it; None if none do."""
    found = installed_distributions()
    if len(found) < 2:
        return None
    names = " ".join(item.partition(" ")[0] for item in found)
    return (
        f"onnxruntime: {' and '.join(found)} are installed over each other, and which one runs is "
        f"chance; keep one: pip uninstall -y {names} && pip install onnxruntime (CPU) or "
        "onnxruntime-gpu (CPU and CUDA)"
    )


@cache
def warn_of_shadowing() -> None:
    """Log that line, once in a process."""
    said = describe_shadowing()
    if said is not None:
        _log.warning("%s", said)
