"""One CUDA device: buffers, copies, streams and graphs, every failure an ``EngineError``.

The engine above talks to this small surface only, so that its own logic is tested without a GPU.
"""

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np

from same_engines.bundle.manifest import TensorSpec
from same_engines.errors import EngineError, install_hint


class Buffer(Protocol):
    """Memory with an address."""

    address: int
    nbytes: int


class HostBuffer(Buffer, Protocol):
    """Page-locked host memory and the array that lies in it."""

    array: np.ndarray


class Device(Protocol):
    """What ``GpuEngine`` needs of a device. A ``stream`` is where work is queued in order: the
    device's stream, or a branch of a graph that is being recorded."""

    name: str
    stream: Any

    def make_current(self) -> None:
        """Make it the calling thread's device; before anything else in every thread."""

    def empty(self, spec: TensorSpec) -> Buffer:
        """Device memory for a tensor."""

    def pinned(self, spec: TensorSpec) -> HostBuffer:
        """Page-locked host memory for a tensor."""

    def copy(self, to: Buffer, source: Buffer, stream: Any) -> None:
        """Queue a copy of all of ``to``."""

    def clear(self, buffer: Buffer, stream: Any) -> None:
        """Queue filling with zeros."""

    def fork(self, stream: Any, first: Callable[[Any], None], second: Callable[[Any], None]) -> Any:
        """Queue two independent parts and return the stream that follows both."""

    def record(self, work: Callable[[Any], None]) -> Callable[[], None]:
        """Record ``work`` as a graph and return what launches it."""

    def wait_for(self, stream: int) -> None:
        """Queue nothing more before what was queued on another stream is done."""

    def synchronise(self) -> None:
        """Wait until everything queued is done."""

    def close(self) -> None:
        """Release the stream."""


def find_driver() -> str | None:
    """None when an NVIDIA driver can be loaded, else why not. Costs no CUDA import."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        ctypes.CDLL(library)
    except OSError:
        return "no NVIDIA driver on this machine"
    return None


@contextmanager
def cuda_errors(doing: str) -> Iterator[None]:
    """Turn whatever the CUDA packages raise into an ``EngineError`` that says what to do."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:  # CUDA's Python packages raise several unrelated kinds
        text = " ".join(str(error).split())
        if "OUT_OF_MEMORY" in text:
            hint = "free memory on the GPU, or use a smaller preset or fp16 graphs"
        else:
            hint = "check the driver with nvidia-smi, or use backend='onnxruntime'"
        raise EngineError(f"GPU: {doing} failed: {text}; {hint}") from None


class _DeviceBuffer:
    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer
        self.address = int(buffer.handle)
        self.nbytes = int(buffer.size)


class _PinnedBuffer(_DeviceBuffer):
    def __init__(self, buffer: Any, spec: TensorSpec) -> None:
        super().__init__(buffer)
        memory: Any = (ctypes.c_ubyte * self.nbytes).from_address(self.address)
        memory.owner = buffer  # whoever holds a view of the array holds the memory
        self.array = np.frombuffer(memory, spec.dtype).reshape(spec.shape)
        self.array.fill(0)


class ForeignBuffer:
    """Device memory that belongs to somebody else, who is kept alive."""

    def __init__(self, address: int, nbytes: int, owner: object) -> None:
        self.address, self.nbytes, self.owner = address, nbytes, owner


