"""A device made of host memory, whose stages ONNX Runtime runs: GpuEngine's logic without a GPU."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnxruntime as ort

from same_engines.bundle.manifest import STAGES, TensorSpec
from same_engines.bundle.reader import Bundle
from same_engines.errors import EngineError
from same_engines.gpu.engine import GpuEngine

POISON = np.nan


class CpuBuffer:
    def __init__(self, spec: TensorSpec) -> None:
        self.array = np.full(spec.shape, POISON, spec.dtype)
        self.address = self.array.ctypes.data
        self.nbytes = self.array.nbytes


class CpuDevice:
    """Queues nothing: work happens at once, or, while recording, when the recording is launched."""

    name = "CPU"

    def __init__(self, can_record: bool = True) -> None:
        self.stream: list[Callable[[], None]] | None = None
        self.can_record = can_record
        self.records = self.launches = self.forks = self.waits = 0
        self.closed = False

    def make_current(self) -> None:
        assert not self.closed

    def empty(self, spec: TensorSpec) -> CpuBuffer:
        return CpuBuffer(spec)

    def pinned(self, spec: TensorSpec) -> CpuBuffer:
        buffer = CpuBuffer(spec)
        buffer.array.fill(0)
        return buffer

    def do(self, stream: Any, action: Callable[[], Any]) -> None:
        if stream is None:
            action()
        else:
            stream.append(action)

    def copy(self, to: Any, source: Any, stream: Any) -> None:
        assert to.nbytes == source.nbytes
        self.do(stream, lambda: ctypes.memmove(to.address, source.address, to.nbytes))

    def clear(self, buffer: Any, stream: Any) -> None:
        self.do(stream, lambda: ctypes.memset(buffer.address, 0, buffer.nbytes))

    def fork(self, stream: Any, first: Callable[[Any], None], second: Callable[[Any], None]) -> Any:
        self.forks += 1
        second(stream)  # the two are independent, so any order must do
        first(stream)
        return stream

    def record(self, work: Callable[[Any], None]) -> Callable[[], None]:
        if not self.can_record:
            raise EngineError("GPU: recording a graph failed: not permitted")
        self.records += 1
        actions: list[Callable[[], None]] = []
        work(actions)

        def launch() -> None:
            self.launches += 1
            for action in actions:
                action()

        return launch

    def wait_for(self, stream: int) -> None:
        self.waits += 1

    def synchronise(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class CpuStage:
    def __init__(self, bundle: Bundle, precision: str, stage: str, device: CpuDevice) -> None:
        self.device = device
        self.spec = bundle.graph(precision, stage)
        self.session = ort.InferenceSession(
            bundle.graph_bytes(precision, stage), providers=["CPUExecutionProvider"]
        )
        self.addresses: dict[str, int] = {}

    def bind(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def enqueue(self, stream: Any) -> None:
        addresses = dict(self.addresses)  # a recording keeps the addresses it was made with
        self.device.do(stream, lambda: self._run(addresses))

    def _run(self, addresses: dict[str, int]) -> None:
        binding = self.session.io_binding()
        for bind, tensors in (
            (binding.bind_input, self.spec.inputs),
            (binding.bind_output, self.spec.outputs),
        ):
            for tensor in tensors:
                dtype = np.dtype(tensor.dtype).type
                bind(tensor.name, "cpu", 0, dtype, tensor.shape, addresses[tensor.name])
        self.session.run_with_iobinding(binding)

    def close(self) -> None:
        self.addresses = {}


@contextmanager
def cpu_engine(
    bundle: Bundle, precision: str = "fp32", can_record: bool = True
) -> Iterator[tuple[GpuEngine, CpuDevice]]:
    device = CpuDevice(can_record)
    stages = {stage: CpuStage(bundle, precision, stage, device) for stage in STAGES}
    with GpuEngine("cpu-test", bundle, precision, device, stages) as engine:
        yield engine, device


class ArrayOnDevice:
    """What CuPy, PyTorch and pycuda arrays look like to others."""

    def __init__(self, array: np.ndarray, stream: int | None = None) -> None:
        self.array = array
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.ctypes.data, False),
            "strides": None if array.flags.c_contiguous else array.strides,
            "version": 3,
            "stream": stream,
        }
