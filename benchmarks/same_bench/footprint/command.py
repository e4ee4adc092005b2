"""``same-bench footprint``: what each preset takes of a device.

Storage, arithmetic and bytes come from the exported graphs and hold anywhere; memory and threads
are those of a Python process on this machine that replays made-up images of a headset's size with
ONNX Runtime. The weights are untrained: none of this depends on what they are.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from same_bench.measuring.cold_start import FRAMES, cold_start
from same_bench.measuring.made_up_stream import made_up_stream
from same_bench.reporting.marked_block import check_marked, replace_marked
from same_bench.reporting.pages import markdown_table
from same_bench.reporting.record import about_the_run, write_record
from same_bench.reporting.tables import NOT_TOLD, TextTable
from same_engines import Bundle
from same_engines.errors import EngineError, install_hint
from same_engines.field_checks import check_ranges
from same_runtime.camera import CameraRig
from same_runtime.cli.console import messages
from same_runtime.cli.output_places import check_file_place
from same_runtime.options import MOST_THREADS
from same_runtime.recording import RawLegReading, RawPose, RecordingWriter

MARK: Final = "same-bench footprint"
_BACKEND: Final = "onnxruntime"
_PRECISION: Final = "fp32"


@dataclass(frozen=True)
class FootprintCommand:
    """Storage, memory, threads, arithmetic and bytes a frame of each preset."""

    presets: tuple[Literal["lite", "base", "large"], ...] = ("lite", "base", "large")
    """Sizes of the network."""
    threads: int = 1
    """Threads of the network."""
    out: Path | None = None
    """JSON record to write."""
    page: Path | None = None
    """Markdown page whose block `same-bench footprint` is replaced by the table."""

    def __post_init__(self) -> None:
        check_ranges(self, threads=(1, MOST_THREADS))


def run(command: FootprintCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    check_file_place("--out", command.out)
    if command.page is not None:
        check_marked(command.page, MARK)
    presets: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for preset in command.presets:
            messages().print(f"exporting {preset} and tracking with it")
            presets[preset] = _measure(preset, Path(folder) / f"{preset}.same", command.threads)
    lines = markdown_table(footprint_table(presets))
    if command.out is not None:
        about = about_the_run("same-bench/footprint/1")
        ran_on = {"backend": _BACKEND, "precision": _PRECISION}
        record = {**about, **ran_on, "threads": command.threads, "presets": presets}
        write_record(command.out, record)
    if command.page is not None:
        replace_marked(command.page, MARK, lines)
    print("\n".join(lines))


def _measure(preset: str, folder: Path, threads: int) -> dict[str, Any]:
    try:
        from same_bench.footprint.count import footprint_of
        from same_export.write_bundle import write_bundle
        from same_model.config import PRESETS
        from same_model.data.rig import emhi_like_rig
        from same_model.same_network import SameModel
    except ImportError as error:
        raise EngineError(f"footprint: {error}; {install_hint('export')}") from None
    config = PRESETS[preset]
    rig = emhi_like_rig()
    write_bundle(SameModel(config).eval(), "0" * 64, rig, folder)
    recording = folder.with_suffix(".mcap")
    _record(recording, rig)
    process = cold_start(folder, recording, _BACKEND, _PRECISION, threads)
    kept = ("rss_mib", "peak_rss_mib", "threads", "live_threads")
    return {
        "input": [config.input_width, config.input_height],
        **asdict(footprint_of(Bundle.open(folder))),
        "process": {name: process[name] for name in kept},
    }


def _record(path: Path, rig: CameraRig) -> None:
    """A made-up recording of the headset's own image size."""
    with RecordingWriter(path, rig) as writer:
        for frame, imu in made_up_stream(rig, FRAMES):
            for device in ("head", "ctrl_left", "ctrl_right"):
                pose = getattr(imu, device)
                raw = RawPose(pose.position, pose.orientation_xyzw)
                writer.write_pose(device, frame.timestamp_ns, raw)
            for device in ("leg_left", "leg_right"):
                leg = getattr(imu, device)
                raw_leg = RawLegReading(leg.orientation_xyzw, leg.acceleration)
                writer.write_leg(device, frame.timestamp_ns, raw_leg)
            writer.write_frame(frame)


def footprint_table(presets: dict[str, dict[str, Any]]) -> TextTable:
    """The figures of ``_measure`` of each preset, a column each."""

    def row(title: str, text: Any) -> list[str]:
        return [title, *(text(found) for found in presets.values())]

    def summed(found: dict[str, Any], key: str) -> float:
        return sum(stage[key] for stage in found["stages"].values())

    def stage_macs(name: str) -> list[str]:
        return row(
            f"- {name}",
            lambda found: f"{found['stages'][name]['multiply_accumulates'] / 1e6:,.1f} M",
        )

    def frame(title: str, key: str) -> list[str]:
        return row(title, lambda found: f"{found['frame'][key] / 1e3:,.1f} kB")

    def process(title: str, key: str, unit: str) -> list[str]:
        def text(found: dict[str, Any]) -> str:
            value = found["process"][key]
            return NOT_TOLD if value is None else f"{value:,.0f}{unit}"

        return row(title, text)

    rows = [
        row("images, both eyes", lambda found: "2 x {} x {}".format(*found["input"])),
        row("parameters", lambda found: f"{summed(found, 'parameters') / 1e6:.2f} M"),
        row("flash, fp32", lambda found: f"{found['flash_bytes']['fp32'] / 1e6:.1f} MB"),
        row("flash, fp16", lambda found: f"{found['flash_bytes']['fp16'] / 1e6:.1f} MB"),
        row(
            "multiply-accumulates a frame",
            lambda found: f"{summed(found, 'multiply_accumulates') / 1e6:,.0f} M",
        ),
        *(stage_macs(stage) for stage in next(iter(presets.values()))["stages"]),
        row(
            "RAM of tensors, four stages",
            lambda found: f"{summed(found, 'memory_bytes') / 1e6:.1f} MB",
        ),
        process("RAM of a whole Python process", "rss_mib", " MiB"),
        process("its peak, while opening", "peak_rss_mib", " MiB"),
        process("threads, a frame at a time", "threads", ""),
        process("threads, started live", "live_threads", ""),
        frame("bytes into the network a frame", "host_to_engine"),
        frame("between its stages", "between_stages"),
        frame("kept for the next frame", "state"),
        frame("out", "engine_to_host"),
    ]
    return TextTable("Footprint", ["", *presets], rows)
