"""``same-bench gpu``: everything that is claimed of the GPU path, built, checked and measured.

Needs an NVIDIA GPU and PyTorch with CUDA. What a machine lacks (TensorRT, nvcc, a library that
refuses the card) is reported with its own words; what is there is measured. ``--rehearse`` goes
the same way without a GPU, so that a missing package or file is found before one is at hand.
"""

import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from same_bench.gpu.verdicts import verdicts
from same_bench.measuring.machine import machine_facts, versions
from same_bench.reporting.record import write_record
from same_engines.errors import EngineError
from same_engines.field_checks import check_ranges
from same_engines.gpu.cuda_device import find_driver
from same_runtime.cli.console import results
from same_runtime.cli.output_places import make_folder

Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class GpuCommand:
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

    def __post_init__(self) -> None:
        check_ranges(self, frames=(1, 1e6))


def run(command: GpuCommand) -> None:
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
    from same_bench.gpu.measure import Settings, measure_kernel, measure_preset, refusals

    make_folder("--out", command.out.parent)
    settings = Settings(command.presets, command.precisions, command.ckpt, command.frames)
    console = results()
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
        write_record(command.out, report)

    launch = measure_kernel(settings, report, console)
    keep()
    if not command.only_kernel:
        with tempfile.TemporaryDirectory() as work:
            for preset in command.presets:
                with refusals(report["presets"], preset, console):
                    measure_preset(settings, preset, Path(work), launch, report, console, keep)
                keep()
    report["verdicts"] = verdicts(report)
    keep()
    for name, verdict in report["verdicts"].items():
        console.print(f"{name}: {verdict}")
    console.print(f"wrote {command.out}")


def _gpu_versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for package in ("tensorrt-rtx-cu13-libs", "tensorrt", "onnxruntime-gpu", "cuda-core"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found