class CudaDevice:
    """The first CUDA device through ``cuda.core``; see ``Device`` for the methods.

    Raises ``EngineError`` when there is no driver, no device or no CUDA Python.
    """

    def __init__(self) -> None:
        missing = find_driver()
        if missing is not None:
            raise EngineError(f"GPU: {missing}; install one, or use backend='onnxruntime'")
        try:
            from cuda.core import Device, LegacyPinnedMemoryResource
        except ImportError:
            raise EngineError(f"GPU: CUDA Python is not installed; {install_hint('rtx')}") from None
        with cuda_errors("opening the device"):
            self._device = Device(0)
            self._device.set_current()
            self._current_in = threading.local()
            self._current_in.this_thread = True
            self.stream = self._device.create_stream()
            self._pinned = LegacyPinnedMemoryResource()
            major, minor = self._device.compute_capability
            self.architecture = f"sm_{major}{minor}"
            self.name = f"{self._device.name} {self.architecture}"
            self.driver = _driver_version()

    def make_current(self) -> None:
        # Not by the thread's number, which a new thread gets once its owner has ended.
        if not hasattr(self._current_in, "this_thread"):
            with cuda_errors("opening the device in another thread"):
                self._device.set_current()
            self._current_in.this_thread = True

    def empty(self, spec: TensorSpec) -> _DeviceBuffer:
        nbytes = _nbytes(spec)
        with cuda_errors(f"allocating {nbytes} bytes for {spec.name}"):
            return _DeviceBuffer(self._device.allocate(nbytes, stream=self.stream))

    def pinned(self, spec: TensorSpec) -> _PinnedBuffer:
        nbytes = _nbytes(spec)
        with cuda_errors(f"allocating {nbytes} page-locked bytes for {spec.name}"):
            return _PinnedBuffer(self._pinned.allocate(nbytes, stream=self.stream), spec)

    def copy(self, to: Buffer, source: Buffer, stream: Any) -> None:
        with cuda_errors("copying"):
            self._core(to).copy_from(self._core(source), stream=stream)

    def clear(self, buffer: Buffer, stream: Any) -> None:
        with cuda_errors("clearing memory"):
            self._core(buffer).fill(0, stream=stream)

    def _core(self, buffer: Buffer) -> Any:
        if isinstance(buffer, _DeviceBuffer):
            return buffer.buffer
        from cuda.core import Buffer as CoreBuffer

        return CoreBuffer.from_handle(buffer.address, buffer.nbytes, owner=buffer)

    def fork(self, stream: Any, first: Callable[[Any], None], second: Callable[[Any], None]) -> Any:
        from cuda.core.graph import GraphBuilder

        if not isinstance(stream, GraphBuilder):  # on a stream one after the other is as good
            first(stream)
            second(stream)
            return stream
        with cuda_errors("recording a graph"):
            branches = stream.split(2)
            first(branches[0])
            second(branches[1])
            return GraphBuilder.join(*branches)

    def record(self, work: Callable[[Any], None]) -> Callable[[], None]:
        with cuda_errors("recording a graph"):
            builder = self.stream.create_graph_builder()
            try:
                builder.begin_building()
                work(builder)
                graph = builder.end_building().complete()
            except BaseException:
                with suppress(Exception):  # a stream that stays recording can do nothing else
                    builder.end_building()
                raise
            finally:
                builder.close()
            graph.upload(self.stream)

        def launch() -> None:
            with cuda_errors("launching a graph"):
                graph.launch(self.stream)

        return launch

    def wait_for(self, stream: int) -> None:
        from cuda.core import Stream

        with cuda_errors("waiting for another stream"):
            self.stream.wait(Stream.from_handle(stream))

    def synchronise(self) -> None:
        with cuda_errors("running"):
            self.stream.sync()

    def close(self) -> None:
        self.stream.close()


def _driver_version() -> str:
    from cuda.bindings import driver

    status, version = driver.cuDriverGetVersion()
    if status != driver.CUresult.CUDA_SUCCESS:
        raise EngineError(f"GPU: asking for the driver's version failed: {status.name}")
    return str(version)


def stream_handle(stream: Any) -> int:
    """The cudaStream_t behind a stream of ``CudaDevice``."""
    return int(getattr(stream, "stream", stream).handle)


def _nbytes(spec: TensorSpec) -> int:
    return int(np.prod(spec.shape, dtype=np.int64)) * np.dtype(spec.dtype).itemsize


def foreign_buffer(array: Any, spec: TensorSpec) -> tuple[ForeignBuffer, int | None]:
    """Wrap an array that lives on the GPU (``__cuda_array_interface__``: CuPy, PyTorch, pycuda).

    Returns its memory, not a copy, and the stream that its owner writes it on, if it says so.
    Raises ``EngineError`` when shape, dtype or layout are not the tensor's.
    """
    interface = getattr(array, "__cuda_array_interface__", None)
    if not isinstance(interface, dict):
        raise EngineError(
            f"{spec.name}: expected an array on the GPU (with __cuda_array_interface__), got "
            f"{type(array).__name__}"
        )
    shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
    if shape != spec.shape or dtype != np.dtype(spec.dtype):
        raise EngineError(
            f"{spec.name}: expected {spec.dtype} {spec.shape} on the GPU, got {dtype} {shape}"
        )
    strides = interface.get("strides")
    if strides is not None and tuple(strides) != _dense_strides(shape, dtype.itemsize):
        raise EngineError(f"{spec.name}: expected a C-contiguous array, got strides {strides}")
    address = int(interface["data"][0])
    return ForeignBuffer(address, _nbytes(spec), array), interface.get("stream")


def _dense_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    strides = [itemsize]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))
