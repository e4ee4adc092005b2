"""The operator's kernel and every engine on one GPU, each part measured or refused by itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from same_bench.gpu import kernel
from same_bench.gpu.torch_device import TorchDevice, kernel_operator, torch_engine
from same_bench.measuring.checkout import find_checkout
from same_bench.measuring.made_up_stream import made_up_stream
from same_bench.reporting.stats import summarise
from same_engines import Bundle, Engine, open_engine
from same_engines.bundle.manifest import STAGES
from same_engines.errors import SameError
from same_engines.gpu.cuda_device import CudaDevice
from same_engines.gpu.deform_attn_cuda import DeformAttnKernel
from same_engines.onnxruntime.cuda_engine import open_onnxruntime_cuda_engine
from same_engines.tensorrt.engine import open_tensorrt_engine
from same_export.stages import for_precision
from same_export.write_bundle import write_bundle
from same_model.checkpoint import load_checkpoint
from same_model.config import PRESETS
from same_model.data.rig import emhi_like_rig
from same_model.same_network import SameModel
from same_runtime.tracker import SamePoseTracker

Opener = Callable[[], Engine]

_CHECKED_FRAMES = 40
_CHECK_SEEDS = range(3)
_STAGE_RUNS = 300
_MOST_REASON = 800


@dataclass(frozen=True)
class Settings:
    """What is measured; see ``GpuCommand``."""

    presets: tuple[str, ...]
    precisions: tuple[str, ...]
    ckpt: tuple[Path, ...]
    frames: int


@contextmanager
def refusals(result: dict[str, Any], at: str, console: Console) -> Iterator[None]:
    """Write under ``at`` why a part cannot be measured, instead of losing the others.

    PyTorch, its compiler and the CUDA packages raise many unrelated kinds of errors.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:_MOST_REASON] or type(error).__name__
        if not isinstance(error, SameError):
            reason = f"{type(error).__name__}: {reason}"
        result.setdefault(at, {})
        result[at]["refused"] = reason
        console.print(f"{at}: {reason}", markup=False)


def measure_kernel(
    settings: Settings, report: dict[str, Any], console: Console
) -> Callable[..., None] | None:
    result = report["kernel"]
    with refusals(result, "copy", console):
        result["copy"] = {"gb_s": kernel.copy_bandwidth_gb_s()}
    launches: dict[str, Callable[..., None]] = {}
    makers: dict[str, Callable[[], Any]] = {
        "nvrtc": lambda: DeformAttnKernel(CudaDevice().architecture),
        "nvcc": lambda: kernel.NativeKernel(find_checkout() / "build/cuda-benchmark"),
    }
    for name, make in makers.items():
        with refusals(result, name, console):
            launches[name] = make().launch
    for name, launch in launches.items():
        for preset in settings.presets:
            for precision in settings.precisions:
                for channels_last in (False, True):
                    layout = "channels-last" if channels_last else "channels-first"
                    at = f"{preset} {precision} {layout} {name}"
                    shape = kernel.shape_of(PRESETS[preset], precision == "fp16", channels_last)
                    with refusals(result, at, console):
                        entry = {"relative_error": kernel.check(launch, shape, _CHECK_SEEDS)}
                        result[at] = entry
                        entry |= kernel.measure(launch, shape, result["copy"].get("gb_s"))
                        console.print(
                            f"kernel {at}: {1e3 * entry['cold_ms']:.1f} us cold, "
                            f"{1e3 * entry['warm_ms']:.1f} us warm, {entry['cold_gb_s']:.0f} GB/s, "
                            f"error {entry['relative_error']:.1e}"
                        )
    return next(iter(launches.values()), None)


