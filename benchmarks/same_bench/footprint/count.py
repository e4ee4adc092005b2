"""What a bundle takes of a device, read from its files: nothing here depends on what the weights
are, or on the machine that counts."""

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES, STATE_SUFFIX, TensorSpec
from same_engines.engine import collect_tensors
from same_export.macs import multiply_accumulates

_ITEM_BYTES = {"float32": 4, "float16": 2}


@dataclass(frozen=True)
class StageFootprint:
    """One stage's graph, in fp32."""

    parameters: int
    multiply_accumulates: int
    """Of one frame."""
    memory_bytes: int
    """The most that its tensors but the weights take at once."""


@dataclass(frozen=True)
class FrameBytes:
    """What one frame moves between the host and the engine, and within it, in fp32."""

    images: int
    """Both eyes at the network's own size; part of ``host_to_engine``."""
    host_to_engine: int
    """Every input that no stage computes."""
    between_stages: int
    """Outputs of a stage that another one reads."""
    state: int
    """What the next frame reads: recurrent state and the window."""
    engine_to_host: int
    """Outputs that no stage reads: the joints and what goes with them."""


@dataclass(frozen=True)
class Footprint:
    """What a bundle takes of a device."""

    flash_bytes: dict[str, int]
    """Precision -> bytes of its four graphs; fp32 and fp16 share two of them."""
    stages: dict[str, StageFootprint]
    frame: FrameBytes


def footprint_of(bundle: Bundle) -> Footprint:
    """Count the graphs of ``bundle``, which has fp32 ones. Raises ``BundleError``."""
    return Footprint(
        flash_bytes={
            precision: sum((bundle.path / graph.path).stat().st_size for graph in graphs.values())
            for precision, graphs in bundle.manifest.graphs.items()
        },
        stages={stage: _stage(bundle, stage) for stage in STAGES},
        frame=_frame(bundle),
    )


def _stage(bundle: Bundle, stage: str) -> StageFootprint:
    model = ir.load(bundle.path / bundle.graph("fp32", stage).path)
    weights = [value.const_value for value in model.graph.initializers.values()]
    return StageFootprint(
        parameters=sum(weight.size for weight in weights if weight is not None),
        multiply_accumulates=multiply_accumulates(model),
        memory_bytes=bundle.graph("fp32", stage).budget.memory_bytes,
    )


def _frame(bundle: Bundle) -> FrameBytes:
    tensors = collect_tensors(bundle, "fp32")
    graphs = [bundle.graph("fp32", stage) for stage in STAGES]
    read = {spec.name for graph in graphs for spec in graph.inputs}
    written = {spec.name for graph in graphs for spec in graph.outputs}
    state = {name for name in written if name.endswith(STATE_SUFFIX)}
    carried = {name.removesuffix(STATE_SUFFIX) for name in state}

    def total(names: Any) -> int:
        return sum(_bytes(tensors[name]) for name in names)

    return FrameBytes(
        images=total(["images"]),
        host_to_engine=total(read - written - carried),
        between_stages=total(read & written),
        state=total(state),
        engine_to_host=total(written - read - state),
    )


def _bytes(spec: TensorSpec) -> int:
    size = _ITEM_BYTES[spec.dtype]
    for length in spec.shape:
        size *= length
    return size
