"""Open a bundle on the NPU of a headset, or on its emulation where there is none."""

import logging

import onnxruntime as ort

from same_engines.bundle.plans import PlanKey, plan_bytes, read_plans, why_stale
from same_engines.bundle.reader import Bundle
from same_engines.errors import BundleError, EngineError
from same_engines.onnxruntime.engine import OnnxRuntimeEngine
from same_engines.qnn.library import (
    SOCS,
    TARGET_PREFIX,
    Qnn,
    Soc,
    find_soc,
    is_emulated,
    load_qnn,
    open_context,
)

VARIANT = "a16w8"
"""16-bit activations, 8-bit weights."""
NPU, CPU = "npu", "cpu"

_log = logging.getLogger("same")


class QnnEngine(OnnxRuntimeEngine):
    """Stages on Qualcomm's NPU as the bundle's plan says, the rest on the CPU beside it.

    State and tensors between stages are float32 in host memory; on the headset the NPU shares
    it. ``contexts``: stage -> compiled context, verified.
    """

    def __init__(
        self, bundle: Bundle, target: str, contexts: dict[str, bytes], threads: int
    ) -> None:
        self._qnn, self._soc = load_qnn(), find_soc(target)
        self._contexts = contexts
        super().__init__(bundle, "fp32", threads)
        self.backend = target

    def _open_session(self, bundle: Bundle, stage: str, threads: int) -> ort.InferenceSession:
        context = self._contexts.get(stage)
        if context is None:
            return super()._open_session(bundle, stage, threads)
        return open_context(self._qnn, context, self._soc, f"{bundle.path}: {stage}")


def open_qnn_engine(bundle: Bundle, backend: str, threads: int) -> QnnEngine:
    """Open ``bundle`` on ``backend``: a target such as ``qnn-xr2gen2``, or ``qnn`` for the one
    that the bundle was compiled for.

    Raises ``EngineError`` when onnxruntime-qnn is missing, the SoC is unknown or the bundle has
    no plan for it that this library can run; ``BundleError`` for a bad graph.
    Contexts are never built here: quantising needs a recording.
    """
    target = _only_target(bundle) if backend == "qnn" else backend
    soc = find_soc(target)
    qnn = load_qnn()
    processors = bundle.manifest.targets.get(target)
    if not processors:
        raise EngineError(
            f"{target}: bundle {bundle.path} has no plan for it; {compile_hint(bundle, target)}"
        )
    contexts = {
        stage: _context(bundle, key_of(qnn, target, soc), stage)
        for stage, processor in processors.items()
        if processor == NPU
    }
    engine = QnnEngine(bundle, target, contexts, threads)
    placed = ", ".join(f"{stage} on the {where}" for stage, where in processors.items())
    _log.info("%s: %s%s", target, placed, ", EMULATED: times mean nothing" * is_emulated())
    return engine


def key_of(qnn: Qnn, target: str, soc: Soc) -> PlanKey:
    """What contexts compiled by this library for ``soc`` are good for."""
    return PlanKey(target, f"{qnn.version} (QNN {qnn.sdk_version})", soc.describe())


def compile_hint(bundle: Bundle, target: str) -> str:
    return f"compile it: same-export --bundle {bundle.path} --target {target}"


def _only_target(bundle: Bundle) -> str:
    targets = [name for name in bundle.manifest.targets if name.startswith(TARGET_PREFIX)]
    if len(targets) == 1:
        return targets[0]
    if targets:
        raise EngineError(
            f"qnn: bundle {bundle.path} is compiled for {' and '.join(targets)}; name one as the "
            "backend"
        )
    raise EngineError(
        f"qnn: bundle {bundle.path} has no NPU plan; compile it with --target one of "
        f"{', '.join(SOCS)}: same-export --bundle {bundle.path} --target {next(iter(SOCS))}"
    )


def _context(bundle: Bundle, key: PlanKey, stage: str) -> bytes:
    try:
        plans = read_plans(bundle, key.target)
        reason = why_stale(plans, bundle, key, "fp32", VARIANT, stage)
        plan = plans.find("fp32", VARIANT, stage) if plans is not None else None
        if reason is None and plans is not None and plan is not None:
            return plan_bytes(bundle, key.target, plan, plans.is_signed)
    except BundleError as error:
        reason = str(error)
    raise EngineError(
        f"{key.target}: the {stage} plan cannot be used: {reason}; "
        f"{compile_hint(bundle, key.target)}"
    )
