"""The files of a report: all of them are written before the first takes its name."""

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from same_engines.atomic_files import told_disk, whole_file
from same_engines.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def json_text(content: Mapping[str, Any]) -> str:
    """``content`` as JSON. Raises ``ValueError`` for a number that JSON does not have."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def png_bytes(figure: "Figure", dpi: int) -> bytes:
    """``figure`` as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, dpi=dpi, format="png")
    return file.getvalue()


def write_report_files(out: Path, files: Mapping[str, str | bytes]) -> None:
    """Write ``files``, by name, into the folder ``out``, which is made.

    Each appears whole, and none of an earlier report is replaced before all are written. Raises
    ``DataError`` when the disk refuses one.
    """
    with told_disk(DataError, f"--out {out}"), contextlib.ExitStack() as commits:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial = commits.enter_context(whole_file(out / name))
            partial.write_bytes(content.encode() if isinstance(content, str) else content)
