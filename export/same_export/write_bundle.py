"""Write a bundle: export every stage, check parity, and only then put it under its name."""

import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from same_engines.bundle.reader import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    STAGES,
    Bundle,
    GraphSpec,
    Manifest,
)
from same_engines.errors import ExportError
from same_export.parity import Parity, check_parity
from same_export.stages import export_stage, for_precision
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

    ``rig``: default cameras of the bundle. ``progress`` hears the name of each step before it
    runs (see ``count_steps``). An existing bundle at ``out`` is replaced; anything else there is
    refused. Raises ``ExportError`` when a graph cannot be exported, differs from PyTorch by
    more than the tolerance, or cannot be written; nothing is left behind then.
    """
    if model.config.fusion_kind != "same":
        raise ExportError(
            f"fusion_kind {model.config.fusion_kind} is a baseline to compare with, and no bundle "
            "can hold it; evaluate its checkpoint with same-eval"
        )
    if out.exists() and not (out / MANIFEST_NAME).is_file():
        raise ExportError(f"{out}: exists and is not a bundle; choose another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        graphs = _write_graphs(model, work, precisions, progress)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            preset=model.config.preset,
            config=model.config.to_dict(),
            joint_names=JOINT_NAMES,
            rig=rig.to_dict(),
            graphs=graphs,
            checkpoint_sha256=checkpoint_sha256,
            tools={"python": platform.python_version(), **{tool: version(tool) for tool in _TOOLS}},
            parity={},
        )
        (work / MANIFEST_NAME).write_bytes(manifest.to_json())
        parity = {}
        for precision in precisions:
            progress(f"parity {precision}")
            parity[precision] = check_parity(Bundle.open(work), model, rig, precision)
        checked = Manifest(
            **{
                **vars(manifest),
                "parity": {name: result.to_dict() for name, result in parity.items()},
            }
        )
        (work / MANIFEST_NAME).write_bytes(checked.to_json())
        Bundle.open(work).verify()
        if out.exists():
            shutil.rmtree(out)
        work.chmod(0o755)
        work.rename(out)
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return parity


def count_steps(precisions: Sequence[str]) -> int:
    """How many times ``write_bundle`` reports progress."""
    return len(STAGES) * len(precisions) + len(precisions)


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
            graphs[precision][stage] = GraphSpec(name, digest, graph.inputs, graph.outputs)
    return graphs
