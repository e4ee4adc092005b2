"""Open a bundle on TensorRT or TensorRT-RTX."""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from same_engines.bundle.manifest import STAGES, GraphSpec
from same_engines.bundle.plans import (
    PORTABLE,
    PlanKey,
    plan_bytes,
    plans_lock,
    read_plans,
    why_stale,
    write_plans,
)
from same_engines.bundle.reader import Bundle
from same_engines.compiled_files import CompiledFile, KernelKey, cache_folder
from same_engines.errors import BundleError, EngineError
from same_engines.gpu.cuda_device import CudaDevice, cuda_errors, stream_handle
from same_engines.gpu.deform_attn_cuda import DeformAttnKernel
from same_engines.gpu.engine import GpuEngine
from same_engines.tensorrt.build import build_plans, plan_key
from same_engines.tensorrt.library import TensorRt, load_tensorrt
from same_engines.tensorrt.plugin import Launch, plugin_registered

_log = logging.getLogger("same")


def open_tensorrt_engine(
    bundle: Bundle, target: str, precision: str, variant: str = "plugin"
) -> GpuEngine:
    """Open ``bundle`` on ``target``, building plans that are missing or stale.

    ``variant`` ``plugin`` runs the operator as one kernel; where that kernel cannot be compiled,
    the standard layers take over, and a warning says so. Raises ``EngineError`` when there is
    no driver, library or memory or the library refuses the GPU; ``BundleError`` for a bad graph.
    """
    device = CudaDevice()
    try:
        tensorrt = load_tensorrt(target)
        key = plan_key(tensorrt, device.name)
        launch: Launch | None = None
        if variant == "plugin":
            try:
                launch = DeformAttnKernel(device.architecture).launch
            except EngineError as error:
                _log.warning("%s: running the operator as standard layers: %s", target, error)
                variant = "standard"
        plans = usable_plans(bundle, key, precision, variant)
        kernels = kernel_files(key, plans, device)
        stages = open_stages(tensorrt, bundle, precision, plans, launch, kernels)
        try:
            engine = GpuEngine(target, bundle, precision, device, stages)
        except BaseException:
            for stage in stages.values():
                stage.close()
            raise
        for stage in stages.values():
            stage.keep_kernels()
        return engine
    except BaseException:
        device.close()
        raise


def usable_plans(bundle: Bundle, key: PlanKey, precision: str, variant: str) -> dict[str, bytes]:
    """The verified plan of every stage, built now where the bundle's are missing or stale.

    Plans that cannot be kept, because the bundle is read-only, serve this once. Raises
    ``BundleError`` for a bad graph, ``EngineError`` when a plan cannot be built.
    """
    kept, _ = _kept_plans(bundle, key, precision, variant)
    if kept is not None:
        return kept
    with plans_lock(bundle, key.target):
        kept, reason = _kept_plans(bundle, key, precision, variant)  # another may have built them
        if kept is not None:
            return kept
        _log.warning("%s: building plans, which takes a while: %s", key.target, reason)
        return _build_now(bundle, key, precision, variant)


def _kept_plans(
    bundle: Bundle, key: PlanKey, precision: str, variant: str
) -> tuple[dict[str, bytes] | None, str]:
    """The bundle's verified plans of every stage, or why they cannot be used."""
    try:
        plans = read_plans(bundle, key.target)
        kept = {}
        for stage in STAGES:
            reason = why_stale(plans, bundle, key, precision, variant, stage)
            plan = plans.find(precision, variant, stage) if plans is not None else None
            if reason is not None or plans is None or plan is None:
                return None, reason or "the bundle has no plans"
            kept[stage] = plan_bytes(bundle, key.target, plan, plans.is_signed)
        return kept, ""
    except BundleError as error:  # what is made from the graphs can be made again
        return None, str(error)


def _build_now(bundle: Bundle, key: PlanKey, precision: str, variant: str) -> dict[str, bytes]:
    gpu = None if key.target == "tensorrt-rtx" else key.gpu
    said: set[str] = set()

    def say(name: str, done: float) -> None:
        if name not in said:
            said.add(name)
            _log.info("building %s", name)

    plans, contents = build_plans(bundle, key.target, (precision,), (variant,), gpu, say)
    try:
        write_plans(bundle, plans, contents)
    except BundleError as error:
        _log.warning("%s: the new plans serve this once: %s", key.target, error)
    found = {stage: plans.find(precision, variant, stage) for stage in STAGES}
    return {stage: contents[plan.path] for stage, plan in found.items() if plan is not None}


def kernel_files(
    key: PlanKey, plans: Mapping[str, bytes], device: CudaDevice
) -> dict[str, CompiledFile]:
    """Where the kernels of portable plans are kept, by stage; others hold their own."""
    if key.gpu != PORTABLE:
        return {}
    return {
        stage: CompiledFile(
            cache_folder(),
            KernelKey(
                hashlib.sha256(plan).hexdigest(), key.library_version, device.name, device.driver
            ),
        )
        for stage, plan in plans.items()
    }


