"""What ``same-track`` says at its end, for people and as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Console

from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.tracker import SamePoseTracker


@dataclass(frozen=True)
class TrackSummary:
    """A tracked recording in a few figures."""

    backend: str
    frames: int
    """Poses that came out."""
    statuses: Mapping[str, int]
    """Status -> poses."""
    reasons: Mapping[str, int]
    """Reason -> poses, the most frequent first."""
    hints: Sequence[str]
    """Likely mistakes, as ``TrackerStats.hints``."""
    refused: Mapping[str, int]
    """Stream -> samples that the tracker refused."""
    latency_median_ms: float
    """From a frame to its pose."""
    mean_joint_error_mm: float | None
    """Against the recording's truth; None where it has none."""
    out: str
    files: Sequence[str]
    """What was written into ``out``."""

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), indent=1)


def summarise(
    tracker: SamePoseTracker,
    poses: Sequence[Pose],
    latency_median_ms: float,
    errors_mm: Sequence[float],
    refused: Mapping[str, int],
    out: str,
    files: Sequence[str],
) -> TrackSummary:
    """The summary of ``poses`` of ``tracker``, at least one; ``errors_mm``: the mean joint error of
    each that the truth is known of."""
    statuses = Counter(pose.status for pose in poses)
    reasons = Counter(reason.name for pose in poses for reason in pose.reasons)
    return TrackSummary(
        tracker.backend,
        len(poses),
        {status.name: statuses[status] for status in reversed(PoseStatus)},
        dict(reasons.most_common()),
        tuple(tracker.stats().hints),
        {stream: count for stream, count in sorted(refused.items()) if count},
        latency_median_ms,
        float(np.mean(errors_mm)) if errors_mm else None,
        out,
        tuple(files),
    )


def print_summary(console: Console, summary: TrackSummary) -> None:
    """Print it for people."""
    shares = ", ".join(f"{count} {name}" for name, count in summary.statuses.items())
    console.print(
        f"{summary.frames} poses on {summary.backend}: {shares}; median latency "
        f"{summary.latency_median_ms:.1f} ms from frame to pose"
    )
    if summary.mean_joint_error_mm is not None:
        error_mm = summary.mean_joint_error_mm
        console.print(f"mean joint error against the recording's truth: {error_mm:.1f} mm")
    for name, count in summary.reasons.items():
        console.print(f"{name} in {count} poses: {Reason[name].value}")
    for hint in summary.hints:
        console.print(f"likely mistake: {hint}")
    if summary.refused:
        listed = ", ".join(f"{count} of {stream}" for stream, count in summary.refused.items())
        console.print(f"refused samples: {listed}")
    console.print(f"wrote {summary.out}/: {', '.join(summary.files)}")
