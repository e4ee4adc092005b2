"""``same-export``: a PyTorch checkpoint in, a bundle out."""

import json
import logging
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from rich.console import Console
from rich.progress import Progress

from same_engines.atomic_files import remove_partial_files
from same_engines.bundle.manifest import say_trained_steps
from same_engines.bundle.plans import PORTABLE, VARIANTS, write_plans
from same_engines.bundle.reader import Bundle
from same_engines.bundle.signature import (
    SIGNATURE_NAME,
    fits_signature,
    read_signing_key,
    sign_bundle,
)
from same_engines.errors import ExportError
from same_engines.field_checks import check_ranges
from same_engines.files.regular_files import read_regular
from same_engines.gpu.cuda_device import CudaDevice
from same_engines.json_values import parse_json
from same_engines.qnn.library import SOCS, TARGET_PREFIX, find_soc, is_emulated, load_qnn
from same_engines.tensorrt.build import build_plans, count_plans
from same_engines.tensorrt.library import TARGETS, load_tensorrt
from same_export.cpu_int8 import INT8_TARGET
from same_export.option_checks import check_apart, check_effect
from same_export.other_rig import write_with_rig
from same_runtime.camera import CameraRig
from same_runtime.cli.command import run_command
from same_runtime.cli.console import messages, results, steps_shown
from same_runtime.cli.option_types import Input, one_of
from same_runtime.cli.output_places import check_file_place
from same_runtime.demo import demo_recording
from same_runtime.recording import Recording

_log = logging.getLogger("same")
_TARGETS: Final = (*TARGETS, INT8_TARGET, *SOCS)


