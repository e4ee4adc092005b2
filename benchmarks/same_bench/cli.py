"""``same-bench``: a subcommand for each benchmark, in a module of ``same_bench.commands``."""

from collections.abc import Sequence
from typing import Final

from same_runtime.cli.command import Subcommand, run_subcommand

_ABOUT: Final = """
    Measure the tracker on this machine. Without a command: latency.

    $ same-bench --rate 90 --duration 30s --report report
    """


def _command(name: str, options: str, summary: str) -> Subcommand:
    module = f"same_bench.commands.{name}"
    return Subcommand(f"{module}:{options}", f"{module}:run", summary)


_SUMMARIES: Final = {
    "latency": ("LatencyCommand", "frame to pose, part by part, and peers (the default)"),
    "compare": ("CompareCommand", "is one latency report faster than another, or chance?"),
    "push": ("PushCommand", "push against PyTorch eager and recomputing the window"),
    "engines": ("EnginesCommand", "a processor's engines, precisions and thread counts"),
    "ingest": ("IngestCommand", "what one device sample costs"),
    "live": ("LiveCommand", "a started tracker: missed display deadlines and their cause"),
    "prediction": ("PredictionCommand", "what at_time gains over holding the last pose"),
    "faults": ("FaultsCommand", "error as images, samples and cameras get worse or lost"),
    "fuzz": ("FuzzCommand", "hostile files by the thousand: typed errors, or it fell"),
    "soak": ("SoakCommand", "hours of running: do memory, files or threads grow?"),
    "npu": ("NpuCommand", "a bundle quantised for a headset's NPU, and tracked on it"),
    "gpu": ("GpuCommand", "everything claimed of the GPU path, checked and measured"),
}
_FIGURES: Final = "same_bench.reporting.readme_figures"
_FOOTPRINT: Final = "same_bench.footprint.command"
_NATIVE: Final = "same_bench.native.command"
_COMMANDS: Final = {
    **{name: _command(name, *row) for name, row in _SUMMARIES.items()},
    "native": Subcommand(
        f"{_NATIVE}:NativeCommand",
        f"{_NATIVE}:run",
        "the tracker in C: push, samples beside the network, memory",
    ),
    "footprint": Subcommand(
        f"{_FOOTPRINT}:FootprintCommand",
        f"{_FOOTPRINT}:run",
        "storage, memory, threads, arithmetic of each preset",
    ),
    "figures": Subcommand(
        f"{_FIGURES}:FiguresCommand",
        f"{_FIGURES}:run",
        "the README's picture and table from a latency report",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``same-bench``; returns the exit code."""
    return run_subcommand("same-bench", _ABOUT, _COMMANDS, arguments, "latency", "export")
