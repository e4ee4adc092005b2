"""Compiled plans kept in a bundle: ``targets/TARGET/plans.json`` and the files it lists.

A plan is native code for one library version and one kind of GPU. It is used only when it was
built from the very graph that the manifest names, by the library that is to run it, for the GPU
at hand, and when its bytes are the listed ones; else it is stale and built again. Files are named
after their content, so that processes that write at once never change a file under an index.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Final

from filelock import FileLock, Timeout

from same_engines.atomic_files import replace_file
from same_engines.bundle.manifest import canonical_sha256
from same_engines.bundle.reader import Bundle, read_inside
from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import BundleError
from same_engines.files.built_here import ALLOW_VARIABLE, note_built, was_built_here
from same_engines.json_values import parse_json

VARIANTS: Final = ("plugin", "standard")
"""``plugin``: the operator as one kernel; ``standard``: the library's own layers only."""
PORTABLE: Final = "portable"
"""``PlanKey.gpu`` of plans that run on every GPU the library supports."""

_FORMAT_VERSION: Final = 1
_FOLDER: Final = "targets"
_INDEX: Final = "plans.json"
_MAX_INDEX_BYTES: Final = 1 << 20
_MAX_PLAN_BYTES: Final = 4 << 30
_MAX_NOTE_BYTES: Final = 64 << 20
_LONGEST_BUILD_S: Final = 3600
_NONE: Final[Mapping[str, bytes]] = {}

_log = logging.getLogger("same")


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
    is_signed: bool = False
    """Whether a trusted key signed this very index."""

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
        raw = read_inside(bundle.path, relative, _MAX_INDEX_BYTES)
        content = parse_json(raw)
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
    signed = bundle.signed_files.get(relative) == hashlib.sha256(raw).hexdigest()
    return Plans(key, plans, signed)


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


def plan_bytes(bundle: Bundle, target: str, plan: PlanSpec, is_signed: bool = False) -> bytes:
    """Read a plan that this user built here or, with ``is_signed``, that a trusted key signed, and
    verify its hash. Raises ``BundleError``: it is never run on trust, and what can build it does
    so again."""
    relative = f"{_FOLDER}/{target}/{plan.path}"
    content = read_inside(bundle.path, relative, _MAX_PLAN_BYTES)
    came = hashlib.sha256(content).hexdigest()
    if came != plan.sha256:
        raise BundleError(
            f"{bundle.path / relative}: SHA-256 is {came[:12]}..., expected "
            f"{plan.sha256[:12]}...: the plan was changed or damaged; {_rebuild(target)}"
        )
    if not is_signed and not was_built_here(came):
        raise BundleError(
            f"{bundle.path / relative}: was not built by this user on this machine, and a plan is "
            f"native code; {_rebuild(target)}, open the bundle with the trusted_keys that signed "
            f"it, or allow plans of others: {ALLOW_VARIABLE}=1"
        )
    return content


def write_plans(
    bundle: Bundle, plans: Plans, contents: Mapping[str, bytes], notes: Mapping[str, bytes] = _NONE
) -> None:
    """Put plan files (by path) and then the index into the bundle; drop files it does not list.

    Plans of other precisions and variants that the bundle has stay listed unless they are stale.
    ``notes``: files for people, by name, which are kept beside them and never read back.

    The index goes last and at once, so that a crash leaves the former plans or stale ones; Ctrl-C
    takes effect afterwards. Raises ``BundleError`` when the bundle cannot be written.
    """
    folder = bundle.path / _FOLDER / plans.key.target
    try:
        with plans_lock(bundle, plans.key.target), held_interrupts():
            folder.mkdir(parents=True, exist_ok=True)
            for path, content in (*contents.items(), *notes.items()):
                replace_file(folder / path, content)
            for content in contents.values():
                note_built(hashlib.sha256(content).hexdigest())
            listed = (*plans.plans, *_others(bundle, plans))
            index = {"format_version": _FORMAT_VERSION, "key": asdict(plans.key)}
            index["plans"] = [asdict(plan) for plan in listed]
            index["plans_sha256"] = canonical_sha256(index)
            replace_file(folder / _INDEX, json.dumps(index, indent=1).encode() + b"\n")
            names = {plan.path for plan in listed} | {_INDEX, *notes}
            for file in folder.iterdir():
                if file.name not in names:
                    file.unlink()
    except OSError as error:
        raise BundleError(f"{folder}: plans cannot be written ({error.strerror})") from None


@contextmanager
def plans_lock(bundle: Bundle, target: str) -> Iterator[None]:
    """Keep other processes and threads from building or writing the target's plans meanwhile.

    A thread may hold it twice. Where the bundle cannot be written nobody can write plans, and
    there is no lock.
    """
    path = bundle.path / _FOLDER / f".{target}.lock"
    try:
        path.parent.mkdir(exist_ok=True)
        lock = FileLock(path, is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("%s: waiting for another process that builds plans of it", bundle.path)
            lock.acquire(timeout=_LONGEST_BUILD_S)
    except Timeout:
        _log.warning("%s: still locked; going on without the lock %s", bundle.path, path)
        lock = None
    except (OSError, NotImplementedError):  # the latter: a file system that knows no locks
        lock = None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _others(bundle: Bundle, plans: Plans) -> list[PlanSpec]:
    """The bundle's plans of precisions and variants that are not in ``plans``, the usable ones."""
    try:
        old = read_plans(bundle, plans.key.target)
    except BundleError:  # what is being replaced need not be good
        return []
    written = {(plan.precision, plan.variant) for plan in plans.plans}
    return [
        plan
        for plan in (() if old is None else old.plans)
        if (plan.precision, plan.variant) not in written
        and plan.precision in bundle.precisions()
        and why_stale(old, bundle, plans.key, plan.precision, plan.variant, plan.stage) is None
    ]


def carry_plans(old: Bundle, new: Bundle) -> tuple[str, ...]:
    """Copy into ``new`` the plans of ``old`` whose graphs are still the same; returns the targets
    of which all were. Damaged plans stay behind. Raises ``BundleError`` when ``new`` cannot be
    written."""
    whole: list[str] = []
    for folder in sorted((old.path / _FOLDER).glob("*/")):
        target = folder.name
        try:
            plans = read_plans(old, target)
            if plans is None:
                continue
            kept = tuple(plan for plan in plans.plans if _has_graph(new, plan))
            contents = {plan.path: plan_bytes(old, target, plan) for plan in kept}
        except BundleError as error:
            _log.warning("plans left behind: %s", error)
            continue
        if kept:
            notes = {
                file.name: read_inside(old.path, f"{_FOLDER}/{target}/{file.name}", _MAX_NOTE_BYTES)
                for file in folder.glob("report.*")
                if len(kept) == len(plans.plans)
            }
            write_plans(new, Plans(plans.key, kept), contents, notes)
        if len(kept) == len(plans.plans):
            whole.append(target)
        else:
            _log.warning("plans of %s left behind: their graphs have changed", target)
    return tuple(whole)


def _has_graph(bundle: Bundle, plan: PlanSpec) -> bool:
    graphs = bundle.manifest.graphs.get(plan.precision, {})
    return plan.stage in graphs and graphs[plan.stage].sha256 == plan.graph_sha256


def _rebuild(target: str) -> str:
    return f"delete the folder {_FOLDER}/{target} or build again: same-export --target {target}"


def plan_path(stage: str, form: str, content: bytes) -> str:
    """File name of a plan. The library builds other bytes each time, so it is after the content:
    what is written under a name never changes."""
    return f"{stage}.{form}.{hashlib.sha256(content).hexdigest()[:16]}.plan"
