"""``same-track``: replay a recording through the tracker and write the poses."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import tyro
from rich.console import Console
from rich.progress import Progress

from same_engines.errors import InvalidInputError, RecordingError
from same_engines.field_checks import check_ranges
from same_runtime.calibration.profile import UserProfile
from same_runtime.cli.command import run_command
from same_runtime.cli.console import messages, results
from same_runtime.cli.option_types import Backend, Input, Precision, View, one_of
from same_runtime.cli.output_places import check_file_place, make_folder
from same_runtime.cli.outputs import check_formats, opened_outputs, write_files
from same_runtime.cli.preview import Preview
from same_runtime.cli.track_live import SentFrames, live_track, print_stats
from same_runtime.cli.track_summary import TrackSummary, print_summary, summarise
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.options import MOST_THREADS, TrackerOptions
from same_runtime.outputs import Background, Output, RerunViewer
from same_runtime.outputs.web.viewer import PORT, WebViewer
from same_runtime.pose import Pose
from same_runtime.recording import FRAME_STREAM, Recording
from same_runtime.recording.faults import FAULTS
from same_runtime.recording.live_player import SPEEDS
from same_runtime.recording.pose_files import write_csv, write_mcap, write_npz
from same_runtime.recording.replay import Replay
from same_runtime.samples import StereoFrame
from same_runtime.tracker import SamePoseTracker

_HOST: Final = "127.0.0.1"
_UNVIEWED: Final = (False, _HOST, PORT)


@dataclass(frozen=True)
class TrackCommand:
    """Track the body in a recording and write poses.npz, poses.csv and poses.mcap.

    $ same-track --demo --preview
    """

    recording: Input = None
    """MCAP recording to track."""
    demo: bool = False
    """Track the recording that ships with the package."""
    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    out: Path = Path("same-track-out")
    """Folder for the results; made if missing."""
    preview: bool = False
    """Also draw preview.png (contact sheet) and preview.webp: cameras and a third-person view;
    with --live too."""
    backend: Backend = "auto"
    """Inference backend; auto takes the fastest that works here."""
    precision: Precision = "auto"
    """Graphs to run; auto is the fastest on a CPU, fp32 elsewhere."""
    threads: int | None = None
    """CPU threads for the visual stage; default: all this process may use, four at most."""
    live: bool = False
    """Replay in real time, sample by sample, as devices would deliver them, and show the health
    of every stream."""
    speed: float = 1.0
    """With --live: how many times as fast."""
    inject: Annotated[str | None, one_of(*FAULTS)] = None
    """With --live: a fault to inject."""
    view: View = None
    """With --live: show the body in 3D, status, reasons, streams and latency on a local page, or
    with "rerun" in rerun's viewer."""
    view_images: bool = False
    """With --view: show the camera images too, with the joints in them."""
    view_host: str = _HOST
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
    vrchat://HOST:PORT?trackers=hip,feet for VRChat (vrchat://auto finds it), vmt://HOST for
    SteamVR. With --live in real time."""
    write: str = ""
    """Further files to write, with commas between them: bvh (poses.bvh, for Blender, Maya, ...),
    glb (poses.glb, an animated skeleton for any engine), mcap (body.mcap, for Foxglove), rrd
    (body.rrd, for rerun)."""
    json: bool = False
    """Print the summary as JSON."""

    def __post_init__(self) -> None:
        check_ranges(self, threads=(1, MOST_THREADS), speed=SPEEDS, view_port=(0, 65535))


def track(command: TrackCommand) -> None:
    """Run the command. Raises ``SameError`` kinds for anything the user can mend."""
    if (command.recording is None) != command.demo:
        raise RecordingError("name one recording, or give --demo for the shipped one")
    viewed = command.view is not None
    if not command.live and (command.inject is not None or command.speed != 1.0 or viewed):
        raise InvalidInputError("--inject, --speed and --view need --live")
    if not viewed and (command.view_images, command.view_host, command.view_port) != _UNVIEWED:
        raise InvalidInputError("--view-images, --view-host and --view-port need --view")
    if command.user and command.save_profile is None:
        raise InvalidInputError("--user needs --save-profile")
    UserProfile(command.user)  # a name that no profile takes is said before all the work
    recording = Recording(command.recording or demo_recording())
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras, so there are no frames to track")
    check_formats(command.write)
    make_folder("--out", command.out)
    check_file_place("--save-profile", command.save_profile)
    console = messages() if command.json else results()
    track_one = _track_live if command.live else _track_all
    with opened_outputs(command.send) as outputs:
        options = _tracker_options(command)
        bundle = command.bundle or demo_bundle()
        with SamePoseTracker(bundle, recording.rig, command.backend, options) as tracker:
            summary = track_one(command, recording, tracker, outputs, console)
            _save_profile(command, tracker, console)
    if command.json:
        print(summary.to_json())
    else:
        print_summary(console, summary)
    for output in outputs:
        console.print(output.summary())


def _track_all(
    command: TrackCommand,
    recording: Recording,
    tracker: SamePoseTracker,
    outputs: Sequence[Output],
    console: Console,
) -> TrackSummary:
    assert recording.rig is not None
    poses: list[Pose] = []
    errors_mm: list[float] = []
    preview = Preview(recording) if command.preview else None
    replay = Replay(recording, tracker)
    with Progress(console=messages()) as progress:
        task = progress.add_task("tracking", total=recording.num_frames)
        for replayed in replay:
            if preview is not None:
                preview.add(replayed)
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
    files = _write(command, poses, preview)
    latency_ms = statistics.median(pose.latency_ns for pose in poses) / 1e6
    return summarise(tracker, poses, latency_ms, errors_mm, replay.refused, str(command.out), files)


def _track_live(
    command: TrackCommand,
    recording: Recording,
    tracker: SamePoseTracker,
    outputs: Sequence[Output],
    console: Console,
) -> TrackSummary:
    frames = SentFrames(recording) if command.preview else None
    with ExitStack() as stack:
        viewer = _viewer(command, tracker, console)
        shown = [] if viewer is None else [stack.enter_context(viewer)]
        tracker.on_pose(stack.enter_context(Background(*outputs, *shown)).send)

        def show(frame: StereoFrame) -> None:
            for shows in (frames, viewer):
                if shows is not None:
                    shows.show_frame(frame)

        run = live_track(tracker, recording, command.speed, command.inject, on_frame=show)
    if not run.poses:
        raise RecordingError(f"{recording.path}: ended before the first pose")
    preview = None if frames is None else frames.preview(run)
    files = _write(command, run.poses, preview)
    print_stats(console, run.stats)
    latency_ms = run.stats.estimates.latency_median_ms
    return summarise(
        tracker, run.poses, latency_ms, run.errors_mm, run.refused, str(command.out), files
    )


def _viewer(
    command: TrackCommand, tracker: SamePoseTracker, console: Console
) -> WebViewer | RerunViewer | None:
    if command.view is None:
        return None
    rig = tracker.rig if command.view_images else None
    if command.view == ("rerun",):
        return RerunViewer(None, tracker.stats, rig)
    viewer = WebViewer(command.view_host, command.view_port, tracker.stats, rig)
    console.print(f"the body is shown at {viewer.url}")
    return viewer


def _tracker_options(command: TrackCommand) -> TrackerOptions:
    profile = UserProfile.load(command.profile) if command.profile is not None else None
    return TrackerOptions(command.precision, command.threads, profile=profile)


def _save_profile(command: TrackCommand, tracker: SamePoseTracker, console: Console) -> None:
    if command.save_profile is not None:
        profile = tracker.calibration.profile(command.user)
        profile.save(command.save_profile)
        known = {
            "height": profile.height_m,
            "bone lengths": profile.bone_lengths_m,
            "leg straps": profile.leg_straps,
            "floor": profile.floor_y_m,
        }
        holds = ", ".join(name for name, value in known.items() if value is not None)
        console.print(
            f"wrote the user profile {command.save_profile} ({holds or 'nothing was measured'})"
        )


def _write(command: TrackCommand, poses: Sequence[Pose], preview: Preview | None) -> list[str]:
    """Write what was asked for; the names of the files."""
    folder = command.out
    try:
        write_npz(folder / "poses.npz", poses)
        write_csv(folder / "poses.csv", poses)
        write_mcap(folder / "poses.mcap", poses)
        drawn = [] if preview is None else preview.save(folder)
    except OSError as error:
        raise RecordingError(
            f"--out {folder}: cannot be written to ({error.strerror}); choose another folder"
        ) from None
    written = write_files(folder, command.write, poses)
    return ["poses.npz", "poses.csv", "poses.mcap", *written, *drawn]


def main() -> int:
    """Entry point of ``same-track``."""
    return run_command("same-track", TrackCommand, track)


if __name__ == "__main__":
    raise SystemExit(main())