@dataclass(frozen=True)
class ExportCommand:
    """Turn a checkpoint into a bundle that SamePoseTracker and same-track open.

    $ same-export model.safetensors --out model.same
    $ same-export model.same --target tensorrt-rtx
    $ same-export model.same --rig rig.json --out my-headset.same
    $ same-export model.same --delta model.delta --out model.safetensors
    """

    source: Input = None
    """A checkpoint (.safetensors, .pt) to export, or a bundle (.same) to build --target for; --ckpt
    and --bundle name them too."""
    ckpt: Path | None = None
    """Checkpoint: .pt (tensors only, no code) or .safetensors."""
    bundle: Path | None = None
    """A bundle that exists already, to build --target for, to sign, to copy with another --rig, or
    to take a --delta."""
    preset: Literal["lite", "base", "large"] | None = None
    """Preset the checkpoint must be of; default: whichever it is."""
    sign: Path | None = None
    """Ed25519 private key (PEM) to sign the bundle with, last of all: applications that name the
    public key open no other bundle."""
    out: Path | None = None
    """Bundle folder to write; default: the checkpoint's name with .same. With --bundle and --rig:
    the bundle to write; with --bundle and --delta: the checkpoint to write."""
    delta: Path | None = None
    """With --ckpt: also write this small file, which holds what the bundle lacks of the checkpoint.
    With --bundle: rebuild the checkpoint --out from the bundle and this file, bit by bit."""
    rig: Path | None = None
    """JSON file with the headset's cameras (CameraRig.to_dict); default: an EMHI-like rig. With
    --bundle: write another bundle, --out, that has these; its graphs and plans are the same."""
    precision: Literal["fp32", "fp16", "both"] = "both"
    """Graphs to write: fp32 for CPUs, fp16 for GPUs, or both."""
    target: Annotated[str | None, one_of(*_TARGETS)] = None
    """Also compile the graphs into the bundle: tensorrt-rtx for all RTX cards, no GPU needed
    now; cpu-int8 for an 8-bit visual stage beside the float one, which CPUs run faster (any CPU);
    tensorrt for the GPU of this machine; qnn-xr2gen2 and others for a headset's NPU, no headset
    needed now."""
    operator: Literal["plugin", "standard", "both"] = "plugin"
    """With --target tensorrt-rtx or tensorrt: deformable attention as one kernel (plugin), as
    standard layers, or both."""
    calibration_recording: Path | None = None
    """With --target cpu-int8 or qnn-...: MCAP recording to quantise with; default: the shipped
    one."""
    calibration_frames: int | None = None
    """With --target cpu-int8 or qnn-...: use its first so many frames only."""
    check_frames: int = 10
    """With --target qnn-...: frames of that recording tracked on the NPU, or on its slow
    emulation, for the report; 0 leaves it out."""
    json: bool = False
    """Print what was made as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, calibration_frames=(1, math.inf), check_frames=(0, math.inf))


def export(command: ExportCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    command = _with_source(command)
    if command.bundle is not None and command.delta is not None:
        _rebuild(command, command.bundle, command.delta)
        return
    _check(command)
    bundle = _out(command) or command.bundle or Path()
    was_signed = any((p / SIGNATURE_NAME).exists() for p in (bundle, command.bundle) if p)
    if command.ckpt is not None:
        _export_checkpoint(command, command.ckpt, bundle)
    elif command.rig is not None:
        _change_rig(command, command.rig, bundle)
    else:
        remove_partial_files(bundle, recursive=True)
    if command.delta is not None and command.ckpt is not None:
        from same_export.checkpoint_delta import write_delta

        write_delta(command.ckpt, Bundle.open(bundle), command.delta)
    if command.target in TARGETS:
        _compile(Bundle.open(bundle), command)
    elif command.target == INT8_TARGET:
        _add_int8(Bundle.open(bundle), command)
    elif command.target is not None:
        with _stdout_for_json(command):
            _compile_for_npu(Bundle.open(bundle), command)
    public_key = None
    if command.sign is not None:
        public_key = sign_bundle(Bundle.open(bundle), command.sign)
        _console(command).print(f"signed with the key of {public_key}")
    elif was_signed and not fits_signature(Bundle.open(bundle)):
        _log.warning("no longer signed; do it again: same-export %s --sign KEY.pem", bundle)
    if command.json:
        print(_summary(bundle, public_key))


def _check(command: ExportCommand) -> None:
    """Raise for whatever can be found wrong before the work."""
    if command.bundle is not None:
        if (command.rig is None) != (command.out is None):
            raise ExportError(
                "a bundle takes --rig and --out together: another bundle, with these cameras"
            )
        if command.target is None and command.sign is None and command.rig is None:
            known = ", ".join(_TARGETS)
            raise ExportError(f"a bundle needs --target ({known}), --sign, --rig or --delta")
    check_effect(command)
    check_file_place("--delta", command.delta)
    check_apart({"--delta": command.delta, "--out": _out(command)}, _read(command))
    if command.delta is not None and command.precision == "fp16":
        raise ExportError("--delta: the weights are in the fp32 graphs; export those too")
    if command.delta is not None and command.ckpt and command.ckpt.suffix != ".safetensors":
        raise ExportError("--delta: expected a --ckpt that ends in .safetensors")
    if command.bundle is not None:
        Bundle.open(command.bundle)
    # Found missing now, not after minutes of exporting.
    if command.sign is not None:
        read_signing_key(command.sign)
    if command.target is not None:
        _check_target(command, command.target)


def _check_target(command: ExportCommand, target: str) -> None:
    if target in TARGETS:
        load_tensorrt(target)
        return
    if target.startswith(TARGET_PREFIX):
        find_soc(target)
        load_qnn()
    elif target != INT8_TARGET:
        raise ExportError(f"--target: expected one of {', '.join(_TARGETS)}; got {target!r}")
    if command.precision == "fp16":
        raise ExportError(f"--precision fp16: {target} is quantised from fp32; add it")
    if command.calibration_recording is not None:
        Recording(command.calibration_recording)
    elif not demo_recording().is_file():
        raise ExportError("--calibration-recording: name one; the shipped recording is not here")


def _console(command: ExportCommand) -> Console:
    return messages() if command.json else results()


def _summary(path: Path, public_key: str | None) -> str:
    """What the bundle holds now, as JSON."""
    bundle = Bundle.open(path)
    manifest = bundle.manifest
    plans = path / "targets"
    content = {
        "bundle": str(path),
        "preset": manifest.preset,
        "precisions": bundle.precisions(),
        "targets": sorted(entry.name for entry in plans.iterdir()) if plans.is_dir() else [],
        "trained_steps": dict(manifest.trained_steps),
        "parity": dict(manifest.parity),
        "signed_by": public_key,
    }
    return json.dumps(content, indent=1)


def _with_source(command: ExportCommand) -> ExportCommand:
    """``command`` with its positional argument as --ckpt or --bundle, by what it is."""
    if [command.source, command.ckpt, command.bundle].count(None) != 2:
        raise ExportError("name one checkpoint (to export) or one bundle (to compile)")
    if command.source is None:
        return command
    if command.source.suffix == ".same" or command.source.is_dir():
        return replace(command, source=None, bundle=command.source)
    return replace(command, source=None, ckpt=command.source)


@contextmanager
def _stdout_for_json(command: ExportCommand) -> Iterator[None]:
    """With --json, what a vendor's library prints by itself goes to stderr."""
    if not command.json:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _out(command: ExportCommand) -> Path | None:
    """The bundle to write, None where one is added to."""
    return command.out or (command.ckpt and command.ckpt.with_suffix(".same"))


