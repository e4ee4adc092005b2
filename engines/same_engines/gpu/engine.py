"""The engine that runs all four stages on a GPU as one graph, whoever built the stages."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from same_engines.bundle.manifest import STAGES, STATE_SUFFIX
from same_engines.bundle.reader import Bundle
from same_engines.engine import Engine, collect_tensors
from same_engines.errors import EngineError
from same_engines.gpu.cuda_device import Buffer, Device, HostBuffer, foreign_buffer

_MOST_GRAPHS = 16
"""Graphs kept: one for each set of stages and of arrays that the application owns."""

_log = logging.getLogger("same")


class DeviceStage(Protocol):
    """One stage's compiled graph on the device."""

    def bind(self, name: str, address: int) -> None:
        """Read or write the tensor ``name`` at a device address from now on."""

    def enqueue(self, stream: Any) -> None:
        """Queue the stage; raises ``EngineError``."""

    def close(self) -> None:
        """Release it."""


class GpuEngine(Engine):
    """Stages on one device. Tensors and state stay there; host arrays are page-locked.

    A frame is one recorded graph: inputs up, ``visual`` beside ``inertial``, ``fusion``,
    ``temporal``, the asked-for outputs down. ``device_input`` takes arrays that are on the GPU
    already without copying them.
    """

    def __init__(
        self,
        backend: str,
        bundle: Bundle,
        precision: str,
        device: Device,
        stages: Mapping[str, DeviceStage],
        record_graphs: bool = True,
    ) -> None:
        self.backend, self.precision = backend, precision
        self._device = device
        self._stages = dict(stages)
        self._tensors = collect_tensors(bundle, precision)
        graphs = {stage: bundle.graph(precision, stage) for stage in STAGES}
        self._reads = {s: [t.name for t in graphs[s].inputs] for s in STAGES}
        self._writes = {s: [t.name for t in graphs[s].outputs] for s in STAGES}
        self._writer = {name: stage for stage in STAGES for name in self._writes[stage]}
        states = {name.removesuffix(STATE_SUFFIX) for name in self._tensors if _is_next(name)}
        self._host_inputs = [
            name for name in self._tensors if name not in self._writer and name not in states
        ]
        self._states = sorted(states)
        self._device_buffers: dict[str, Buffer] = {
            name: device.empty(spec) for name, spec in self._tensors.items()
        }
        for buffer in self._device_buffers.values():
            device.clear(buffer, device.stream)
        self._pinned: dict[str, HostBuffer] = {
            name: device.pinned(self._tensors[name]) for name in self._host_inputs
        }
        self._foreign: dict[str, Buffer] = {}
        self._recorded: dict[tuple[Any, ...], Callable[[], None]] = {}
        self._records = record_graphs
        for stage in STAGES:
            for name in (*self._reads[stage], *self._writes[stage]):
                self._stages[stage].bind(name, self._device_buffers[name].address)
        # The library compiles and loads at the first call, which a recording must not see.
        self._frame_work(True)(device.stream)
        self.reset_state()

    def host_input(self, name: str) -> np.ndarray:
        if name not in self._host_inputs:
            raise EngineError(f"{name!r} is not a host input of this bundle")
        if self._foreign.pop(name, None) is not None:
            self._bind_readers(name, self._device_buffers[name])
        return self._pinned[name].array

    def device_input(self, name: str, array: object) -> None:
        """Read the input ``name`` from an array on the GPU from now on, without a copy.

        ``array`` has ``__cuda_array_interface__`` (CuPy, PyTorch, pycuda) with the input's
        shape and dtype, C-contiguous; it is kept alive and read at every run until
        ``host_input(name)`` is called. Call this again after writing it on a stream that it
        names. Raises ``EngineError`` and changes nothing when it does not fit.
        """
        if name not in self._host_inputs:
            raise EngineError(f"{name!r} is not a host input of this bundle")
        buffer, stream = foreign_buffer(array, self._tensors[name])
        self._device.make_current()
        if stream is not None:
            self._device.wait_for(stream)
        current = self._foreign.get(name)
        self._foreign[name] = buffer
        if current is None or current.address != buffer.address:
            self._bind_readers(name, buffer)

    def _bind_readers(self, name: str, buffer: Buffer) -> None:
        for stage in STAGES:
            if name in self._reads[stage]:
                self._stages[stage].bind(name, buffer.address)

    def host_output(self, name: str) -> np.ndarray:
        if name not in self._writer:
            raise EngineError(f"{name!r} is not an output of this bundle")
        if name not in self._pinned:
            # From now on every run brings it down; this once it is fetched by hand.
            self._device.make_current()
            self._pinned[name] = self._device.pinned(self._tensors[name])
            self._recorded.clear()
            self._device.copy(self._pinned[name], self._device_buffers[name], self._device.stream)
            self._device.synchronise()
        return self._pinned[name].array

    def run(self, stage: str) -> None:
        if stage not in self._stages:
            raise EngineError(f"stage {stage!r}: expected one of {STAGES} on an open engine")
        self._run((stage,), lambda stream: self._queue_stage(stage, stream))

    def peek(self, stage: str) -> None:
        if stage not in self._stages:
            raise EngineError(f"stage {stage!r}: expected one of {STAGES} on an open engine")
        self._run(
            ("peek", stage), lambda stream: self._queue_stage(stage, stream, keeps_state=True)
        )

    def run_frame(self, with_images: bool = True) -> None:
        if not self._stages:
            raise EngineError(f"a frame: expected stages {STAGES} on an open engine")
        self._run(STAGES if with_images else STAGES[1:], self._frame_work(with_images))

    def _frame_work(self, with_images: bool) -> Callable[[Any], None]:
        def work(stream: Any) -> None:
            if with_images:
                stream = self._device.fork(
                    stream,
                    lambda branch: self._queue_stage("visual", branch),
                    lambda branch: self._queue_stage("inertial", branch),
                )
            else:
                self._queue_stage("inertial", stream)
            self._queue_stage("fusion", stream)
            self._queue_stage("temporal", stream)

        return work

    def _run(self, name: tuple[str, ...], work: Callable[[Any], None]) -> None:
        self._device.make_current()
        if self._records:
            key = (
                name,
                *((tensor, held.address) for tensor, held in sorted(self._foreign.items())),
            )
            launch = self._recorded.get(key)
            if launch is None:
                launch = self._record(key, work)
            if launch is not None:
                launch()
                self._device.synchronise()
                return
        work(self._device.stream)
        self._device.synchronise()

    def _record(
        self, key: tuple[Any, ...], work: Callable[[Any], None]
    ) -> Callable[[], None] | None:
        try:
            launch = self._device.record(work)
        except EngineError as error:
            self._records = False
            _log.warning("%s: running without CUDA graphs: %s", self.backend, error)
            return None
        while len(self._recorded) >= _MOST_GRAPHS:
            self._recorded.pop(next(iter(self._recorded)))
        self._recorded[key] = launch
        return launch

    def _queue_stage(self, stage: str, stream: Any, keeps_state: bool = False) -> None:
        device, buffers, pinned = self._device, self._device_buffers, self._pinned
        for name in self._reads[stage]:
            if name in self._host_inputs and name not in self._foreign:
                device.copy(buffers[name], pinned[name], stream)
        self._stages[stage].enqueue(stream)
        for name in self._writes[stage]:
            if name in pinned:
                device.copy(pinned[name], buffers[name], stream)
            if _is_next(name) and not keeps_state:
                device.copy(buffers[name.removesuffix(STATE_SUFFIX)], buffers[name], stream)

    def reset_state(self) -> None:
        self._device.make_current()
        for name in self._states:
            self._device.clear(self._device_buffers[name], self._device.stream)
        self._device.synchronise()

    def warm_up(self, runs: int = 3) -> None:
        for _ in range(runs):
            self.run_frame()
            self.run_frame(with_images=False)
        self.reset_state()

    def close(self) -> None:
        if not self._stages:
            return
        self._device.make_current()
        self._recorded.clear()
        for stage in self._stages.values():
            stage.close()
        self._stages = {}
        # Page-locked arrays may still be in use as views; their memory goes with the last view.
        self._device_buffers = {}
        self._device.close()


def _is_next(name: str) -> bool:
    return name.endswith(STATE_SUFFIX)
