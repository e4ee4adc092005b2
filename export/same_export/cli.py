"""``same-export``: a PyTorch checkpoint in, a bundle out."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from same_engines.errors import ExportError
from same_runtime.camera import CameraRig
from same_runtime.command import run_command


@dataclass(frozen=True)
class ExportCommand:
    """Turn a checkpoint into a bundle that SamePoseTracker and same-track open.

    Example: same-export --ckpt model.pt --out model.same
    """

    ckpt: Path
    """Checkpoint: .pt (tensors only, no code) or .safetensors."""
    preset: Literal["lite", "base", "large"] | None = None
    """Preset the checkpoint must be of; default: whichever it is."""
    out: Path | None = None
    """Bundle folder to write; default: the checkpoint's name with .same."""
    rig: Path | None = None
    """JSON file with the headset's cameras (CameraRig.to_dict); default: an EMHI-like rig."""
    precision: Literal["fp32", "fp16", "both"] = "both"
    """Graphs to write: fp32 for CPUs, fp16 for GPUs, or both."""


def export(command: ExportCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    # PyTorch takes seconds to import: --help and mistakes in the arguments must not.
    from same_model.data.rig import emhi_like_rig

    from same_engines.bundle import sha256_file
    from same_export.write_bundle import count_steps, write_bundle
    from same_model.checkpoint import load_checkpoint

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    model = load_checkpoint(command.ckpt, command.preset)
    rig = _read_rig(command.rig) if command.rig else emhi_like_rig()
    out = command.out or command.ckpt.with_suffix(".same")
    precisions = ("fp32", "fp16") if command.precision == "both" else (command.precision,)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=count_steps(precisions))

        def step(name: str) -> None:
            bar.update(task, description=name)
            bar.advance(task)

        parity = write_bundle(model, sha256_file(command.ckpt), rig, out, precisions, step)
    console = Console()
    for precision, result in parity.items():
        worst = max(result.stages.values())
        console.print(
            f"{precision}: stages within {worst:.1e} of full scale, stream within "
            f"{1e3 * result.stream_max_m:.4f} mm of PyTorch over {result.stream_frames} frames"
        )
    console.print(f"bundle: {out}   next: same-track --demo --bundle {out} --preview")


def _read_rig(path: Path) -> CameraRig:
    try:
        return CameraRig.from_dict(json.loads(path.read_text()))
    except OSError as error:
        raise ExportError(f"--rig {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ExportError(f"--rig {path}: {error}") from None


def main() -> int:
    """Entry point of ``same-export``."""
    return run_command("same-export", ExportCommand, export)
