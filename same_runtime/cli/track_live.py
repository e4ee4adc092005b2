"""``same-track --live``: a recording in real time through the input methods of a device driver."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from same_runtime.cli.console import messages
from same_runtime.cli.preview import Preview, preview_stride
from same_runtime.live.options import LiveOptions
from same_runtime.pose import Pose, PoseStatus
from same_runtime.recording import Recording
from same_runtime.recording.faults import inject
from same_runtime.recording.live_player import LivePlayer, truth_at
from same_runtime.recording.replay import ReplayedFrame
from same_runtime.samples import StereoFrame
from same_runtime.stats import TrackerStats
from same_runtime.tracker import SamePoseTracker


@dataclass(frozen=True)
class LiveRun:
    """What a live replay gave."""

    poses: list[Pose]
    errors_mm: list[float]
    """Mean joint error of each pose that is not INVALID, where the recording has the truth."""
    stats: TrackerStats
    """As the last sample had gone in."""
    refused: dict[str, int]
    """Stream -> samples that the tracker refused."""
    truth: Sequence[tuple[int, NDArray[np.float64]]]
    """Times and joints (22, 3) of the recording's truth."""


class SentFrames:
    """Keeps some of the camera frames of a live replay, to draw the poses into them afterwards."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._stride = preview_stride(recording)
        self._count = 0
        self._frames: list[StereoFrame] = []

    def show_frame(self, frame: StereoFrame) -> None:
        """Keep every so many frames."""
        if self._count % self._stride == 0:
            self._frames.append(frame)
        self._count += 1

    def preview(self, run: LiveRun) -> Preview:
        """Each kept frame with the pose that was given out for the moment closest to it."""
        drawn = Preview(self._recording, stride=1)
        times = np.array([pose.timestamp_ns for pose in run.poses])
        for frame in self._frames:
            pose = run.poses[int(np.abs(times - frame.timestamp_ns).argmin())]
            truth = truth_at(run.truth, pose.timestamp_ns)
            drawn.add(ReplayedFrame(frame, pose, truth))
        return drawn


def live_track(
    tracker: SamePoseTracker,
    recording: Recording,
    speed: float = 1.0,
    fault: str | None = None,
    options: LiveOptions | None = None,
    on_frame: Callable[[StereoFrame], None] | None = None,
) -> LiveRun:
    """Play ``recording`` through a started ``tracker``, keeping every rate, jitter and loss.
    ``on_frame`` receives the camera frames as they are sent.

    Raises ``InvalidInputError`` for an unknown fault or speed.
    """
    samples = recording.samples()
    player = LivePlayer(inject(samples, fault) if fault else samples, recording.start_ns, speed)
    poses: list[Pose] = []
    duration_ns = recording.end_ns - recording.start_ns
    forget = tracker.on_pose(poses.append)
    tracker.start(options, player.now_ns)
    try:
        with Progress(console=messages()) as progress:
            task = progress.add_task("live", total=duration_ns)
            drawn_s = 0.0
            for sample in player.play(tracker.ingest):
                if on_frame is not None and isinstance(sample.value, StereoFrame):
                    on_frame(sample.value)
                if time.monotonic() - drawn_s > 0.25:
                    drawn_s = time.monotonic()
                    progress.update(task, completed=sample.arrival_ns - recording.start_ns)
            progress.update(task, completed=duration_ns)
        stats = tracker.stats()
    finally:
        tracker.stop()
        forget()
    errors_mm = []
    for pose in poses:
        truth = truth_at(player.truth, pose.timestamp_ns)
        if truth is not None and pose.status is not PoseStatus.INVALID:
            difference = pose.joints_world - truth
            errors_mm.append(1e3 * float(np.linalg.norm(difference, axis=1).mean()))
    return LiveRun(poses, errors_mm, stats, dict(player.refused), player.truth)


def print_stats(console: Console, stats: TrackerStats) -> None:
    """Show every stream's health and counters, then the rates."""
    table = Table(title="streams")
    for column in ("stream", "health", "Hz", "accepted", "refused", "clock offset ms"):
        table.add_column(column)
    for name, stream in stats.streams.items():
        kinds = {
            "duplicate": stream.duplicate,
            "backwards": stream.backwards,
            "too close": stream.too_close,
            "far ahead": stream.jumped,
            "invalid": stream.invalid,
        }
        refused = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        if stream.restarts:
            refused += f" ({stream.restarts} clock restarts)"
        offset_ms = f"{1e-6 * stream.clock_offset_ns:.2f}"
        table.add_row(
            name,
            stream.health.name,
            f"{stream.rate_hz:.1f}",
            str(stream.accepted),
            refused,
            offset_ms,
        )
    console.print(table)
    frames, estimates, output = stats.frames, stats.estimates, stats.output
    console.print(
        f"frames: {frames.accepted} in, {estimates.count} tracked, {frames.dropped} dropped, "
        f"{stats.frames_too_late} too late, {frames.unpaired} with one view; "
        f"left-right skew {1e-6 * frames.view_skew_ns:.1f} ms"
    )
    console.print(
        f"estimates: {estimates.rate_hz:.1f} Hz, {estimates.latency_median_ms:.1f} ms median from "
        f"frame to pose, {estimates.latency_p99_ms:.1f} ms p99"
    )
    console.print(
        f"poses: {output.count} at {output.rate_hz:.1f} Hz, {output.latency_p99_ms:.2f} ms after "
        f"the deadline at p99, {stats.deadlines_missed} deadlines missed; "
        f"{stats.relocalisations} relocalisations, {stats.engine_failures} engine failures"
    )
