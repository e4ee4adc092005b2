"""Everything that is claimed of the GPU path, built, checked and measured in one run.

    python benchmarks/gpu/measure_gpu.py --out benchmarks/results/gpu.json

Needs an NVIDIA GPU and PyTorch with CUDA. What a machine lacks (TensorRT, nvcc, a library that
refuses the card) is reported with its own words; what is there is measured. ``--rehearse`` goes
the same way without a GPU, so that a missing package or file is found before one is at hand.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

_ROOT = Path(__file__).resolve().parents[2]
for _folder in ("benchmarks/gpu", "tests/support"):
    sys.path.insert(0, str(_ROOT / _folder))

from same_bench.machine import machine_facts, versions  # noqa: E402
from same_bench.stats import summarise  # noqa: E402
from same_engines import Bundle, Engine, open_engine  # noqa: E402
from same_engines.bundle.manifest import STAGES  # noqa: E402
from same_engines.errors import EngineError, SameError  # noqa: E402
from same_engines.gpu.cuda_device import CudaDevice, find_driver  # noqa: E402
from same_runtime.cli.command import run_command  # noqa: E402

Precision = Literal["fp32", "fp16"]
Opener = Callable[[], Engine]

_CHECKED_FRAMES = 40
_CHECK_SEEDS = range(3)
_STAGE_RUNS = 300
_MOST_REASON = 800
_TARGETS = {"p50_ms": 0.5, "p99_ms": 0.8, "over_eager": 10.0, "over_onnxruntime_cuda": 2.0,
            "operator_speed_up": 5.0, "error_mm": 1.0}  # fmt: skip


@dataclass(frozen=True)
class MeasureGpuCommand:
    """Build, check and measure the GPU path on this machine's GPU, and write JSON."""

    presets: tuple[Literal["lite", "base", "large"], ...] = ("lite", "base", "large")
    """Presets to measure, with random weights unless --ckpt has one of that preset."""
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    """Precisions to measure."""
    ckpt: tuple[Path, ...] = ()
    """Checkpoints, each for the preset it is of."""
    frames: int = 2000
    """Frames pushed through each engine."""
    only_kernel: bool = False
    """Check and measure the operator's kernel, nothing else."""
    rehearse: bool = False
    """Run where there is no GPU: all that needs one is refused, and the reasons are written."""
    out: Path = Path("benchmarks/results/gpu.json")
    """JSON report to write."""


