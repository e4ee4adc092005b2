"""``same::SpatialAwareDeformAttn`` as a TensorRT plugin in Python.

Name, version, namespace and fields are those of the native plugin (``cpp/cuda``), so a plan
built with either runs with either.
"""

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from same_engines.gpu.deform_attn_cuda import DeformAttnShape

NAME: Final = "SpatialAwareDeformAttn"
VERSION: Final = "1"
NAMESPACE: Final = "same"

_FLOAT32_INPUTS: Final = (1, 2, 3, 5)  # rays, origins, locations, depth
_FEATURES, _LOCATIONS, _WEIGHTS, _W1 = 0, 3, 4, 6
_registry_lock = threading.RLock()

Launch = Callable[[DeformAttnShape, list[int], list[int], int], None]
"""(shape, input addresses, output addresses, stream handle): queue the kernel."""


@dataclass(frozen=True)
class OperatorFields:
    """The operator's attributes, which a plan carries."""

    num_shell_points: int
    delta: float
    pe_sum: int

    @classmethod
    def read(cls, collection: Any) -> "OperatorFields":
        """From a PluginFieldCollection. Raises ``KeyError`` when one is missing."""
        values = {item.name: item.data[0] for item in collection}
        return cls(int(values["num_shell_points"]), float(values["delta"]), int(values["pe_sum"]))

    def collection(self, trt: Any) -> Any:
        """As a PluginFieldCollection of the library ``trt``."""
        kinds = trt.PluginFieldType
        return trt.PluginFieldCollection(
            [
                trt.PluginField(
                    "num_shell_points", np.array([self.num_shell_points], np.int32), kinds.INT32
                ),
                trt.PluginField("delta", np.array([self.delta], np.float32), kinds.FLOAT32),
                trt.PluginField("pe_sum", np.array([self.pe_sum], np.int32), kinds.INT32),
            ]
        )


@contextmanager
def plugin_registered(trt: Any, launch: Launch | None = None) -> Iterator[Callable[[], None]]:
    """Have the plugin in the library's registry while parsing or deserialising.

    Outside of this, graphs parse into standard layers. A creator that the application loaded
    itself (the native plugin) is left to serve. ``launch`` is what a plan's plugin layers call
    to run; building needs none. Yields what to call when a build was stopped or failed.
    """
    with _registry_lock:
        registry = trt.get_plugin_registry()
        if registry.get_creator(NAME, VERSION, NAMESPACE) is not None:
            yield lambda: None
            return
        creator = make_creator(trt, launch)
        registry.register_creator(creator, NAMESPACE)
        try:
            yield creator.keep_clones
        finally:
            registry.deregister_creator(creator)
            creator.clones.clear()


class OperatorLayer:
    """What the plugin answers, whatever the library: ``make_creator`` adds the interfaces."""

    def __init__(self, trt: Any, fields: OperatorFields, launch: Launch | None) -> None:
        self.plugin_name, self.plugin_version = NAME, VERSION
        self.plugin_namespace = NAMESPACE
        self.num_outputs = 2
        self.trt, self.fields, self.launch = trt, fields, launch
        self.shape: DeformAttnShape | None = None

    def get_capability_interface(self, kind: Any) -> Any:
        return self

    def get_output_data_types(self, inputs: list[Any]) -> list[Any]:
        return [inputs[_FEATURES], inputs[_FEATURES]]

    def get_output_shapes(self, inputs: list[Any], shapes: list[Any], expr: Any) -> list[Any]:
        outputs = []
        for width in (inputs[_FEATURES][1], inputs[_W1][0]):
            dims = self.trt.DimsExprs(4)
            for axis in range(3):
                dims[axis] = inputs[_WEIGHTS][axis]
            dims[3] = width
            outputs.append(dims)
        return outputs

    def supports_format_combination(self, at: int, tensors: list[Any], inputs: int) -> bool:
        tensor, features = tensors[at].desc, tensors[_FEATURES].desc
        if tensor.format != self.trt.TensorFormat.LINEAR:
            return False
        if at in _FLOAT32_INPUTS:
            return bool(tensor.type == self.trt.float32)
        if at == _FEATURES:
            return tensor.type in (self.trt.float32, self.trt.float16)
        return bool(tensor.type == features.type)

    def configure_plugin(self, inputs: list[Any], outputs: list[Any]) -> None:
        pass

    def get_fields_to_serialize(self) -> Any:
        return self.fields.collection(self.trt)

    def set_tactic(self, tactic: int) -> None:
        pass

    def on_shape_change(self, inputs: list[Any], outputs: list[Any]) -> None:
        views, channels, height, width = tuple(inputs[_FEATURES].dims)
        _, joints, heads, points, _ = tuple(inputs[_LOCATIONS].dims)
        self.shape = DeformAttnShape(
            views,
            channels,
            height,
            width,
            joints,
            heads,
            points,
            hidden=tuple(inputs[_W1].dims)[0],
            shell_points=self.fields.num_shell_points,
            delta=self.fields.delta,
            pe_sum=bool(self.fields.pe_sum),
            half=inputs[_FEATURES].type == self.trt.float16,
        )

    def enqueue(
        self,
        input_desc: Any,
        output_desc: Any,
        inputs: list[int],
        outputs: list[int],
        workspace: int,
        stream: int,
    ) -> None:
        if self.launch is None or self.shape is None:
            raise RuntimeError(f"{NAME}: this plugin was made to build plans, not to run them")
        self.launch(self.shape, list(inputs), list(outputs), int(stream))


def make_creator(trt: Any, launch: Launch | None = None) -> Any:
    """The plugin's creator for the library ``trt``."""
    interfaces = (
        trt.IPluginV3,
        trt.IPluginV3OneCore,
        trt.IPluginV3OneBuild,
        trt.IPluginV3OneRuntime,
    )

    class Plugin(OperatorLayer, *interfaces):  # type: ignore[misc]
        def __init__(self, fields: OperatorFields) -> None:
            for interface in interfaces:
                interface.__init__(self)
            OperatorLayer.__init__(self, trt, fields, launch)

        def clone(self) -> Any:
            copy = Plugin(self.fields)
            copy.shape = self.shape
            creator.clones.append(copy)
            return copy

        def attach_to_context(self, context: Any) -> Any:
            return self.clone()

    class Creator(trt.IPluginCreatorV3One):
        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE
            self.field_names = OperatorFields(0, 0.0, 0).collection(trt)
            self.clones: list[Any] = []

        def create_plugin(self, name: str, collection: Any, phase: Any) -> Any:
            return Plugin(OperatorFields.read(collection))

        def keep_clones(self) -> None:
            """Never free the clones made so far.

            A build that ends early has the library free them and, through their last reference,
            Python too: the heap is damaged and the process aborts soon after.
            """
            for clone in self.clones:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(clone))

    creator = Creator()
    return creator
