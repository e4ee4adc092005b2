"""Other ways to run the same network, each an engine behind the same tracker.

So a peer gets the same frames through the same ``push``; only the network's runner differs.
Heavy libraries are imported when a peer that needs them opens.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from same_engines import Bundle, Engine, open_engine
from same_engines.bundle.manifest import STAGES, STATE_SUFFIX
from same_engines.engine import collect_tensors
from same_engines.errors import EngineError, install_hint

_HISTORY = ("images", "view_valid", "imu_features")


class NamedArrayEngine(Engine):
    """Stages as plain functions of arrays: every output is copied into its named array."""

    def __init__(self, bundle: Bundle, precision: str) -> None:
        self.precision = precision
        self._graphs = {stage: bundle.graph(precision, stage) for stage in STAGES}
        self._arrays = {
            name: spec.zeros() for name, spec in collect_tensors(bundle, precision).items()
        }

    @abstractmethod
    def compute(self, stage: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of ``stage``, in the graph's order."""

    def host_input(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def host_output(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def run(self, stage: str) -> None:
        graph = self._graphs[stage]
        inputs = {spec.name: self._arrays[spec.name] for spec in graph.inputs}
        outputs = self.compute(stage, inputs)
        for spec, value in zip(graph.outputs, outputs, strict=True):
            self._arrays[spec.name][...] = value
            if spec.name.endswith(STATE_SUFFIX):
                self._arrays[spec.name.removesuffix(STATE_SUFFIX)][...] = value

    def reset_state(self) -> None:
        for name, array in self._arrays.items():
            if name.endswith(STATE_SUFFIX):
                array.fill(0)
                self._arrays[name.removesuffix(STATE_SUFFIX)].fill(0)

    def close(self) -> None:
        return None


class TorchEngine(NamedArrayEngine):
    """The network in PyTorch, eager or through ``torch.compile``.

    The bundle does not hold PyTorch weights: without ``model`` the network is built from the
    bundle's configuration with random ones, which take the same time.
    """

    def __init__(
        self, bundle: Bundle, threads: int, compiled: bool = False, model: Any | None = None
    ) -> None:
        super().__init__(bundle, "fp32")
        try:
            import torch

            from same_export.stages import (
                FusionFrame,
                InertialFrame,
                TemporalFrame,
                VisualFrame,
            )
            from same_model.config import ModelConfig
            from same_model.same_network import SameModel
        except ImportError as error:
            raise EngineError(f"PyTorch peers: {error}; {install_hint('export')}") from None
        self.backend = "torch-compile" if compiled else "torch-eager"
        self._torch = torch
        torch.set_num_threads(threads)
        if model is None:
            torch.manual_seed(0)
            model = SameModel(ModelConfig.from_dict(dict(bundle.manifest.config.network)))
        model = model.eval()
        modules: dict[str, Any] = {
            "visual": VisualFrame(model),
            "inertial": InertialFrame(model),
            "fusion": FusionFrame(model),
            "temporal": TemporalFrame(model),
        }
        self._stages: dict[str, Callable[..., Any]] = {
            stage: torch.compile(module.eval()) if compiled else module.eval()
            for stage, module in modules.items()
        }

    def compute(self, stage: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        torch = self._torch
        with torch.inference_mode():
            outputs = self._stages[stage](*(torch.from_numpy(value) for value in inputs.values()))
            return [output.numpy() for output in outputs]


class PlainOnnxRuntimeEngine(NamedArrayEngine):
    """ONNX Runtime as a first script uses it: default options, ``session.run`` on dicts."""

    backend = "onnxruntime-plain"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        super().__init__(bundle, "fp32")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._sessions = {
            stage: ort.InferenceSession(
                bundle.graph_bytes("fp32", stage), options, providers=["CPUExecutionProvider"]
            )
            for stage in STAGES
        }

    def compute(self, stage: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        return self._sessions[stage].run(None, inputs)


class OpenVinoEngine(NamedArrayEngine):
    """The same graphs in OpenVINO's CPU plugin, the operator's function inlined."""

    backend = "openvino"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        super().__init__(bundle, "fp32")
        try:
            import onnx
            import onnx.inliner
            import openvino
        except ImportError as error:
            raise EngineError(f"OpenVINO peer: {error}; pip install openvino onnx") from None
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            # Its code generator crashes the process on some small networks (2026.4).
            "SNIPPETS_MODE": "DISABLE",
        }
        self._requests = {}
        for stage in STAGES:
            graph = onnx.load_from_string(bundle.graph_bytes("fp32", stage))
            inlined = onnx.inliner.inline_local_functions(graph)
            try:
                model = core.read_model(inlined.SerializeToString())
                self._requests[stage] = core.compile_model(
                    model, "CPU", settings
                ).create_infer_request()
            except RuntimeError as error:
                reason = str(error).strip().splitlines()[-1]
                raise EngineError(f"OpenVINO peer: refuses stage {stage}: {reason}") from None

    def compute(self, stage: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        results = self._requests[stage].infer(inputs)
        return [results[spec.name] for spec in self._graphs[stage].outputs]


class FullWindowEngine(Engine):
    """What a system without carried state does: every frame recomputes its whole window.

    The same ONNX Runtime graphs: visual, inertial and fusion for each frame of the window from
    a zero state, then one temporal pass.
    """

    backend = "full-window"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        self.precision = "fp32"
        self._inner = open_engine(bundle, "onnxruntime", self.precision, threads)
        self._window_joints = self._inner.host_input("window_joints")
        names = ["joints_local"]
        if bundle.manifest.config.use_imu_filter:
            names.append("joints_imu")
        self._newest = [self._inner.host_output(name) for name in names]
        self._live = {name: np.copy(self._inner.host_input(name)) for name in _HISTORY}
        self._frames: deque[dict[str, np.ndarray]] = deque(maxlen=len(self._window_joints))

    def host_input(self, name: str) -> np.ndarray:
        return self._live[name] if name in self._live else self._inner.host_input(name)

    def host_output(self, name: str) -> np.ndarray:
        return self._inner.host_output(name)

    def run(self, stage: str) -> None:
        if stage != "temporal":
            return  # it runs below, for every frame of the window
        self._frames.append({name: np.copy(value) for name, value in self._live.items()})
        self._inner.reset_state()
        window = np.zeros_like(self._window_joints)
        for frame in self._frames:
            for name, value in frame.items():
                self._inner.host_input(name)[...] = value
            for each in ("visual", "inertial", "fusion"):
                self._inner.run(each)
            window[:-1] = window[1:]
            window[-1] = np.concatenate(self._newest)
        # The temporal stage itself moves the window on by the newest frame.
        self._window_joints[1:] = window[:-1]
        self._inner.run("temporal")

    def reset_state(self) -> None:
        self._frames.clear()
        self._inner.reset_state()

    def close(self) -> None:
        self._inner.close()


PEERS: Final[dict[str, Callable[[Bundle, int], Engine]]] = {
    "torch-eager": TorchEngine,
    "torch-compile": lambda bundle, threads: TorchEngine(bundle, threads, compiled=True),
    "onnxruntime-plain": PlainOnnxRuntimeEngine,
    "openvino": OpenVinoEngine,
    "full-window": FullWindowEngine,
}
"""Name -> how to open it on a bundle with so many CPU threads."""