def _read(command: ExportCommand) -> dict[str, Path | None]:
    """The files and folders that are read, by what they are called."""
    return {
        "the checkpoint": command.ckpt,
        "the bundle": command.bundle,
        "--rig": command.rig,
        "--sign": command.sign,
        "--calibration-recording": command.calibration_recording,
    }


def _rebuild(command: ExportCommand, bundle: Path, delta: Path) -> None:
    from same_export.checkpoint_delta import rebuild_checkpoint

    only = ExportCommand(bundle=bundle, delta=delta, out=command.out, json=command.json)
    if command != only or command.out is None or command.out.suffix != ".safetensors":
        raise ExportError("--delta with --bundle needs --out NAME.safetensors and nothing else")
    check_apart({"--out": command.out}, {"--delta": delta, "the bundle": bundle})
    rebuild_checkpoint(Bundle.open(bundle), delta, command.out)
    if command.json:
        print(json.dumps({"checkpoint": str(command.out)}))
        return
    _console(command).print(f"checkpoint: {command.out}")


def _export_checkpoint(command: ExportCommand, ckpt: Path, out: Path) -> None:
    # PyTorch takes seconds to import: --help and mistakes in the arguments must not.
    from same_engines.bundle.reader import sha256_file
    from same_export.write_bundle import count_steps, write_bundle
    from same_model.checkpoint import load_checkpoint
    from same_model.data.rig import emhi_like_rig

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    model = load_checkpoint(ckpt, command.preset)
    rig = _read_rig(command.rig) if command.rig else emhi_like_rig()
    precisions = _precisions(command)
    with steps_shown(count_steps(precisions)) as step:
        parity = write_bundle(model, sha256_file(ckpt), rig, out, precisions, step)
    console = _console(command)
    for precision, result in parity.items():
        worst = max(result.stages.values())
        console.print(
            f"{precision}: stages within {worst:.1e} of full scale, stream within "
            f"{1e3 * result.stream_max_m:.4f} mm of PyTorch over {result.stream_frames} frames"
        )
    console.print(f"trained: {say_trained_steps(model.trained_steps)}")
    console.print(f"bundle: {out}   next: same-track --demo --bundle {out} --preview")


def _change_rig(command: ExportCommand, rig: Path, out: Path) -> None:
    write_with_rig(Bundle.open(command.bundle or Path()), _read_rig(rig), out)
    _console(command).print(f"bundle: {out}, with the cameras of {rig}")


