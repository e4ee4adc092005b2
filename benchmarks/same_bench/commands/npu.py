"""``same-bench npu``: the record of a bundle on a headset's NPU, quantised, compiled and tracked.

Emulation takes about two seconds of one processor a frame for ``lite``; none of its times mean
anything for a headset, so none are kept.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from same_bench.reporting.report import write_whole
from same_engines import Bundle
from same_engines.errors import EngineError, install_hint
from same_engines.field_checks import check_ranges
from same_engines.qnn.library import SOCS, find_soc
from same_runtime.cli.console import results, steps_shown
from same_runtime.cli.option_types import one_of
from same_runtime.cli.output_places import make_folder
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.recording import Recording


@dataclass(frozen=True)
class NpuCommand:
    """Compile a bundle for an NPU, track a recording on it, and keep the report."""

    bundle: Path | None = None
    """Bundle to compile; it is not changed. Default: the shipped one."""
    target: Annotated[str, one_of(*SOCS)] = "qnn-xr2gen2"
    """The NPU."""
    recording: Path | None = None
    """Recording to calibrate with and to track; default: the shipped one."""
    frames: int = 303
    """Frames to track, from the recording's start."""
    out: Path = Path("benchmarks/results/qnn")
    """Folder for the report."""

    def __post_init__(self) -> None:
        check_ranges(self, frames=(1, 1e6))


def run(command: NpuCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    recording = Recording(command.recording or demo_recording())
    find_soc(command.target)
    make_folder("--out", command.out)
    try:
        from same_export.qnn.build import build_and_write, count_steps
    except ImportError as error:
        raise EngineError(f"npu: {error}; {install_hint('export,qnn')}") from None
    steps = count_steps(recording, command.frames)
    with tempfile.TemporaryDirectory() as folder, steps_shown(steps) as step:
        copied = Path(folder) / "bundle.same"
        shutil.copytree(command.bundle or demo_bundle(), copied)
        bundle = Bundle.open(copied)
        report = build_and_write(bundle, command.target, recording, step, command.frames)
    stem = f"{report.preset}-{command.target.removeprefix('qnn-')}"
    write_whole(command.out / f"{stem}.json", report.to_json())
    write_whole(command.out / f"{stem}.md", report.to_markdown())
    results().print(f"wrote {command.out / stem}.json and .md")
