"""PyTorch as a device and as stages of ``GpuEngine``: the peers get the same engine around them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from same_engines import Bundle
from same_engines.bundle.manifest import STAGES, TensorSpec
from same_engines.gpu.deform_attn_cuda import DeformAttnShape
from same_engines.gpu.engine import GpuEngine
from same_export.stages import FusionFrame, InertialFrame, TemporalFrame, VisualFrame
from same_model.same_network import SameModel

_FRAMES = {
    "visual": VisualFrame,
    "inertial": InertialFrame,
    "fusion": FusionFrame,
    "temporal": TemporalFrame,
}


class TensorBuffer:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.address = tensor.data_ptr()
        self.nbytes = tensor.nbytes
        self.array = tensor.numpy() if tensor.device.type == "cpu" else np.empty(0)


class TorchDevice:
    """``same_engines.gpu.cuda_device.Device`` on PyTorch; ``cpu`` tests it without a GPU."""

    def __init__(self, kind: str = "cuda") -> None:
        self.kind = kind
        self.name = torch.cuda.get_device_name() if kind == "cuda" else "cpu"
        self.stream = torch.cuda.Stream() if kind == "cuda" else None
        self._side = torch.cuda.Stream() if kind == "cuda" else None
        self.tensors: dict[int, torch.Tensor] = {}

    def make_current(self) -> None:
        if self.kind == "cuda":
            torch.cuda.set_device(0)

    def on(self, stream: Any) -> AbstractContextManager[Any]:
        """The stream as PyTorch's current stream."""
        return nullcontext() if stream is None else torch.cuda.stream(stream)

    def empty(self, spec: TensorSpec) -> TensorBuffer:
        tensor = torch.empty(spec.shape, dtype=getattr(torch, spec.dtype), device=self.kind)
        self.tensors[tensor.data_ptr()] = tensor
        return TensorBuffer(tensor)

    def pinned(self, spec: TensorSpec) -> TensorBuffer:
        pin = self.kind == "cuda"
        return TensorBuffer(
            torch.zeros(spec.shape, dtype=getattr(torch, spec.dtype), pin_memory=pin)
        )

    def copy(self, to: Any, source: Any, stream: Any) -> None:
        with self.on(stream):
            to.tensor.copy_(source.tensor, non_blocking=True)

    def clear(self, buffer: Any, stream: Any) -> None:
        with self.on(stream):
            buffer.tensor.zero_()

    def fork(self, stream: Any, first: Callable[[Any], None], second: Callable[[Any], None]) -> Any:
        if self._side is None:
            first(stream)
            second(stream)
            return stream
        self._side.wait_stream(stream)
        first(stream)
        second(self._side)
        stream.wait_stream(self._side)
        return stream

    def record(self, work: Callable[[Any], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            work(self.stream)

        def launch() -> None:
            with self.on(self.stream):
                graph.replay()

        return launch

    def wait_for(self, stream: int) -> None:
        self.stream.wait_stream(torch.cuda.ExternalStream(stream))  # type: ignore[union-attr]

    def synchronise(self) -> None:
        if self.stream is not None:
            self.stream.synchronize()

    def close(self) -> None:
        self.tensors.clear()


class TorchStage:
    """One stage's module on tensors that the engine owns."""

    def __init__(
        self, device: TorchDevice, bundle: Bundle, precision: str, stage: str, module: Any
    ) -> None:
        self._device, self._module = device, module
        spec = bundle.graph(precision, stage)
        self._inputs = [tensor.name for tensor in spec.inputs]
        self._outputs = [tensor.name for tensor in spec.outputs]
        self._bound: dict[str, torch.Tensor] = {}

    def bind(self, name: str, address: int) -> None:
        self._bound[name] = self._device.tensors[address]

    def enqueue(self, stream: Any) -> None:
        with self._device.on(stream), torch.inference_mode():
            came = self._module(*(self._bound[name] for name in self._inputs))
            for name, value in zip(self._outputs, came, strict=True):
                self._bound[name].copy_(value)

    def close(self) -> None:
        self._bound.clear()


def torch_engine(
    bundle: Bundle,
    precision: str,
    model: SameModel,
    mode: str,
    device: TorchDevice,
    operator: Callable[..., Any] | None = None,
) -> GpuEngine:
    """``model`` (already of ``precision``) as an engine. ``mode``: ``eager``, ``compile`` or
    ``graph``, which is eager recorded once and replayed. ``operator`` takes the place of
    ``spatial_aware_deform_attn``."""
    model = model.to(device.kind).eval()
    modules: dict[str, Any] = {stage: frame(model).eval() for stage, frame in _FRAMES.items()}
    if mode == "compile":
        modules = {stage: torch.compile(module) for stage, module in modules.items()}
    if operator is not None:
        modules["fusion"] = _with_operator(modules["fusion"], operator)
    stages = {
        stage: TorchStage(device, bundle, precision, stage, modules[stage]) for stage in STAGES
    }
    return GpuEngine(f"torch-{mode}", bundle, precision, device, stages, mode == "graph")


def _with_operator(module: Any, operator: Callable[..., Any]) -> Callable[..., Any]:
    def call(*inputs: torch.Tensor) -> Any:
        with patch("same_model.network.fusion.spatial_aware_deform_attn", operator):
            return module(*inputs)

    return call


def kernel_operator(launch: Callable[..., None]) -> Callable[..., tuple[torch.Tensor, ...]]:
    """The operator for PyTorch through the CUDA kernel; inference only."""

    def operator(
        features: torch.Tensor,
        rays: torch.Tensor,
        origins: torch.Tensor,
        locations: torch.Tensor,
        weights: torch.Tensor,
        depth: torch.Tensor,
        w1: torch.Tensor,
        b1: torch.Tensor,
        delta: float,
        pe_sum: bool = False,
    ) -> tuple[torch.Tensor, ...]:
        inputs = (features, rays, origins, locations, weights, depth, w1, b1)
        tensors = [tensor.contiguous() for tensor in inputs]
        views, joints, heads, points = weights.shape
        channels, height, width = features.shape[1:]
        shape = DeformAttnShape(
            views,
            channels,
            height,
            width,
            joints,
            heads,
            points,
            w1.shape[0],
            w1.shape[1] // 3,
            delta,
            pe_sum,
            features.dtype == torch.float16,
        )
        outputs = [
            features.new_empty(views, joints, heads, size) for size in (channels, w1.shape[0])
        ]
        launch(
            shape,
            [t.data_ptr() for t in tensors],
            [t.data_ptr() for t in outputs],
            torch.cuda.current_stream().cuda_stream,
        )
        return tuple(outputs)

    return operator
