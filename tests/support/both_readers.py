"""Bundles read twice, by Python and natively, which must judge alike."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from same_engines import Bundle
from same_engines.bundle.manifest import MANIFEST_NAME, STAGES, canonical_sha256
from same_engines.errors import BundleError
from same_runtime._core import NativeBundle
from same_runtime.estimation.signatures import check_signatures

Verdict = tuple[bool, str]
"""Whether it was accepted, and why not."""


def judged_by_python(folder: Path) -> Verdict:
    """As the tracker and its engine open it."""
    try:
        bundle = Bundle.open(folder)
        check_signatures(bundle)
        bundle.verify()
    except BundleError as error:
        return False, str(error)
    return True, ""


def judged_natively(folder: Path) -> Verdict:
    try:
        NativeBundle(str(folder)).verify()
    except BundleError as error:
        return False, str(error)
    return True, ""


def check_alike(folder: Path) -> bool:
    """Whether both accept the bundle; fails where they differ, or where an error of the native
    reader is not one line that names what it refuses."""
    python, native = judged_by_python(folder), judged_natively(folder)
    assert python[0] == native[0], f"Python: {python}, native: {native}"
    if not native[0]:
        assert native[1].isprintable() and str(folder) in native[1], native[1]
    return native[0]


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """With its hash where Python can make one, as a careful attacker would."""
    content = {name: value for name, value in content.items() if name != "manifest_sha256"}
    try:
        content["manifest_sha256"] = canonical_sha256(content)
    except (ValueError, RecursionError, TypeError):
        content["manifest_sha256"] = "0" * 64
    text = json.dumps(content).encode("utf-8", "surrogatepass")
    (folder / MANIFEST_NAME).write_bytes(text)


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / MANIFEST_NAME).read_bytes())
    change(content)
    write_manifest(folder, content)


def put_graph(folder: Path, precision: str, stage: str, graph: bytes) -> None:
    """``graph`` in the place of that of a stage, with its hash and a wide budget."""
    assert stage in STAGES

    def change(content: dict[str, Any]) -> None:
        spec = content["graphs"][precision][stage]
        (folder / spec["path"]).write_bytes(graph)
        spec["sha256"] = sha256(graph).hexdigest()
        spec["budget"] = {"file_bytes": 76 << 20, "nodes": 1024, "memory_bytes": 150 << 20}

    change_manifest(folder, change)
