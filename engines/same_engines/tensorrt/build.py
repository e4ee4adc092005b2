"""Build TensorRT and TensorRT-RTX plans from a bundle's graphs and keep them in the bundle."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from same_engines.bundle.manifest import STAGES
from same_engines.bundle.plans import (
    PORTABLE,
    PlanKey,
    Plans,
    PlanSpec,
    plan_path,
)
from same_engines.bundle.reader import Bundle
from same_engines.deferred_sigint import held_interrupts
from same_engines.errors import EngineError
from same_engines.gpu.cuda_device import find_driver
from same_engines.tensorrt.library import TensorRt, load_tensorrt
from same_engines.tensorrt.plugin import NAME, NAMESPACE, VERSION, plugin_registered
from same_engines.tensorrt.progress import Share, make_monitor

Progress = Callable[[str, float], None]
"""Receives the name of the plan being built and how many of ``count_plans`` are done, with a
fraction."""


@dataclass(frozen=True)
class BuiltStage:
    """A serialised plan and how many plugin layers its network had."""

    content: bytes
    plugin_layers: int


def build_stage(
    tensorrt: TensorRt,
    graph: bytes,
    where: str,
    variant: str,
    progress: Share = lambda share: None,
) -> BuiltStage:
    """Compile one verified graph. ``where`` names it in errors.

    The precision is the graph's own: networks are strongly typed. Ctrl-C stops the library at its
    next step. Raises ``EngineError``, in particular when the network has plugin layers where the
    variant allows none.
    """
    with held_interrupts() as interrupted:
        monitor = make_monitor(tensorrt.module, progress, interrupted)
        if variant == "plugin":
            with plugin_registered(tensorrt.module) as keep_clones:
                built = _build(tensorrt, graph, where, monitor)
                if built is None:
                    keep_clones()
        else:
            _refuse_loaded_plugin(tensorrt, where)
            built = _build(tensorrt, graph, where, monitor)
    if monitor.raised is not None:
        raise monitor.raised
    if built is None:
        raise EngineError(
            f"{where}: {tensorrt.target} {tensorrt.version} cannot build it: "
            f"{tensorrt.last_error()}"
        )
    return built


def _refuse_loaded_plugin(tensorrt: TensorRt, where: str) -> None:
    if tensorrt.module.get_plugin_registry().get_creator(NAME, VERSION, NAMESPACE) is not None:
        raise EngineError(
            f"{where}: a {NAME} plugin is loaded in this process, so a plan without it cannot be "
            "built; build it in a process that does not load the plugin"
        )


def _build(tensorrt: TensorRt, graph: bytes, where: str, monitor: Any) -> BuiltStage | None:
    trt = tensorrt.module
    tensorrt.errors.clear()
    builder = trt.Builder(tensorrt.logger)
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, tensorrt.logger)
    if not parser.parse(graph):
        reasons = " | ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise EngineError(f"{where}: {tensorrt.target} cannot read the graph: {reasons}")
    plugin_layers = sum(
        network.get_layer(i).type == trt.LayerType.PLUGIN_V3 for i in range(network.num_layers)
    )
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    return None if plan is None else BuiltStage(bytes(plan), plugin_layers)


def _network_flags(trt: Any) -> int:
    # RTX and TensorRT 11 know no other kind of network; TensorRT 10 must be told.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def plan_key(tensorrt: TensorRt, gpu: str | None) -> PlanKey:
    """What plans built here are good for. ``gpu``: name of the device, None without one.

    Raises ``EngineError`` when the library can only build for a GPU that is present.
    """
    if tensorrt.target == "tensorrt-rtx":
        return PlanKey(tensorrt.target, tensorrt.version, PORTABLE)
    if gpu is None:
        raise EngineError(
            f"{tensorrt.target}: builds for the GPU it runs on, and there is none "
            f"({find_driver() or 'no device'}); build on the machine that will run it, or use "
            "--target tensorrt-rtx"
        )
    return PlanKey(tensorrt.target, tensorrt.version, gpu)


def count_plans(precisions: Sequence[str], variants: Sequence[str]) -> int:
    """How many plans ``build_plans`` goes through: what its progress ends at."""
    return len(precisions) * len(variants) * len(STAGES)


def build_plans(
    bundle: Bundle,
    target: str,
    precisions: Sequence[str],
    variants: Sequence[str] = ("plugin",),
    gpu: str | None = None,
    progress: Progress = lambda name, done: None,
) -> tuple[Plans, dict[str, bytes]]:
    """Build the plans of all stages; ``write_plans`` puts what this returns into the bundle.

    Returns the index of the new plans and their files by path. ``gpu``: name of the device, None
    without one. Ctrl-C raises ``KeyboardInterrupt``; nothing is written by then. Raises
    ``EngineError`` when the library refuses a graph, ``BundleError`` for a bad bundle.
    """
    tensorrt = load_tensorrt(target)
    key = plan_key(tensorrt, gpu)
    built: dict[tuple[str, str, str], BuiltStage] = {}
    contents: dict[str, bytes] = {}
    specs: list[PlanSpec] = []
    for precision in precisions:
        for variant in variants:
            for stage in STAGES:
                name, done = f"{target} {precision} {variant} {stage}", len(specs)
                progress(name, done)
                graph = bundle.graph(precision, stage)
                content = bundle.graph_bytes(precision, stage)
                # Without the operator in it, a graph has one plan for both variants.
                form = variant if NAME.encode() in content else "plain"
                plan = built.get((stage, graph.sha256, form))
                if plan is None:
                    where = str(bundle.path / graph.path)
                    plan = build_stage(
                        tensorrt, content, where, variant, _within(progress, name, done)
                    )
                    built[stage, graph.sha256, form] = plan
                path = plan_path(stage, form, plan.content)
                contents[path] = plan.content
                digest = hashlib.sha256(plan.content).hexdigest()
                specs.append(
                    PlanSpec(
                        precision, variant, stage, graph.sha256, plan.plugin_layers, path, digest
                    )
                )
                progress(name, len(specs))
    return Plans(key, tuple(specs)), contents


def _within(progress: Progress, name: str, done: int) -> Share:
    return lambda share: progress(name, done + share)
