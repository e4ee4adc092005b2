"""Write a bundle: export every stage, check parity, and only then put it under its name."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from same_engines.atomic_files import remove_partials_of, told_disk, whole_folder
from same_engines.bundle.config import BundleConfig
from same_engines.bundle.manifest import MANIFEST_NAME, STAGES, GraphSpec, Manifest
from same_engines.bundle.onnx_guard import graph_needs
from same_engines.bundle.plans import carry_plans
from same_engines.bundle.reader import Bundle, write_manifest
from same_engines.errors import BundleError, ExportError
from same_export.int8_graphs import carry_int8
from same_export.option_checks import check_bundle_place
from same_export.parity import Parity, check_parity
from same_export.stages import export_stage, for_precision
from same_model.config import ModelConfig
from same_model.same_network import SameModel
from same_runtime.camera import CameraRig
from same_runtime.conventions import JOINT_NAMES

_TOOLS = ("same-runtime", "torch", "onnx", "onnxscript", "onnxruntime")
_SHARED_STAGES = ("inertial", "temporal")
"""Stages that compute in float32 in every precision: one file serves all."""


def write_bundle(
    model: SameModel,
    checkpoint_sha256: str,
    rig: CameraRig,
    out: Path,
    precisions: Sequence[str] = ("fp32", "fp16"),
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, Parity]:
    """Export ``model`` as the bundle folder ``out`` and return the parity of each precision.

    ``rig``: default cameras of the bundle. ``progress`` receives the name of each step before it
    runs (see ``count_steps``). An existing bundle at ``out`` is replaced once the new one is
    complete, and what was made from unchanged graphs is kept, its compiled plans and 8-bit graphs;
    anything else there is refused.
    Raises ``ExportError`` when a graph cannot be exported, differs from PyTorch by more than the
    tolerance, or cannot be written; nothing is left behind then.
    """
    if model.config.fusion_kind != "same":
        raise ExportError(
            f"fusion_kind {model.config.fusion_kind} is a baseline to compare with, and no bundle "
            "can hold it; evaluate its checkpoint with same-eval"
        )
    check_bundle_place(out)
    remove_partials_of(out)
    with told_disk(ExportError, out), whole_folder(out) as work:
        parity = _fill(model, checkpoint_sha256, rig, work, precisions, progress)
        if out.exists():
            _carry_targets(out, work)
    return parity


def _format_version(config: ModelConfig) -> int:
    if config.row_zoom != 1.0:
        return 3
    return 1 if config.column_zoom == 1.0 else 2


def count_steps(precisions: Sequence[str]) -> int:
    """How many times ``write_bundle`` reports progress."""
    return len(STAGES) * len(precisions) + len(precisions)


def _fill(
    model: SameModel,
    checkpoint_sha256: str,
    rig: CameraRig,
    work: Path,
    precisions: Sequence[str],
    progress: Callable[[str], None],
) -> dict[str, Parity]:
    """Make the empty folder ``work`` a bundle and check it against PyTorch."""
    graphs = _write_graphs(model, work, precisions, progress)
    manifest = Manifest(
        format_version=_format_version(model.config),
        preset=model.config.preset,
        config=BundleConfig.from_dict(model.config.to_dict()),
        joint_names=JOINT_NAMES,
        rig=rig.to_dict(),
        graphs=graphs,
        checkpoint_sha256=checkpoint_sha256,
        tools={"python": platform.python_version(), **{tool: version(tool) for tool in _TOOLS}},
        parity={},
        trained_steps=model.trained_steps,
    )
    (work / MANIFEST_NAME).write_bytes(manifest.to_json())
    parity = {}
    for precision in precisions:
        progress(f"parity {precision}")
        parity[precision] = check_parity(Bundle.open(work), model, rig, precision)
    said = {name: result.to_dict() for name, result in parity.items()}
    (work / MANIFEST_NAME).write_bytes(replace(manifest, parity=said).to_json())
    Bundle.open(work).verify()
    return parity


def _carry_targets(old: Path, work: Path) -> None:
    """Keep what the old bundle has that was made from graphs that came out the same: its 8-bit
    graphs and compiled plans."""
    try:
        former, bundle = Bundle.open(old), Bundle.open(work)
    except BundleError:  # what is being replaced need not be good
        return
    carry_int8(former, bundle)
    whole = carry_plans(former, bundle)
    placed = {target: plan for target, plan in former.manifest.targets.items() if target in whole}
    if placed:
        write_manifest(bundle, replace(bundle.manifest, targets=placed))


def _write_graphs(
    model: SameModel, work: Path, precisions: Sequence[str], progress: Callable[[str], None]
) -> dict[str, dict[str, GraphSpec]]:
    graphs: dict[str, dict[str, GraphSpec]] = {}
    for precision in precisions:
        converted = for_precision(model, precision)
        graphs[precision] = {}
        for stage in STAGES:
            progress(f"export {precision} {stage}")
            first = graphs[precisions[0]].get(stage)
            if stage in _SHARED_STAGES and first is not None:
                graphs[precision][stage] = first
                continue
            graph = export_stage(converted, stage)
            name = f"{stage}.onnx" if precision == "fp32" else f"{stage}.{precision}.onnx"
            if stage in _SHARED_STAGES:
                name = f"{stage}.onnx"
            (work / name).write_bytes(graph.content)
            digest = sha256(graph.content).hexdigest()
            needs = graph_needs(graph.content, name)
            graphs[precision][stage] = GraphSpec(name, digest, graph.inputs, graph.outputs, needs)
    return graphs
