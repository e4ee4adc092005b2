"""The bundle: what ``same-export`` writes and every engine opens. Data, never code.

A bundle is a folder ``NAME.same/`` with ``manifest.json`` and the stage graphs it lists. The
manifest carries a SHA-256 of every file and of itself; nothing is parsed before its hash is
verified. The hashes find damage and mix-ups; they do not say who wrote a bundle.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from same_engines.atomic_files import replace_file, told_disk
from same_engines.bundle.manifest import MANIFEST_NAME, GraphSpec, Manifest, parse_manifest
from same_engines.bundle.onnx_guard import check_graph
from same_engines.errors import BundleError, InvalidInputError
from same_engines.files.regular_files import read_regular
from same_engines.json_values import shown

_MAX_MANIFEST_BYTES: Final = 4 << 20
_MAX_NAME: Final = 255


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Bundle:
    """An opened bundle: a parsed manifest, and graph bytes handed out only once verified."""

    def __init__(self, path: Path, manifest: Manifest, manifest_file_sha256: str = "") -> None:
        self.path = path
        self.manifest = manifest
        self.manifest_file_sha256 = manifest_file_sha256
        """Of the very bytes that ``manifest`` was read from."""
        self.signed_files: Mapping[str, str] = {}
        """Files that a trusted key signed: path -> SHA-256; empty when no signature was asked
        for."""

    @classmethod
    def open(cls, path: str | Path) -> "Bundle":
        """Read and check the manifest in the folder ``path``.

        Raises ``BundleError`` when it is missing, damaged, of another format version, has
        unknown or missing fields, or lists files outside the bundle.
        """
        if not isinstance(path, str | os.PathLike):
            raise InvalidInputError(f"bundle: expected a folder, got {shown(path)}")
        path = Path(path)
        if not path.is_dir():
            raise BundleError(
                f"bundle: no folder at {path}; make one with: same-export --ckpt model.pt"
            )
        raw = read_inside(path, MANIFEST_NAME, _MAX_MANIFEST_BYTES)
        manifest = parse_manifest(raw, str(path / MANIFEST_NAME))
        return cls(path, manifest, hashlib.sha256(raw).hexdigest())

    def precisions(self) -> tuple[str, ...]:
        """The precisions this bundle has graphs for."""
        return tuple(self.manifest.graphs)

    def graph(self, precision: str, stage: str) -> GraphSpec:
        """The graph of one stage; ``BundleError`` if the bundle has none."""
        try:
            return self.manifest.graphs[precision][stage]
        except KeyError:
            raise BundleError(
                f"bundle {self.path}: no {precision} graph for stage {stage!r}; it has "
                f"{', '.join(self.precisions())}"
            ) from None

    def graph_bytes(self, precision: str, stage: str) -> bytes:
        """Read a graph file whole, verify its hash, check what it consists of, return the
        bytes.

        Engines load these bytes and never the path, so what was verified is what runs.
        """
        spec = self.graph(precision, stage)
        where = str(self.path / spec.path)
        content = read_inside(self.path, spec.path, spec.budget.file_bytes)
        came = hashlib.sha256(content).hexdigest()
        if came != spec.sha256:
            raise BundleError(
                f"{where}: SHA-256 is {came[:12]}..., the manifest says {spec.sha256[:12]}...: "
                "the file was changed or damaged; export or download the bundle again"
            )
        check_graph(content, spec, where)
        return content

    def verify(self) -> None:
        """Check every graph file of the bundle; ``BundleError`` at the first bad one."""
        for precision, stages in self.manifest.graphs.items():
            for stage in stages:
                self.graph_bytes(precision, stage)


def write_manifest(bundle: Bundle, manifest: Manifest) -> None:
    """Put ``manifest`` in the place of the bundle's, all at once.

    Raises ``BundleError`` when the bundle cannot be written; the old one is still there then.
    """
    with told_disk(BundleError, bundle.path):
        replace_file(bundle.path / MANIFEST_NAME, manifest.to_json())
    bundle.manifest = manifest


def read_inside(folder: Path, relative: str, limit: int) -> bytes:
    """Read a regular file that lies in ``folder``; links are refused, size is bounded."""
    pure = PurePosixPath(relative)
    odd = any(character in relative for character in "\\:\0") or len(relative) > _MAX_NAME
    if pure.is_absolute() or ".." in pure.parts or odd or not pure.parts:
        raise BundleError(f"bundle {folder}: file name {relative!r} leaves the bundle"[:_MAX_NAME])
    path = folder
    for part in pure.parts:
        path = path / part
        if path.is_symlink():
            raise BundleError(
                f"{path}: a link; a bundle holds plain files only; if a model hub's cache put it "
                f"there, copy what it links to: cp -rL {folder} COPY.same"
            )
    try:
        return read_regular(path, limit, no_link=True)
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{path}: missing from the bundle; export or download it again") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None
