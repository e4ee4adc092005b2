"""The manifest of a bundle: what it says about itself, checked field by field."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Final

import numpy as np

from same_engines.bundle.config import BundleConfig
from same_engines.errors import BundleError, InvalidInputError
from same_engines.json_values import parse_strict_json, whole_number

FORMAT_VERSIONS: Final = (1, 2, 3)
"""Of 2 are bundles whose network wants columns of unequal width (``BundleConfig.column_zoom``), of
3 those that want such rows (``row_zoom``): readers of less do not know of it and would show even
ones."""
MANIFEST_NAME: Final = "manifest.json"
STAGES: Final = ("visual", "inertial", "fusion", "temporal")
PRECISIONS: Final = ("fp32", "fp16", "int8")
"""``int8``: for CPUs, an 8-bit ``visual`` beside the float32 graphs of the other stages."""
BF16: Final = "bf16"
"""Precision that needs no graphs of its own: float32 graphs, of which a processor computes the
visual stage in bfloat16 where that is exact enough."""
PROCESSORS: Final = ("npu", "cpu")
STATE_SUFFIX: Final = "_next"
"""An output ``X_next`` is the next frame's input ``X``: state that stays in the engine."""

MOST_FILE_BYTES: Final = 192 << 20
MOST_NODES: Final = 1024
MOST_MEMORY_BYTES: Final = 192 << 20
"""What the four graphs of a precision may take together, each of them fewer nodes than this: more
than the largest preset's, which take 160 MiB of files and 155 MiB of memory, and 448 nodes."""
_WEIGHT_COPIES: Final = 3
_MOST_TO_OPEN: Final = 420 << 20
"""What one graph may take while a library opens it, which holds the weights about three times: as
read, as parsed and as it computes with them. The largest preset's takes 396 MiB."""

_DTYPES: Final = ("float32", "float16")
_MAX_TENSOR_ELEMENTS: Final = 1 << 26
_MAX_DIMENSIONS: Final = 8
_MOST_STEPS: Final = 1 << 40
_KINDS: Final = {
    "preset": str,
    "joint_names": list,
    "rig": dict,
    "checkpoint_sha256": str,
    "tools": dict,
    "parity": dict,
}


def graphs_of(precision: str) -> str:
    """Which of a bundle's graphs an engine of ``precision`` runs."""
    return PRECISIONS[0] if precision == BF16 else precision


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
class GraphBudget:
    """What a graph takes at most; one that takes more is refused. The defaults hold for bundles
    that say nothing of it, those of earlier versions. Raises ``InvalidInputError``."""

    file_bytes: int = 32 << 20
    nodes: int = 1024
    memory_bytes: int = 48 << 20
    """Of its tensors but the weights, at any moment of a run."""

    def __post_init__(self) -> None:
        for name, highest in (
            ("file_bytes", MOST_FILE_BYTES),
            ("nodes", MOST_NODES),
            ("memory_bytes", MOST_MEMORY_BYTES),
        ):
            number = whole_number(f"budget.{name}", getattr(self, name), 1, highest)
            object.__setattr__(self, name, number)
        total = _WEIGHT_COPIES * self.file_bytes + self.memory_bytes
        if total > _MOST_TO_OPEN:
            raise InvalidInputError(
                f"budget: expected {_WEIGHT_COPIES} times file_bytes and memory_bytes together to "
                f"be at most {_MOST_TO_OPEN}, got {total}"
            )


@dataclass(frozen=True)
class GraphSpec:
    """One stage graph: its file, the file's SHA-256, its inputs and outputs, what it takes."""

    path: str
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    budget: GraphBudget = GraphBudget()


@dataclass(frozen=True)
class Manifest:
    """Everything a bundle says about itself; serialised as ``manifest.json``."""

    format_version: int
    preset: str
    config: BundleConfig
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
    trained_steps: Mapping[str, int | None] = field(default_factory=dict)
    """Stage -> optimiser steps it was trained for, 0 where never, None where nobody counted.
    Empty in bundles from before."""

    def to_json(self) -> bytes:
        """Serialise, with ``manifest_sha256`` over everything else."""
        content = asdict(self)
        content["config"] = dict(self.config.network)
        for name in ("targets", "trained_steps"):
            if not content[name]:
                del content[name]
        content["manifest_sha256"] = canonical_sha256(content)
        return json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"


