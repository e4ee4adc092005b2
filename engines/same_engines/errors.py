"""The one error hierarchy of the SDK, and what its messages say about packages to install.

It lives in the lowest Python layer so that every package above can raise from it;
applications import it as ``same_runtime.SameError``. Each message names the argument or
file, what was expected and what came; raising one never changes any state.
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE: Final = "same-runtime"
WITH_PYTORCH: Final = frozenset({"export", "train", "cluster", "dev"})
"""Extras that bring PyTorch, of which pip's own choice may be gigabytes of CUDA."""


class SameError(Exception):
    """Base of every error that the SDK raises on purpose."""


class InvalidInputError(SameError, ValueError):
    """An argument has the wrong type, shape, dtype, unit or value."""


class TimestampError(InvalidInputError):
    """A timestamp is a duplicate, runs backwards or is plainly in another unit."""


class BundleError(SameError):
    """A bundle is missing, damaged, tampered with or of an unsupported format."""


class CheckpointError(SameError):
    """A checkpoint cannot be read safely or does not fit the requested model."""


class RecordingError(SameError):
    """A recording is missing, damaged or lacks what the operation needs."""


class EngineError(SameError):
    """An inference backend is unavailable or failed."""


class ExportError(SameError):
    """An export did not reach the required parity or could not be written."""


class DataError(SameError):
    """A data set or a source of one is missing, damaged or inconsistent."""


def install_hint(extra: str) -> str:
    """A ``pip install`` line for ``extra`` that works as written.

    It names the folder or file that the package was installed from (PEP 610), since an index may
    not have it; the package's name where it came from an index. ``extra`` may be several with
    commas between; those that bring PyTorch come with the folder's constraints, which name one.
    """
    url, is_editable = _origin()
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(url2pathname(parts.path))
        if path.exists():
            constraints = path / "constraints.txt"
            named = not WITH_PYTORCH.isdisjoint(extra.split(",")) and constraints.is_file()
            options = f"--constraint '{constraints}' " if named else ""
            return f"pip install {options}{'-e ' if is_editable else ''}'{path}[{extra}]'"
    elif url:
        return f"pip install '{PACKAGE}[{extra}] @ {url}'"
    return f"pip install '{PACKAGE}[{extra}]'"


def _origin() -> tuple[str, bool]:
    """Where the package was installed from (empty: an index), and whether as editable."""
    try:
        text = metadata.distribution(PACKAGE).read_text("direct_url.json")
        origin = json.loads(text or "{}")
        prefix = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
        url = prefix + origin.get("url", "")
        return url, bool(origin.get("dir_info", {}).get("editable"))
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return "", False