def open_stages(
    tensorrt: TensorRt,
    bundle: Bundle,
    precision: str,
    plans: Mapping[str, bytes],
    launch: Launch | None,
    kernels: Mapping[str, CompiledFile],
) -> dict[str, "TensorRtStage"]:
    """Deserialise verified plans. ``kernels``: where stages have theirs kept.

    Raises ``EngineError`` when the library refuses one.
    """
    with plugin_registered(tensorrt.module, launch):
        return {
            stage: TensorRtStage(
                tensorrt,
                plans[stage],
                bundle.graph(precision, stage),
                f"{tensorrt.target} {stage}",
                kernels.get(stage),
            )
            for stage in STAGES
        }


class TensorRtStage:
    """One deserialised plan with its execution context."""

    def __init__(
        self,
        tensorrt: TensorRt,
        plan: bytes,
        spec: GraphSpec,
        where: str,
        kernels: CompiledFile | None = None,
    ) -> None:
        self._tensorrt, self._where = tensorrt, where
        self._kernels, self._kept = kernels, b""
        self._settings: Any = None
        self._cache: Any = None
        trt = tensorrt.module
        tensorrt.errors.clear()
        with cuda_errors(f"opening {where}"):
            runtime = trt.Runtime(tensorrt.logger)
            self._refuse_invalid(runtime, plan)
            engine = runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise EngineError(
                    f"{where}: {tensorrt.target} {tensorrt.version} refuses the plan: "
                    f"{tensorrt.last_error()}; build it again with: same-export --bundle ... "
                    f"--target {tensorrt.target}"
                )
            _check_signature(trt, engine, spec, where)
            context = self._create_context(engine)
        if context is None:
            raise EngineError(
                f"{where}: no execution context: {tensorrt.last_error()}; free memory on the GPU, "
                "or use a smaller preset or fp16 graphs"
            )
        self._runtime, self._engine, self._context = runtime, engine, context

    def _create_context(self, engine: Any) -> Any:
        if self._kernels is None:
            return engine.create_execution_context()
        self._settings = engine.create_runtime_config()
        self._cache = self._settings.create_runtime_cache()
        kept = self._kernels.read()
        if kept is not None:
            if self._cache.deserialize(kept):
                self._kept = kept
            else:
                self._kernels.ignore(self._tensorrt.last_error())
        self._settings.set_runtime_cache(self._cache)
        return engine.create_execution_context(runtime_config=self._settings)

    def keep_kernels(self) -> None:
        """Keep what the library compiled since the plan was opened; after the first run."""
        if self._kernels is None or self._cache is None:
            return
        try:
            with cuda_errors(f"keeping the kernels of {self._where}"):
                serialised = self._cache.serialize()
        except EngineError as error:
            _log.warning("%s", error)
            return
        kernels = b"" if serialised is None else bytes(serialised)
        if kernels and kernels != self._kept:
            self._kernels.write(kernels)

    def _refuse_invalid(self, runtime: Any, plan: bytes) -> None:
        trt = self._tensorrt.module
        if not hasattr(runtime, "get_engine_validity"):
            return
        validity, diagnostics = runtime.get_engine_validity(plan)
        if validity == trt.EngineValidity.INVALID:
            raise EngineError(
                f"{self._where}: {self._tensorrt.target} says the plan is not valid on this GPU "
                f"(diagnostics {int(diagnostics)}): {self._tensorrt.last_error()}; use "
                "backend='tensorrt' or 'onnxruntime-cuda' on this card"
            )

    def bind(self, name: str, address: int) -> None:
        if not self._context.set_tensor_address(name, address):
            raise EngineError(f"{self._where}: cannot bind {name}: {self._tensorrt.last_error()}")

    def enqueue(self, stream: Any) -> None:
        with cuda_errors(f"running {self._where}"):
            queued = self._context.execute_async_v3(stream_handle(stream))
        if not queued:
            raise EngineError(f"{self._where}: failed: {self._tensorrt.last_error()}")

    def close(self) -> None:
        # In this order: a context needs its settings and engine, an engine its runtime.
        self._context = None
        self._cache = None
        self._settings = None
        self._engine = None
        self._runtime = None


def _check_signature(trt: Any, engine: Any, spec: GraphSpec, where: str) -> None:
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    came = {
        (
            name,
            tuple(engine.get_tensor_shape(name)),
            np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name,
            engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT,
        )
        for name in names
    }
    want = {(t.name, t.shape, t.dtype, True) for t in spec.inputs}
    want |= {(t.name, t.shape, t.dtype, False) for t in spec.outputs}
    if came != want:
        raise EngineError(
            f"{where}: the plan's inputs and outputs are not the manifest's; only in the plan: "
            f"{sorted(came - want)}, only in the manifest: {sorted(want - came)}"
        )
