"""ONNX Runtime on an NVIDIA GPU: where TensorRT is not there or refuses the card."""

from typing import Any

import numpy as np
import onnxruntime as ort

from same_engines.bundle.manifest import STAGES, GraphSpec
from same_engines.bundle.reader import Bundle
from same_engines.errors import EngineError
from same_engines.gpu.cuda_device import CudaDevice, cuda_errors, stream_handle
from same_engines.gpu.engine import GpuEngine
from same_engines.onnxruntime.installed import CUDA_INSTALL, describe_shadowing
from same_engines.onnxruntime.session_options import session_options

_PROVIDER = "CUDAExecutionProvider"


def open_onnxruntime_cuda_engine(bundle: Bundle, precision: str) -> GpuEngine:
    """Open ``bundle`` on ONNX Runtime's CUDA provider.

    Raises ``EngineError`` when there is no driver or this ONNX Runtime has no such provider,
    ``BundleError`` for a bad bundle.
    """
    device = CudaDevice()
    try:
        if _PROVIDER not in ort.get_available_providers():
            raise EngineError(
                "onnxruntime-cuda: this ONNX Runtime was built without CUDA; "
                + (describe_shadowing() or f"replace it: {CUDA_INSTALL}")
            )
        stages = {stage: _OrtStage(bundle, precision, stage, device) for stage in STAGES}
        # ONNX Runtime queues on the one stream it was opened with, which no branch of a
        # recorded graph is.
        return GpuEngine("onnxruntime-cuda", bundle, precision, device, stages, record_graphs=False)
    except BaseException:
        device.close()
        raise


class _OrtStage:
    """A session whose inputs and outputs are device memory."""

    def __init__(self, bundle: Bundle, precision: str, stage: str, device: CudaDevice) -> None:
        self._spec: GraphSpec = bundle.graph(precision, stage)
        self._stage = stage
        options = session_options()
        provider: Any = (_PROVIDER, {"user_compute_stream": str(stream_handle(device.stream))})
        content = bundle.graph_bytes(precision, stage)
        with cuda_errors(f"opening {stage} on ONNX Runtime"):
            self._session = ort.InferenceSession(
                content, options, providers=[provider, "CPUExecutionProvider"]
            )
            if _PROVIDER not in self._session.get_providers():
                raise EngineError(
                    "onnxruntime-cuda: ONNX Runtime could not start its CUDA provider; are CUDA "
                    "and cuDNN of the versions it asks for installed?"
                )
            self._binding = self._session.io_binding()
        self._run_options = ort.RunOptions()
        # What follows on the stream waits by itself; the engine waits at the frame's end.
        self._run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def bind(self, name: str, address: int) -> None:
        for bind, tensors in (
            (self._binding.bind_input, self._spec.inputs),
            (self._binding.bind_output, self._spec.outputs),
        ):
            for tensor in tensors:
                if tensor.name == name:
                    bind(name, "cuda", 0, np.dtype(tensor.dtype).type, tensor.shape, address)

    def enqueue(self, stream: Any) -> None:
        with cuda_errors(f"running {self._stage} on ONNX Runtime"):
            self._session.run_with_iobinding(self._binding, self._run_options)

    def close(self) -> None:
        del self._binding, self._session