def _precisions(command: ExportCommand) -> tuple[str, ...]:
    return ("fp32", "fp16") if command.precision == "both" else (command.precision,)


def _compile(bundle: Bundle, command: ExportCommand) -> None:
    assert command.target is not None
    bundle.verify()
    precisions = tuple(p for p in _precisions(command) if p in bundle.precisions())
    if not precisions:
        raise ExportError(f"{bundle.path}: has no {command.precision} graphs to compile")
    variants = VARIANTS if command.operator == "both" else (command.operator,)
    gpu = None
    if command.target == "tensorrt":
        device = CudaDevice()
        gpu = device.name
        device.close()
    with Progress(console=messages()) as bar:
        task = bar.add_task("starting", total=count_plans(precisions, variants))

        def show(name: str, done: float) -> None:
            bar.update(task, description=name, completed=done)

        plans, contents = build_plans(bundle, command.target, precisions, variants, gpu, show)
    write_plans(bundle, plans, contents)
    key = plans.key
    gpus = "every RTX card" if key.gpu == PORTABLE else key.gpu
    _console(command).print(
        f"{key.target} {key.library_version} plans for {gpus}: "
        f"{sum(map(len, contents.values())) / 1e6:.1f} MB in {bundle.path}   "
        f"next: same-track --demo --bundle {bundle.path} --backend {key.target}"
    )


def _compile_for_npu(bundle: Bundle, command: ExportCommand) -> None:
    # onnx and the quantiser take a second to import: --help and mistakes must not.
    from same_export.qnn.build import build_and_write, count_steps

    assert command.target is not None
    bundle.verify()
    recording = Recording(command.calibration_recording or demo_recording())
    with steps_shown(count_steps(recording, command.check_frames)) as step:
        report = build_and_write(
            bundle,
            command.target,
            recording,
            step,
            command.check_frames,
            command.calibration_frames,
        )
    console = _console(command)
    for stage, result in report.stages.items():
        if result.reason:
            console.print(f"{stage} stays on the CPU: {result.reason}", style="yellow")
    if report.tracker is not None:
        console.print(
            f"joints on the {'emulated ' * is_emulated()}NPU: {report.tracker.mean_mm:.2f} mm on "
            f"average, {report.tracker.max_mm:.2f} mm at most from the float32 tracker's over "
            f"{report.tracker.frames} frames"
        )
    console.print(
        f"{report.soc}: {report.context_bytes / 1e6:.2f} MB of contexts and report.md in "
        f"{bundle.path / 'targets' / command.target}   "
        f"next: same-track --demo --bundle {bundle.path} --backend {command.target}"
    )


def _add_int8(bundle: Bundle, command: ExportCommand) -> None:
    from same_export.cpu_int8.build import add_int8

    bundle.verify()
    recording = Recording(command.calibration_recording or demo_recording())
    with steps_shown(None) as step:
        accuracy = add_int8(bundle, recording, step, command.calibration_frames)
    _console(command).print(
        f"int8: joints {accuracy.mean_mm:.2f} mm on average and {accuracy.max_mm:.2f} mm at most "
        f"from float32 over {accuracy.frames} frames of {accuracy.recording} on "
        f"{accuracy.backend}   next: same-track --demo --bundle {bundle.path} --precision int8"
    )


_MOST_RIG_BYTES = 1 << 20


def _read_rig(path: Path) -> CameraRig:
    try:
        rig = CameraRig.from_dict(parse_json(read_regular(path, _MOST_RIG_BYTES)))
        rig.native().check_sides()
        return rig
    except OSError as error:
        raise ExportError(f"--rig {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ExportError(f"--rig {path}: {error}") from None


def main() -> int:
    """Entry point of ``same-export``."""
    return run_command("same-export", ExportCommand, export, extra="export")
