"""``same-bench native``: what the tracker costs an app without Python."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from same_bench.measuring.checkout import find_checkout
from same_bench.reporting.record import about_the_run, write_record
from same_engines import Bundle
from same_engines.errors import EngineError
from same_engines.field_checks import check_ranges
from same_runtime.camera import CameraRig
from same_runtime.cli.console import messages, results
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_bundle
from same_runtime.estimation.native_engine import onnxruntime_library
from same_runtime.native import include_path, library_path
from same_runtime.options import MOST_THREADS


@dataclass(frozen=True)
class NativeCommand:
    """Measure the C interface: opening, push, samples beside the running network, memory."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    threads: int = 1
    """CPU threads of the visual stage."""
    frames: int = 1000
    """Frames pushed one after the other."""
    seconds: float = 30.0
    """How long a started tracker runs, at 90 Hz."""
    out: Path | None = None
    """JSON record to write."""

    def __post_init__(self) -> None:
        check_ranges(self, threads=(1, MOST_THREADS), frames=(1, 1e6), seconds=(1.0, 86_400.0))


def run(command: NativeCommand) -> None:
    """Run the command. Raises ``EngineError`` without the sources, a C compiler or ONNX Runtime's
    library, ``InvalidInputError`` for less than one frame."""
    check_file_place("--out", command.out)
    bundle = Bundle.open(command.bundle or demo_bundle())
    messages().print(f"runs for about {command.seconds + 0.015 * command.frames:.0f} s")
    figures = _measure(bundle, command)
    figures["library_mib"] = round(library_path().stat().st_size / 2**20, 3)
    record = {
        **about_the_run("same-bench/native/1", bundle),
        "threads": command.threads,
        "figures": figures,
    }
    results().print_json(json.dumps(figures))
    if command.out is not None:
        write_record(command.out, record)
        messages().print(f"wrote {command.out}")


def _measure(bundle: Bundle, command: NativeCommand) -> dict[str, Any]:
    source = find_checkout() / "cpp" / "bench" / "native_bench.c"
    runtime = onnxruntime_library()
    if runtime is None:
        raise EngineError("this ONNX Runtime's package has no C library")
    compiler = shutil.which("cc")
    if compiler is None:
        raise EngineError("no C compiler: install one that is called cc")
    library = library_path()
    camera = CameraRig.from_dict(bundle.manifest.rig).left
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "native_bench"
        build = [compiler, "-O2", "-D_POSIX_C_SOURCE=200809L", f"-I{include_path()}", str(source)]
        build += [str(library), f"-Wl,-rpath,{library.parent}", "-o", str(program)]
        numbers = (camera.width, camera.height, command.threads, command.frames, command.seconds)
        measure = [str(program), str(bundle.path), runtime, *map(str, numbers)]
        for step in (build, measure):
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode != 0:
                last = (done.stderr or done.stdout).strip().splitlines()[-1:]
                raise EngineError(f"{Path(step[0]).name}: {' '.join(last) or 'failed'}")
    return json.loads(done.stdout)
