"""How much ``at_time`` gains over holding the last pose: on a recording's truth, and tracked."""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime import PoseStatus, SamePoseTracker, StereoFrame, _core
from same_runtime._core import VELOCITY_FRAMES, Ingestion, Synchroniser
from same_runtime.conventions import NUM_JOINTS
from same_runtime.estimation.prediction import Estimate, continued
from same_runtime.ingestion.frame_inbox import FrameInbox
from same_runtime.ingestion.inputs import Ingest
from same_runtime.pose import Pose
from same_runtime.recording import FRAME_STREAM, TRUTH_STREAM, Recording
from same_runtime.recording.live_player import truth_at
from same_runtime.recording.replay import ingest_sample

_Truth = list[tuple[int, NDArray[np.float64]]]
_ROUNDING_MM: Final = 1e-6


@dataclass(frozen=True)
class PredictionGain:
    """Mean joint error, mm, of poses ``horizon_ms`` after each estimate."""

    horizon_ms: float
    estimate_noise_mm: float
    """Standard deviation of the error, new in each frame and joint, put on the estimates."""
    frames: int
    hold_mm: float
    """Of the last estimate, held."""
    at_time_mm: float

    @property
    def gain(self) -> float | None:
        """Share of the held pose's error that prediction removes; None where there is none."""
        return _gain(self.at_time_mm, self.hold_mm)

    def to_dict(self) -> dict[str, float | None]:
        """As plain numbers, with the gain."""
        return {**asdict(self), "gain": self.gain}


@dataclass(frozen=True)
class TrackedGain:
    """Mean joint error, mm, of the tracker's own poses, ``horizon_ms`` after each estimate."""

    horizon_ms: float
    frames: int
    invalid: int
    """Frames with true joints whose pose was INVALID: they are not in the means."""
    estimate_mm: float
    """Of the estimates at their own time: no prediction removes this part."""
    hold_mm: float
    at_time_mm: float
    motion_hold_mm: float
    """How far the body moved meanwhile: of the last estimate, held, its own error taken off."""
    motion_at_time_mm: float
    """Of the pose predicted, the estimate's own error taken off."""

    def to_dict(self) -> dict[str, float | None]:
        """As plain numbers, with the gains; None where nothing moved."""
        return {
            **asdict(self),
            "gain": _gain(self.at_time_mm, self.hold_mm),
            "motion_gain": _gain(self.motion_at_time_mm, self.motion_hold_mm),
        }


def _gain(at_time_mm: float, hold_mm: float) -> float | None:
    return 1.0 - at_time_mm / hold_mm if hold_mm > _ROUNDING_MM else None


def tracked_gains(
    tracker: SamePoseTracker, recording: Recording, horizons_ns: Sequence[int]
) -> list[TrackedGain]:
    """Track ``recording`` with a fresh ``tracker`` and ask for poses after each frame, from the
    device samples that have arrived by then. Raises ``RecordingError`` for a recording without
    truth."""
    truth = _truth(recording)
    known = dict(truth)
    errors: dict[int, list[list[float]]] = {horizon_ns: [] for horizon_ns in horizons_ns}
    invalid = 0
    for sample in recording.samples():
        frame = sample.value
        if sample.stream == TRUTH_STREAM:
            continue
        if not isinstance(frame, StereoFrame):
            try:
                ingest_sample(tracker.ingest, sample, sample.arrival_ns)
            except InvalidInputError:
                continue
            continue
        pose = tracker.push_frame(frame)
        now = known.get(frame.timestamp_ns)
        if now is None:
            continue
        if pose.status is PoseStatus.INVALID:
            invalid += 1
            continue
        for horizon_ns, found in errors.items():
            later = truth_at(truth, frame.timestamp_ns + horizon_ns)
            if later is None:
                continue
            ahead = tracker.at_time(frame.timestamp_ns + horizon_ns).joints_world
            own = pose.joints_world - now
            differences = (
                own,
                now + own - later,
                ahead - later,
                now - later,
                ahead - own - later,
            )
            found.append([float(np.linalg.norm(d, axis=1).mean()) for d in differences])
    if not all(errors.values()):
        raise RecordingError(f"{recording.path}: has no true joints at its frames")
    return [
        TrackedGain(
            1e-6 * horizon_ns, len(found), invalid, *(1e3 * np.mean(found, axis=0)).tolist()
        )
        for horizon_ns, found in errors.items()
    ]


def _truth(recording: Recording) -> _Truth:
    return [
        (sample.timestamp_ns, np.asarray(sample.value, np.float64))
        for sample in recording.samples((TRUTH_STREAM,))
        if not isinstance(sample.value, tuple)
    ]


def prediction_gain(
    recording: Recording, horizon_ns: int, estimate_noise_mm: float = 0.0, seed: int = 0
) -> PredictionGain:
    """Replay ``recording``: each true pose is an estimate (with noise), and its continuation by
    ``horizon_ns`` from the device samples that have arrived is compared with the later truth.

    Raises ``RecordingError`` for a recording without truth or rig.
    """
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras")
    truth = _truth(recording)
    known = dict(truth)
    synchroniser = Synchroniser(256, bridge_jumps=False)
    ingestion = Ingestion(synchroniser)
    camera = recording.rig.left
    inbox = _core.FrameInbox(ingestion, camera.height, camera.width, 0)
    ingest = Ingest(ingestion, FrameInbox(inbox, recording.rig))
    recent: deque[tuple[int, NDArray[np.float64]]] = deque(maxlen=VELOCITY_FRAMES)
    random = np.random.default_rng(seed)
    held, predicted = [], []
    for sample in recording.samples():
        if sample.stream not in (FRAME_STREAM, TRUTH_STREAM):
            try:
                ingest_sample(ingest, sample, sample.arrival_ns)
            except InvalidInputError:
                continue
        if sample.stream != FRAME_STREAM or sample.timestamp_ns not in known:
            continue
        later = truth_at(truth, sample.timestamp_ns + horizon_ns)
        noise = 1e-3 * estimate_noise_mm * random.normal(size=(NUM_JOINTS, 3))
        joints = known[sample.timestamp_ns] + noise
        states = synchroniser.lookup(sample.timestamp_ns)
        pose = Pose(timestamp_ns=sample.timestamp_ns, joints_world=joints)
        recent.append((sample.timestamp_ns, joints))
        recent_s = np.array([1e-9 * (t - sample.timestamp_ns) for t, _ in recent])
        estimate = Estimate(pose, states, recent_s, np.stack([past for _, past in recent]))
        if later is None or not states.how[0]:
            continue
        ahead = synchroniser.lookup(sample.timestamp_ns + horizon_ns)
        continued_joints = continued(estimate, ahead, 1e-9 * horizon_ns, 0.1)
        held.append(np.linalg.norm(joints - later, axis=1).mean())
        predicted.append(np.linalg.norm(continued_joints - later, axis=1).mean())
    if not held:
        raise RecordingError(f"{recording.path}: has no true joints at its frames")
    return PredictionGain(
        1e-6 * horizon_ns,
        estimate_noise_mm,
        len(held),
        1e3 * float(np.mean(held)),
        1e3 * float(np.mean(predicted)),
    )