def canonical_sha256(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object whatever its spelling, lower-case hex."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """Check and read ``manifest.json``; ``where`` names it. Raises ``BundleError`` when it is
    damaged, of another format version, or has unknown, missing or wrong fields."""
    try:
        content = parse_strict_json(raw)
    except InvalidInputError as error:
        raise BundleError(f"{where}: {error}") from None
    except ValueError as error:
        raise BundleError(f"{where}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise BundleError(f"{where}: expected a JSON object, got {type(content).__name__}")
    version = content.get("format_version")
    if version not in FORMAT_VERSIONS or isinstance(version, bool):
        raise BundleError(
            f"{where}: expected format_version 1 to 3, got {version!r}; export the "
            "bundle again or use the SDK version that wrote it"
        )
    said = content.pop("manifest_sha256", None)
    if said != canonical_sha256(content):
        raise BundleError(f"{where}: manifest_sha256 does not match: the manifest was changed")
    try:
        return _manifest_from(content, where)
    except (TypeError, AttributeError) as error:
        raise BundleError(f"{where}: a field has the wrong type ({error})") from None
    except InvalidInputError as error:
        raise BundleError(f"{where}: {error}") from None


def _exact_fields(content: Any, cls: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise BundleError(f"{where}: expected an object, got {type(content).__name__}")
    names = {item.name for item in fields(cls)}
    needed = {item.name for item in fields(cls) if item.default is item.default_factory is MISSING}
    unknown, missing = sorted(content.keys() - names), sorted(needed - content.keys())
    if unknown or missing:
        raise BundleError(f"{where}: unknown fields {unknown}, missing fields {missing}")
    return content


def _manifest_from(content: dict[str, Any], where: str) -> Manifest:
    content = dict(_exact_fields(content, Manifest, where))
    for name, kind in _KINDS.items():
        if not isinstance(content[name], kind):
            raise BundleError(
                f"{where}: {name}: expected {kind.__name__}, got {type(content[name]).__name__}"
            )
    if not all(isinstance(version, str) for version in content["tools"].values()):
        raise BundleError(f"{where}: tools: expected text for each")
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
        _check_together([graph.budget for graph in graphs[precision].values()], where)
    if not graphs:
        raise BundleError(f"{where}: lists no graphs")
    content["graphs"] = graphs
    content["config"] = BundleConfig.from_dict(content["config"])
    content["joint_names"] = tuple(content["joint_names"])
    for target, plan in content.get("targets", {}).items():
        if set(plan) != set(STAGES) or not set(plan.values()) <= set(PROCESSORS):
            raise BundleError(
                f"{where}: target {target}: expected each of {STAGES} on one of {PROCESSORS}, "
                f"got {plan}"
            )
    if content.get("trained_steps", {}) != {}:
        content["trained_steps"] = checked_trained_steps(where, content["trained_steps"])
    return Manifest(**content)


def checked_trained_steps(where: str, value: object) -> dict[str, int | None]:
    """Stage -> steps it was trained for, or None. Raises ``InvalidInputError``."""
    if not isinstance(value, dict) or set(value) != set(STAGES):
        raise InvalidInputError(f"{where}: trained_steps: expected each of {STAGES}, got {value}")
    name = f"{where}: trained_steps"
    return {
        stage: None if steps is None else whole_number(name, steps, 0, _MOST_STEPS)
        for stage, steps in value.items()
    }


def say_trained_steps(trained_steps: Mapping[str, int | None]) -> str:
    """``trained_steps`` in words, such as "visual 10000 steps, inertial not trained"."""
    if all(steps is None for steps in trained_steps.values()):
        return "for how long is not recorded"
    said = {None: "not recorded", 0: "not trained"}
    return ", ".join(
        f"{stage} {said.get(steps, f'{steps} steps')}" for stage, steps in trained_steps.items()
    )


def _graph_from(content: Any, where: str) -> GraphSpec:
    content = dict(_exact_fields(content, GraphSpec, where))
    for key in ("inputs", "outputs"):
        content[key] = tuple(_tensor_from(item, f"{where} {key}") for item in content[key])
    if not isinstance(content["path"], str) or not isinstance(content["sha256"], str):
        raise BundleError(f"{where}: path and sha256 must be strings")
    budget = _exact_fields(content.get("budget", {}), GraphBudget, f"{where} budget")
    content["budget"] = GraphBudget(**budget)
    return GraphSpec(**content)


def _check_together(budgets: Sequence[GraphBudget], where: str) -> None:
    for name, highest in (("file_bytes", MOST_FILE_BYTES), ("memory_bytes", MOST_MEMORY_BYTES)):
        total = sum(getattr(budget, name) for budget in budgets)
        if total > highest:
            raise BundleError(
                f"{where}: its graphs take {total} {name} together, {highest} are allowed"
            )


def _tensor_from(content: Any, where: str) -> TensorSpec:
    content = _exact_fields(content, TensorSpec, where)
    name, shape, dtype = content["name"], content["shape"], content["dtype"]
    if (
        not isinstance(name, str)
        or dtype not in _DTYPES
        or not isinstance(shape, list)
        or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in shape)
        or len(shape) > _MAX_DIMENSIONS
        or math.prod(shape) > _MAX_TENSOR_ELEMENTS
    ):
        raise BundleError(
            f"{where}: expected a name, a shape of positive integers and a dtype of {_DTYPES}, "
            f"got {content}"
        )
    return TensorSpec(name, tuple(shape), dtype)
