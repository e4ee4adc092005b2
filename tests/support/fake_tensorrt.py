"""A TensorRT-RTX that deserialises anything, and fails where a test says so: there is no GPU."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from same_engines.bundle.manifest import GraphSpec
from same_engines.tensorrt.library import TensorRt


class FakeCache:
    """Accepts what it serialised itself on the same machine."""

    def __init__(self, fake: "FakeTensorRt") -> None:
        self.fake, self.content = fake, b""

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(self.fake.machine):
            self.fake.errors.append("runtime cache: of another machine")
            return False
        self.content = bytes(blob)
        return True

    def serialize(self) -> bytes | None:
        if self.fake.serialize_raises:
            raise RuntimeError("no current context")
        return self.content or self.fake.compiled()


class FakeSettings:
    def __init__(self, fake: "FakeTensorRt") -> None:
        self.fake, self.cache = fake, None

    def create_runtime_cache(self) -> FakeCache:
        return FakeCache(self.fake)

    def set_runtime_cache(self, cache: FakeCache) -> bool:
        self.cache = cache
        return True


@dataclass
class FakeTensorRt:
    """``library`` is what ``load_tensorrt`` returns; the fields say what goes wrong."""

    spec: GraphSpec
    target: str = "tensorrt-rtx"
    valid: bool = True
    refuses: str = ""
    """What it says when it refuses to deserialise."""
    out_of_memory: bool = False
    serialize_raises: bool = False
    machine: bytes = b"machine A;"
    compilations: int = 0
    contexts: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def compiled(self) -> bytes:
        self.compilations += 1
        return self.machine + b"kernels"

    @property
    def library(self) -> TensorRt:
        kinds = SimpleNamespace(VALID=0, SUBOPTIMAL=1, INVALID=2)
        module = SimpleNamespace(
            Runtime=lambda logger: FakeRuntime(self),
            EngineValidity=kinds,
            TensorIOMode=SimpleNamespace(INPUT=0, OUTPUT=1),
            nptype=np.dtype,
        )
        return TensorRt(self.target, module, "1.7", None, self.errors)


class FakeRuntime:
    def __init__(self, fake: FakeTensorRt) -> None:
        self.fake = fake

    def get_engine_validity(self, plan: bytes) -> tuple[int, int]:
        return (0, 0) if self.fake.valid else (2, 4)

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        if self.fake.refuses:
            self.fake.errors.append(self.fake.refuses)
            return None
        return FakeEngine(self.fake)


class FakeEngine:
    def __init__(self, fake: FakeTensorRt) -> None:
        self.fake = fake
        self.tensors = [*fake.spec.inputs, *fake.spec.outputs]
        self.by_name = {tensor.name: tensor for tensor in self.tensors}
        self.num_io_tensors = len(self.tensors)
        self.inputs = {tensor.name for tensor in fake.spec.inputs}

    def get_tensor_name(self, index: int) -> str:
        return self.tensors[index].name

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.by_name[name].shape

    def get_tensor_dtype(self, name: str) -> str:
        return self.by_name[name].dtype

    def get_tensor_mode(self, name: str) -> int:
        return 0 if name in self.inputs else 1

    def create_runtime_config(self) -> FakeSettings:
        return FakeSettings(self.fake)

    def create_execution_context(self, runtime_config: Any = None) -> Any:
        if self.fake.out_of_memory:
            self.fake.errors.append("Error Code 2: OutOfMemory (no further information)")
            return None
        context = SimpleNamespace(
            settings=runtime_config,
            set_tensor_address=lambda name, address: True,
            execute_async_v3=lambda stream: False,
        )
        self.fake.contexts.append(context)
        return context
