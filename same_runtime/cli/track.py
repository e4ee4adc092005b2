"""``same-track``: replay a recording through the tracker and write the poses."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime.calibration.profile import UserProfile
from same_runtime.cli.command import run_command
from same_runtime.cli.outputs import check_formats, opened_outputs, write_files
from same_runtime.cli.preview import draw_frame, save_animation, save_contact_sheet
from same_runtime.cli.track_live import live_track, print_stats
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.options import TrackerOptions
from same_runtime.outputs import Background, Output
from same_runtime.outputs.web.viewer import PORT, WebViewer
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording import FRAME_STREAM, Recording
from same_runtime.recording.pose_files import write_csv, write_mcap, write_npz
from same_runtime.recording.replay import Replay
from same_runtime.tracker import SamePoseTracker

_SHEET_STRIPS = 12
_MAX_ANIMATION_STRIPS = 150


@dataclass(frozen=True)
class TrackCommand:
    """Track the body in a recording and write poses.npz, poses.csv and poses.mcap.

    Start with: same-track --demo --preview
    """

    recording: Annotated[Path | None, tyro.conf.Positional] = None
    """MCAP recording to track."""
    demo: bool = False
    """Track the recording that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    out: Path = Path("same-track-out")
    """Folder for the results; made if missing."""
    preview: bool = False
    """Also draw preview.png (contact sheet) and preview.gif: cameras and a third-person view."""
    backend: str = "auto"
    """Inference backend: auto, openvino, onnxruntime, tensorrt, tensorrt-rtx, ..."""
    precision: str = "auto"
    """Graphs to run: fp32, fp16, bf16 or int8; auto is the fastest on a CPU, fp32 elsewhere."""
    threads: int | None = None
    """CPU threads for the visual stage; default: all this process may use, four at most."""
    live: bool = False
    """Replay in real time, sample by sample, as devices would deliver them, and show the health
    of every stream."""
    speed: float = 1.0
    """With --live: how many times as fast."""
    inject: str | None = None
    """With --live: a fault to inject, such as leg-gap or relocalisation (any other name lists
    them all)."""
    view: bool = False
    """With --live: serve a page that shows the body in 3D, status, reasons, streams and latency."""
    view_images: bool = False
    """With --view: show the camera images too, with the joints in them."""
    view_host: str = "127.0.0.1"
    """With --view: the address to serve on; 127.0.0.1 is this machine alone."""
    view_port: int = PORT
    """With --view: the port to serve on; 0 takes a free one."""
    profile: Path | None = None
    """User profile to start with: bone lengths, height, leg straps and floor that --save-profile
    or the application wrote."""
    save_profile: Path | None = None
    """Where to write the user profile, with what was measured by the end."""
    user: str = ""
    """With --save-profile: whose it is."""
    send: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Where to send every pose; may be given several times: vmc://HOST:PORT for VTuber programs,
    vrchat://HOST:PORT?trackers=hip,feet for VRChat, vmt://HOST for SteamVR. With --live in real
    time."""
    write: str = ""
    """Further files to write, with commas between them: bvh (poses.bvh, for Blender, Maya, ...),
    glb (poses.glb, an animated skeleton for any engine), mcap (body.mcap, for Foxglove)."""


def track(command: TrackCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    if (command.recording is None) != command.demo:
        raise RecordingError("name one recording, or give --demo for the shipped one")
    recording = Recording(command.recording or demo_recording())
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras, so there are no frames to track")
    check_formats(command.write)
    try:
        command.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(f"--out {command.out}: cannot be made ({error.strerror})") from None
    with opened_outputs(command.send) as outputs:
        if command.live:
            _track_live(command, recording, outputs)
        else:
            _track_all(command, recording, outputs)
    for output in outputs:
        Console().print(output.summary(), highlight=False)


def _track_all(command: TrackCommand, recording: Recording, outputs: Sequence[Output]) -> None:
    assert recording.rig is not None
    if command.inject is not None or command.speed != 1.0 or command.view:
        raise InvalidInputError("--inject, --speed and --view need --live")
    poses: list[Pose] = []
    errors_mm: list[float] = []
    strips: list[Image.Image] = []
    stride = max(1, -(-recording.num_frames // _MAX_ANIMATION_STRIPS))
    options = _tracker_options(command)
    console = Console()
    with SamePoseTracker(
        command.bundle or demo_bundle(), recording.rig, command.backend, options
    ) as tracker:
        replay = Replay(recording, tracker)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("tracking", total=recording.num_frames)
            for replayed in replay:
                if command.preview and len(poses) % stride == 0:
                    strips.append(draw_frame(replayed, recording.rig))
                poses.append(replayed.pose)
                for output in outputs:
                    output.send(replayed.pose)
                if replayed.truth_world is not None:
                    difference = replayed.pose.joints_world - replayed.truth_world
                    errors_mm.append(1e3 * float(np.linalg.norm(difference, axis=1).mean()))
                progress.advance(task)
    if not poses:
        why = replay.why_refused.get(FRAME_STREAM, "it holds none")
        raise RecordingError(f"{recording.path}: no frame could be tracked: {why}")
    _write(command, poses)
    _save_profile(command, tracker, console)
    if strips:
        step = max(1, len(strips) // _SHEET_STRIPS)
        save_contact_sheet(strips[::step][:_SHEET_STRIPS], command.out / "preview.png")
        frame_rate = 1e9 * max(len(poses) - 1, 1) / max(_duration_ns(poses), 1)
        save_animation(strips, command.out / "preview.gif", frame_rate / stride)
    _report(console, poses, errors_mm, replay.refused, tracker)
    console.print(
        f"wrote {command.out}/: {', '.join(sorted(p.name for p in command.out.iterdir()))}"
    )


def _track_live(command: TrackCommand, recording: Recording, outputs: Sequence[Output]) -> None:
    if command.preview:
        raise InvalidInputError("--preview draws replays without --live")
    options = _tracker_options(command)
    console = Console()
    with SamePoseTracker(
        command.bundle or demo_bundle(), recording.rig, command.backend, options
    ) as tracker:
        with ExitStack() as stack:
            tracker.on_pose(stack.enter_context(Background(*outputs)).send)
            viewer = _viewer(command, tracker) if command.view else None
            if viewer is not None:
                stack.enter_context(viewer)
                tracker.on_pose(viewer.send)
                console.print(f"the body is shown at {viewer.url}", highlight=False)
            show = None if viewer is None else viewer.show_frame
            run = live_track(tracker, recording, command.speed, command.inject, on_frame=show)
        if not run.poses:
            raise RecordingError(f"{recording.path}: ended before the first pose")
        _write(command, run.poses)
        _save_profile(command, tracker, console)
        print_stats(console, run.stats)
        _report(console, run.poses, run.errors_mm, Counter(run.refused), tracker)


def _viewer(command: TrackCommand, tracker: SamePoseTracker) -> WebViewer:
    rig = tracker.rig if command.view_images else None
    return WebViewer(command.view_host, command.view_port, tracker.stats, rig)


def _tracker_options(command: TrackCommand) -> TrackerOptions:
    profile = UserProfile.load(command.profile) if command.profile is not None else None
    return TrackerOptions(command.precision, command.threads, profile=profile)


def _save_profile(command: TrackCommand, tracker: SamePoseTracker, console: Console) -> None:
    if command.save_profile is not None:
        tracker.calibration.profile(command.user).save(command.save_profile)
        console.print(f"wrote the user profile {command.save_profile}", highlight=False)


def _write(command: TrackCommand, poses: Sequence[Pose]) -> None:
    folder = command.out
    try:
        write_npz(folder / "poses.npz", poses)
        write_csv(folder / "poses.csv", poses)
        write_mcap(folder / "poses.mcap", poses)
    except OSError as error:
        raise RecordingError(
            f"--out {folder}: cannot be written to ({error.strerror}); choose another folder"
        ) from None
    write_files(folder, command.write, poses)


def _duration_ns(poses: Sequence[Pose]) -> int:
    return poses[-1].timestamp_ns - poses[0].timestamp_ns


def _report(
    console: Console,
    poses: Sequence[Pose],
    errors_mm: Sequence[float],
    refused: Counter[str],
    tracker: SamePoseTracker,
) -> None:
    counts = Counter(pose.status for pose in poses)
    shares = ", ".join(f"{counts[status]} {status.value}" for status in reversed(PoseStatus))
    latency_ms = statistics.median(pose.latency_ns for pose in poses) / 1e6
    console.print(
        f"{len(poses)} frames on {tracker.backend}: {shares}; median latency {latency_ms:.1f} ms"
    )
    if errors_mm:
        console.print(
            f"mean joint error against the recording's truth: {np.mean(errors_mm):.1f} mm"
        )
    reasons = Counter(reason for pose in poses for reason in pose.reasons)
    for reason, count in reasons.most_common():
        console.print(f"{reason.name} in {count} poses: {reason.value}", highlight=False)
    for hint in tracker.stats().hints:
        console.print(f"likely mistake: {hint}", highlight=False)
    if refused:
        listed = ", ".join(f"{count} of {stream}" for stream, count in sorted(refused.items()))
        console.print(f"refused samples: {listed}")


def main() -> int:
    """Entry point of ``same-track``."""
    return run_command("same-track", TrackCommand, track)
