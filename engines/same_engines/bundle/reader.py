"""The bundle: what ``same-export`` writes and every engine opens. Data, never code.

A bundle is a folder ``NAME.same/`` with ``manifest.json`` and the stage graphs it lists. The
manifest carries a SHA-256 of every file and of itself; nothing is parsed before its hash is
verified. The hashes find damage and mix-ups; they do not say who wrote a bundle.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np

from same_engines.atomic_files import replace_file
from same_engines.bundle.onnx_guard import refuse_external_data
from same_engines.errors import BundleError

FORMAT_VERSION: Final = 1
MANIFEST_NAME: Final = "manifest.json"
STAGES: Final = ("visual", "inertial", "fusion", "temporal")
PRECISIONS: Final = ("fp32", "fp16")
PROCESSORS: Final = ("npu", "cpu")
STATE_SUFFIX: Final = "_next"
"""An output ``X_next`` is the next frame's input ``X``: state that stays in the engine."""

_DTYPES: Final = ("float32", "float16")
_MAX_MANIFEST_BYTES: Final = 4 << 20
_MAX_GRAPH_BYTES: Final = 2 << 30
_MAX_TENSOR_ELEMENTS: Final = 1 << 28


@dataclass(frozen=True)
class TensorSpec:
    """Name, static shape and dtype of one graph input or output. Names are global to a bundle:
    one name is one tensor, whichever stages write and read it."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def zeros(self) -> np.ndarray:
        """A C-contiguous array of this shape and dtype."""
        return np.zeros(self.shape, self.dtype)


@dataclass(frozen=True)
class GraphSpec:
    """One stage graph: its file, the file's SHA-256 and its inputs and outputs."""

    path: str
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Manifest:
    """Everything a bundle says about itself; serialised as ``manifest.json``."""

    format_version: int
    preset: str
    config: Mapping[str, Any]
    """Every hyper-parameter of the network."""
    joint_names: tuple[str, ...]
    rig: Mapping[str, Any]
    """Default camera rig, as ``CameraRig.to_dict`` gives it."""
    graphs: Mapping[str, Mapping[str, GraphSpec]]
    """Precision -> stage -> graph."""
    checkpoint_sha256: str
    tools: Mapping[str, str]
    parity: Mapping[str, Any]
    """Largest differences to PyTorch found at export."""
    targets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The plan of each target with several processors: target -> stage -> one of
    ``PROCESSORS``. Only bundles that were compiled for such a target have it."""

    def to_json(self) -> bytes:
        """Serialise, with ``manifest_sha256`` over everything else."""
        content = asdict(self)
        if not self.targets:
            del content["targets"]
        content["manifest_sha256"] = canonical_sha256(content)
        return json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Bundle:
    """An opened bundle: a parsed manifest, and graph bytes handed out only once verified."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: str | Path) -> "Bundle":
        """Read and check the manifest in the folder ``path``.

        Raises ``BundleError`` when it is missing, damaged, of another format version, has
        unknown or missing fields, or lists files outside the bundle.
        """
        path = Path(path)
        if not path.is_dir():
            raise BundleError(
                f"bundle: no folder at {path}; make one with: same-export --ckpt model.pt"
            )
        raw = read_inside(path, MANIFEST_NAME, _MAX_MANIFEST_BYTES)
        return cls(path, _parse_manifest(raw, str(path / MANIFEST_NAME)))

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
        """Read a graph file whole, verify its hash, refuse external data, return the bytes.

        Engines load these bytes and never the path, so what was verified is what runs.
        """
        spec = self.graph(precision, stage)
        where = str(self.path / spec.path)
        content = read_inside(self.path, spec.path, _MAX_GRAPH_BYTES)
        came = hashlib.sha256(content).hexdigest()
        if came != spec.sha256:
            raise BundleError(
                f"{where}: SHA-256 is {came[:12]}..., the manifest says {spec.sha256[:12]}...: "
                "the file was changed or damaged; export or download the bundle again"
            )
        refuse_external_data(content, where)
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
    try:
        replace_file(bundle.path / MANIFEST_NAME, manifest.to_json())
    except OSError as error:
        raise BundleError(f"{bundle.path}: cannot be written ({error.strerror})") from None
    bundle.manifest = manifest