def measure_preset(
    settings: Settings,
    preset: str,
    work: Path,
    launch: Callable[..., None] | None,
    report: dict[str, Any],
    console: Console,
    keep: Callable[[], None],
) -> None:
    model, weights = _model(settings, preset)
    console.print(f"exporting {preset}")
    folder = work / f"{preset}.same"
    write_bundle(model, "0" * 64, emhi_like_rig(), folder, settings.precisions)
    bundle = Bundle.open(folder)
    result: dict[str, Any] = {"weights": weights, "engines": {}}
    report["presets"][preset] = result
    reference = _joints(lambda: open_engine(bundle, "onnxruntime", "fp32"), folder)
    for precision in settings.precisions:
        for name, opener in _openers(bundle, precision, model, launch).items():
            at = f"{name} {precision}"
            started = time.perf_counter()
            with refusals(result["engines"], at, console):
                entry = _measure_engine(opener, folder, reference, settings.frames)
                result["engines"][at] = entry
                console.print(
                    f"{preset} {at}: push p50 {entry['push']['p50_ms']:.3f} ms, "
                    f"p99 {entry['push']['p99_ms']:.3f} ms, error {entry['error_mm']:.3f} mm "
                    f"({time.perf_counter() - started:.0f} s)"
                )
            keep()


def _model(settings: Settings, preset: str) -> tuple[Any, str]:
    for path in settings.ckpt:
        model = load_checkpoint(path)
        if model.config.preset == preset:
            return model, path.name
    torch.manual_seed(0)
    model = SameModel(PRESETS[preset])
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():  # output heads start at zero, which would hide every error
                parameter.normal_(std=0.01)
    return model.eval(), "random"


def _openers(
    bundle: Bundle, precision: str, model: Any, launch: Callable[..., None] | None
) -> dict[str, Opener]:
    def torch_mode(mode: str, operator: Callable[..., Any] | None = None) -> Opener:
        return lambda: torch_engine(
            bundle, precision, for_precision(model, precision), mode, TorchDevice(), operator
        )

    openers: dict[str, Opener] = {
        f"{target} {variant}": lambda target=target, variant=variant: open_tensorrt_engine(  # type: ignore[misc]
            bundle, target, precision, variant
        )
        for target in ("tensorrt-rtx", "tensorrt")
        for variant in ("plugin", "standard")
    }
    openers["onnxruntime-cuda"] = lambda: open_onnxruntime_cuda_engine(bundle, precision)
    openers |= {f"torch {mode}": torch_mode(mode) for mode in ("eager", "compile", "graph")}
    if launch is not None:
        openers["torch graph with the kernel"] = torch_mode("graph", kernel_operator(launch))
    return openers


def _joints(opener: Opener, folder: Path) -> np.ndarray:
    """Joints of the first frames, metres, world frame."""

    with SamePoseTracker(folder, backend=opener()) as tracker:
        stream = made_up_stream(tracker.rig, _CHECKED_FRAMES)
        return np.stack([tracker.push(*sample).joints_world for sample in stream])


def _measure_engine(
    opener: Opener, folder: Path, reference: np.ndarray, frames: int
) -> dict[str, Any]:
    engine = opener()
    with SamePoseTracker(folder, backend=engine) as tracker:
        joints, latencies = [], []
        for index, sample in enumerate(made_up_stream(tracker.rig, frames + _CHECKED_FRAMES)):
            started = time.perf_counter_ns()
            pose = tracker.push(*sample)
            took = time.perf_counter_ns() - started
            if index < _CHECKED_FRAMES:
                joints.append(pose.joints_world)
            else:
                latencies.append(took)
        error_m = np.linalg.norm(np.stack(joints) - reference, axis=-1).max()
        return {
            "error_mm": 1e3 * float(error_m),
            "push": _milliseconds(latencies),
            "stages": {stage: _stage_ms(engine, stage) for stage in STAGES},
        }


def _stage_ms(engine: Engine, stage: str) -> dict[str, float]:
    latencies = []
    for index in range(_STAGE_RUNS + 10):
        started = time.perf_counter_ns()
        engine.run(stage)
        if index >= 10:
            latencies.append(time.perf_counter_ns() - started)
    return _milliseconds(latencies)


def _milliseconds(latency_ns: list[int]) -> dict[str, float]:
    summary = summarise(latency_ns)
    return {
        "frames": summary.count,
        **{
            f"{name}_ms": value / 1e6
            for name, value in summary.percentiles.items()
            if value is not None
        },
        "max_ms": summary.max / 1e6,
    }
