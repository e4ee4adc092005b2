"""Compiled plans kept in a bundle: ``targets/TARGET/plans.json`` and the files it lists.

A plan is native code for one library version and one kind of GPU. It is used only when it was
built from the very graph that the manifest names, by the library that is to run it, for the GPU
at hand; else it is stale and built again. A plan whose bytes are not the listed ones is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final

from same_engines.atomic_files import replace_file
from same_engines.bundle.reader import Bundle, canonical_sha256, read_inside
from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import BundleError

VARIANTS: Final = ("plugin", "standard")
"""``plugin``: the operator as one kernel; ``standard``: the library's own layers only."""
PORTABLE: Final = "portable"
"""``PlanKey.gpu`` of plans that run on every GPU the library supports."""

_FORMAT_VERSION: Final = 1
_FOLDER: Final = "targets"
_INDEX: Final = "plans.json"
_MAX_INDEX_BYTES: Final = 1 << 20
_MAX_PLAN_BYTES: Final = 4 << 30
_NONE: Final[Mapping[str, bytes]] = {}


@dataclass(frozen=True)
class PlanKey:
    """What a plan was built for, besides its graph."""

    target: str
    library_version: str
    gpu: str
    """Name and architecture, or ``PORTABLE``."""


@dataclass(frozen=True)
class PlanSpec:
    """One plan file. Plans of the same graph may share a file."""

    precision: str
    variant: str
    stage: str
    graph_sha256: str
    plugin_layers: int
    path: str
    sha256: str


@dataclass(frozen=True)
class Plans:
    """A target's index."""

    key: PlanKey
    plans: tuple[PlanSpec, ...]

    def find(self, precision: str, variant: str, stage: str) -> PlanSpec | None:
        """The plan of a stage, if there is one."""
        for plan in self.plans:
            if (plan.precision, plan.variant, plan.stage) == (precision, variant, stage):
                return plan
        return None


def read_plans(bundle: Bundle, target: str) -> Plans | None:
    """Read a target's index; None where the bundle has none.

    Raises ``BundleError`` when it is damaged or changed.
    """
    relative = f"{_FOLDER}/{target}/{_INDEX}"
    if not (bundle.path / relative).exists():
        return None
    where = str(bundle.path / relative)
    try:
        content = json.loads(read_inside(bundle.path, relative, _MAX_INDEX_BYTES))
        said = content.pop("plans_sha256")
        if content["format_version"] != _FORMAT_VERSION or said != canonical_sha256(content):
            raise BundleError(
                f"{where}: of another format or changed since it was written; {_rebuild(target)}"
            )
        key = PlanKey(**content["key"])
        plans = tuple(PlanSpec(**plan) for plan in content["plans"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BundleError(f"{where}: damaged ({error}); {_rebuild(target)}") from None
    if key.target != target or not all(
        isinstance(getattr(plan, field.name), field.type)  # type: ignore[arg-type]
        for plan in plans
        for field in fields(plan)
    ):
        raise BundleError(f"{where}: a field is not what was expected; {_rebuild(target)}")
    return Plans(key, plans)


def why_stale(
    plans: Plans | None, bundle: Bundle, key: PlanKey, precision: str, variant: str, stage: str
) -> str | None:
    """None when the bundle has a usable plan of the stage, else what is wrong with it."""
    if plans is None:
        return "the bundle has no plans"
    if plans.key != key:
        for field in fields(key):
            built, wanted = getattr(plans.key, field.name), getattr(key, field.name)
            if built != wanted:
                return f"built for {field.name.replace('_', ' ')} {built}, here it is {wanted}"
    plan = plans.find(precision, variant, stage)
    if plan is None:
        return f"no {precision} {variant} plan of {stage}"
    if plan.graph_sha256 != bundle.graph(precision, stage).sha256:
        return f"the graph of {stage} has changed"
    return None


def plan_bytes(bundle: Bundle, target: str, plan: PlanSpec) -> bytes:
    """Read a plan and verify its hash. Raises ``BundleError``: it is never run on trust."""
    relative = f"{_FOLDER}/{target}/{plan.path}"
    content = read_inside(bundle.path, relative, _MAX_PLAN_BYTES)
    came = hashlib.sha256(content).hexdigest()
    if came != plan.sha256:
        raise BundleError(
            f"{bundle.path / relative}: SHA-256 is {came[:12]}..., expected "
            f"{plan.sha256[:12]}...: the plan was changed or damaged; {_rebuild(target)}"
        )
    return content


def write_plans(
    bundle: Bundle, plans: Plans, contents: Mapping[str, bytes], notes: Mapping[str, bytes] = _NONE
) -> None:
    """Put plan files (by path) and then the index into the bundle; drop files it does not list.

    ``notes``: files for people, by name, which are kept beside them and never read back.

    The index goes last and at once, so that a crash leaves the former plans or stale ones; Ctrl-C
    takes effect afterwards. Raises ``BundleError`` when the bundle cannot be written.
    """
    folder = bundle.path / _FOLDER / plans.key.target
    index = {"format_version": _FORMAT_VERSION, "key": asdict(plans.key)}
    index["plans"] = [asdict(plan) for plan in plans.plans]
    index["plans_sha256"] = canonical_sha256(index)
    try:
        with held_interrupts():
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in (*contents.items(), *notes.items()):
                replace_file(folder / path, content)
            replace_file(folder / _INDEX, json.dumps(index, indent=1).encode() + b"\n")
            listed = {plan.path for plan in plans.plans} | {_INDEX, *notes}
            for file in folder.iterdir():
                if file.name not in listed:
                    file.unlink()
    except OSError as error:
        raise BundleError(f"{folder}: plans cannot be written ({error.strerror})") from None


def _rebuild(target: str) -> str:
    return f"delete the folder {_FOLDER}/{target} or build again: same-export --target {target}"


def plan_path(stage: str, graph_sha256: str, form: str) -> str:
    """File name of a plan: what decides its content, so equal plans share one file."""
    return f"{stage}.{graph_sha256[:12]}.{form}.plan"
