"""``same-bench``: one subcommand a benchmark, each in a module of ``same_bench.commands``."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

_DEFAULT: Final = "latency"


class _Command(NamedTuple):
    options: str
    """Name of the options' class in the module of the subcommand's name; ``run`` runs it."""
    summary: str


_COMMANDS: Final = {
    "latency": _Command("LatencyCommand", "frame to pose, part by part, and peers (the default)"),
    "compare": _Command("CompareCommand", "is one latency report faster than another, or chance?"),
    "push": _Command("PushCommand", "push against PyTorch eager and recomputing the window"),
    "engines": _Command("EnginesCommand", "a processor's engines, precisions and thread counts"),
    "ingest": _Command("IngestCommand", "what one device sample costs"),
    "live": _Command("LiveCommand", "a started tracker: missed display deadlines and their cause"),
    "prediction": _Command("PredictionCommand", "what at_time gains over holding the last pose"),
    "faults": _Command("FaultsCommand", "error as images, samples and cameras get worse or lost"),
    "fuzz": _Command("FuzzCommand", "hostile files by the thousand: typed errors, or it fell"),
    "npu": _Command("NpuCommand", "a bundle quantised for a headset's NPU, and tracked on it"),
    "gpu": _Command("GpuCommand", "everything claimed of the GPU path, checked and measured"),
    "figures": _Command("FiguresCommand", "the README's picture and table from a latency report"),
}


def _help() -> str:
    rows = "\n".join(f"  {name:<11} {command.summary}" for name, command in _COMMANDS.items())
    return (
        "usage: same-bench [COMMAND] [OPTIONS]\n\n"
        "Measure the tracker on this machine. Without a command: latency.\n\n"
        f"commands (each has --help):\n{rows}\n\n"
        "options:\n  -h, --help  show this help message and exit\n\n"
        "Try: same-bench --rate 90 --duration 30s --report report"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``same-bench``; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["-h"], ["--help"]):
        print(_help())
        return 0
    # Reports name the command without a subcommand too, as it was before there were others.
    prog = "same-bench"
    name = _DEFAULT
    if given and not given[0].startswith("-"):
        name = given.pop(0)
        prog = f"same-bench {name}"
        if name not in _COMMANDS:
            known = ", ".join(_COMMANDS)
            print(f"same-bench: {name!r} is no command; expected {known}", file=sys.stderr)
            return 2
    # Imported when asked for, so that --help does not wait for what it does not need.
    from same_runtime.cli.command import run_command

    module = import_module(f"same_bench.commands.{name}")
    return run_command(prog, getattr(module, _COMMANDS[name].options), module.run, given)