def canonical_sha256(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_inside(folder: Path, relative: str, limit: int) -> bytes:
    """Read a regular file that lies in ``folder``; links are refused, size is bounded."""
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or "\\" in relative or not pure.parts:
        raise BundleError(f"bundle {folder}: file name {relative!r} leaves the bundle")
    path = folder
    for part in pure.parts:
        path = path / part
        if path.is_symlink():
            raise BundleError(
                f"{path}: a link; a bundle holds plain files only; if a model hub's cache put it "
                f"there, copy what it links to: cp -rL {folder} COPY.same"
            )
    try:
        if not path.is_file():
            raise BundleError(f"{path}: missing from the bundle; export or download it again")
        if path.stat().st_size > limit:
            raise BundleError(f"{path}: larger than the {limit} bytes allowed")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from None


def _parse_manifest(raw: bytes, where: str) -> Manifest:
    try:
        content = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BundleError(f"{where}: expected a JSON object, got {type(content).__name__}")
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{where}: expected format_version {FORMAT_VERSION}, got {version!r}; export the "
            "bundle again or use the SDK version that wrote it"
        )
    said = content.pop("manifest_sha256", None)
    try:
        actual = canonical_sha256(content)
    except ValueError as error:
        raise BundleError(f"{where}: {error}") from None
    if said != actual:
        raise BundleError(f"{where}: manifest_sha256 does not match: the manifest was changed")
    try:
        return _manifest_from(content, where)
    except (TypeError, AttributeError) as error:
        raise BundleError(f"{where}: a field has the wrong type ({error})") from None


def _exact_fields(content: Any, cls: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise BundleError(f"{where}: expected an object, got {type(content).__name__}")
    names = {item.name for item in fields(cls)}
    needed = {item.name for item in fields(cls) if item.default_factory is MISSING}
    unknown, missing = sorted(content.keys() - names), sorted(needed - content.keys())
    if unknown or missing:
        raise BundleError(f"{where}: unknown fields {unknown}, missing fields {missing}")
    return content


def _manifest_from(content: dict[str, Any], where: str) -> Manifest:
    content = dict(_exact_fields(content, Manifest, where))
    graphs = {}
    for precision, stages in content["graphs"].items():
        if precision not in PRECISIONS or set(stages) != set(STAGES):
            raise BundleError(
                f"{where}: expected precisions of {PRECISIONS} with stages {STAGES}, got "
                f"{precision!r} with {sorted(stages)}"
            )
        graphs[precision] = {
            stage: _graph_from(stages[stage], f"{where}: {precision} {stage}") for stage in STAGES
        }
    if not graphs:
        raise BundleError(f"{where}: lists no graphs")
    content["graphs"] = graphs
    content["joint_names"] = tuple(content["joint_names"])
    for target, plan in content.get("targets", {}).items():
        if set(plan) != set(STAGES) or not set(plan.values()) <= set(PROCESSORS):
            raise BundleError(
                f"{where}: target {target}: expected each of {STAGES} on one of {PROCESSORS}, "
                f"got {plan}"
            )
    return Manifest(**content)


def _graph_from(content: Any, where: str) -> GraphSpec:
    content = dict(_exact_fields(content, GraphSpec, where))
    for key in ("inputs", "outputs"):
        content[key] = tuple(_tensor_from(item, f"{where} {key}") for item in content[key])
    if not isinstance(content["path"], str) or not isinstance(content["sha256"], str):
        raise BundleError(f"{where}: path and sha256 must be strings")
    return GraphSpec(**content)


def _tensor_from(content: Any, where: str) -> TensorSpec:
    content = _exact_fields(content, TensorSpec, where)
    name, shape, dtype = content["name"], content["shape"], content["dtype"]
    if (
        not isinstance(name, str)
        or dtype not in _DTYPES
        or not isinstance(shape, list)
        or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
        or int(np.prod(shape, dtype=object)) > _MAX_TENSOR_ELEMENTS
    ):
        raise BundleError(
            f"{where}: expected a name, a shape of positive integers and a dtype of {_DTYPES}, "
            f"got {content}"
        )
    return TensorSpec(name, tuple(shape), dtype)