def measure(command: MeasureGpuCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    missing = None if command.rehearse else find_driver()
    if missing is not None:
        raise EngineError(f"{missing}: run this where there is a GPU; nothing was written")
    try:
        import torch
    except ImportError as error:
        raise EngineError(f"PyTorch: {error}; pip install torch") from None
    if not command.rehearse and not torch.cuda.is_available():
        raise EngineError("PyTorch sees no GPU: install its CUDA build; nothing was written")
    console = Console()
    report: dict[str, Any] = {
        "device": "none: a rehearsal" if command.rehearse else torch.cuda.get_device_name(),
        "compute_capability": [] if command.rehearse else list(torch.cuda.get_device_capability()),
        "machine": machine_facts(),
        "versions": {**versions(), **_gpu_versions(), "cuda": torch.version.cuda},
        "frames": command.frames,
        "kernel": {},
        "presets": {},
    }

    def keep() -> None:  # after every part, so that a run that is cut off keeps what it measured
        command.out.parent.mkdir(parents=True, exist_ok=True)
        command.out.write_text(json.dumps(report, indent=1) + "\n")

    launch = _measure_kernel(command, report, console)
    keep()
    if not command.only_kernel:
        with tempfile.TemporaryDirectory() as work:
            for preset in command.presets:
                with _refusals(report["presets"], preset, console):
                    _measure_preset(command, preset, Path(work), launch, report, console, keep)
                keep()
    report["verdicts"] = verdicts(report)
    keep()
    for name, verdict in report["verdicts"].items():
        console.print(f"{name}: {verdict}")
    console.print(f"wrote {command.out}")


@contextmanager
def _refusals(result: dict[str, Any], at: str, console: Console) -> Iterator[None]:
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


def _gpu_versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in ("tensorrt-rtx-cu13-libs", "tensorrt", "onnxruntime-gpu", "cuda-core"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def _measure_kernel(
    command: MeasureGpuCommand, report: dict[str, Any], console: Console
) -> Callable[..., None] | None:
    import kernel

    from same_engines.gpu.deform_attn_cuda import DeformAttnKernel
    from same_model.config import PRESETS

    result = report["kernel"]
    with _refusals(result, "copy", console):
        result["copy"] = {"gb_s": kernel.copy_bandwidth_gb_s()}
    launches: dict[str, Callable[..., None]] = {}
    makers: dict[str, Callable[[], Any]] = {
        "nvrtc": lambda: DeformAttnKernel(CudaDevice().architecture),
        "nvcc": lambda: kernel.NativeKernel(_ROOT / "build/cuda-benchmark"),
    }
    for name, make in makers.items():
        with _refusals(result, name, console):
            launches[name] = make().launch
    for name, launch in launches.items():
        for preset in command.presets:
            for precision in command.precisions:
                for channels_last in (False, True):
                    layout = "channels-last" if channels_last else "channels-first"
                    at = f"{preset} {precision} {layout} {name}"
                    shape = kernel.shape_of(PRESETS[preset], precision == "fp16", channels_last)
                    with _refusals(result, at, console):
                        entry = {"relative_error": kernel.check(launch, shape, _CHECK_SEEDS)}
                        result[at] = entry
                        entry |= kernel.measure(launch, shape, result["copy"].get("gb_s"))
                        console.print(
                            f"kernel {at}: {1e3 * entry['cold_ms']:.1f} us cold, "
                            f"{1e3 * entry['warm_ms']:.1f} us warm, {entry['cold_gb_s']:.0f} GB/s, "
                            f"error {entry['relative_error']:.1e}"
                        )
    return next(iter(launches.values()), None)


def _measure_preset(
    command: MeasureGpuCommand,
    preset: str,
    work: Path,
    launch: Callable[..., None] | None,
    report: dict[str, Any],
    console: Console,
    keep: Callable[[], None],
) -> None:
    from same_export.write_bundle import write_bundle
    from same_model.data.rig import emhi_like_rig

    model, weights = _model(command, preset)
    console.print(f"exporting {preset}")
    folder = work / f"{preset}.same"
    write_bundle(model, "0" * 64, emhi_like_rig(), folder, command.precisions)
    bundle = Bundle.open(folder)
    result = report["presets"][preset] = {"weights": weights, "engines": {}}
    reference = _joints(lambda: open_engine(bundle, "onnxruntime", "fp32"), folder)
    for precision in command.precisions:
        for name, opener in _openers(bundle, precision, model, launch).items():
            at = f"{name} {precision}"
            started = time.perf_counter()
            with _refusals(result["engines"], at, console):
                entry = _measure_engine(opener, folder, reference, command.frames)
                result["engines"][at] = entry
                console.print(
                    f"{preset} {at}: push p50 {entry['push']['p50_ms']:.3f} ms, "
                    f"p99 {entry['push']['p99_ms']:.3f} ms, error {entry['error_mm']:.3f} mm "
                    f"({time.perf_counter() - started:.0f} s)"
                )
            keep()


def _model(command: MeasureGpuCommand, preset: str) -> tuple[Any, str]:
    import torch

    from same_model.checkpoint import load_checkpoint
    from same_model.config import PRESETS
    from same_model.same_network import SameModel

    for path in command.ckpt:
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
    from torch_device import TorchDevice, kernel_operator, torch_engine

    from same_engines.onnxruntime.cuda_engine import open_onnxruntime_cuda_engine
    from same_engines.tensorrt.engine import open_tensorrt_engine
    from same_export.stages import for_precision

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
    from streams import made_up_stream

    from same_runtime.tracker import SamePoseTracker

    with SamePoseTracker(folder, backend=opener()) as tracker:
        stream = made_up_stream(tracker.rig, _CHECKED_FRAMES)
        return np.stack([tracker.push(*sample).joints_world for sample in stream])


def _measure_engine(
    opener: Opener, folder: Path, reference: np.ndarray, frames: int
) -> dict[str, Any]:
    from streams import made_up_stream

    from same_runtime.tracker import SamePoseTracker

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


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Each target with what was measured of it, or that it was not measured."""
    engines = report["presets"].get("base", {}).get("engines", {})
    ours = {
        name: entry
        for name, entry in engines.items()
        if name.endswith(" fp16") and "push" in entry and ("plugin" in name or "kernel" in name)
    }
    said = {}
    if ours:
        name, best = min(ours.items(), key=lambda item: item[1]["push"]["p50_ms"])
        p50 = best["push"]["p50_ms"]
        said["base fp16 engine"] = name
        said["push p50"] = _compare(p50, _TARGETS["p50_ms"], "ms", at_most=True)
        said["push p99"] = _compare(
            best["push"].get("p99_ms"), _TARGETS["p99_ms"], "ms", at_most=True
        )
        for peer, target in (("torch eager", "over_eager"),
                             ("onnxruntime-cuda", "over_onnxruntime_cuda")):  # fmt: skip
            push = engines.get(f"{peer} fp16", {}).get("push")
            ratio = push["p50_ms"] / p50 if push else None
            said[f"times faster than {peer}"] = _compare(ratio, _TARGETS[target], "x")
        said["largest joint error"] = _compare(
            best["error_mm"], _TARGETS["error_mm"], "mm", at_most=True
        )
    else:
        said["base fp16"] = "not measured"
    operator = [
        entry["speed_up_over_plugin_free"]
        for name, entry in report["kernel"].items()
        if name.startswith("base fp16") and "speed_up_over_plugin_free" in entry
    ]
    said["operator over its plugin-free form"] = _compare(
        max(operator, default=None), _TARGETS["operator_speed_up"], "x"
    )
    return said


def _compare(value: float | None, target: float, unit: str, at_most: bool = False) -> str:
    if value is None:
        return "not measured"
    held = value <= target if at_most else value >= target
    sign = "<=" if at_most else ">="
    return f"{value:.3g} {unit}, asked {sign} {target:g}: {'holds' if held else 'does not hold'}"


def main() -> int:
    """Entry point."""
    return run_command("measure_gpu", MeasureGpuCommand, measure)


if __name__ == "__main__":
    sys.exit(main())
