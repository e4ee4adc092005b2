"""How much ``at_time`` gains over holding the last pose, on the truth of a recording."""

from dataclasses import asdict, dataclass

import numpy as np

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime._core import Ingestion, Synchroniser
from same_runtime.at_time import Estimate, RecentJoints, continued
from same_runtime.conventions import NUM_JOINTS
from same_runtime.frame_inbox import FrameInbox
from same_runtime.ingest import Ingest
from same_runtime.live import truth_at
from same_runtime.pose import Pose
from same_runtime.recording import FRAME_STREAM, TRUTH_STREAM, Recording
from same_runtime.replay import ingest_sample


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
    def gain(self) -> float:
        """Share of the held pose's error that prediction removes."""
        return 1.0 - self.at_time_mm / self.hold_mm

    def to_dict(self) -> dict[str, float]:
        """As plain numbers, with the gain."""
        return {**asdict(self), "gain": self.gain}


def prediction_gain(
    recording: Recording, horizon_ns: int, estimate_noise_mm: float = 0.0, seed: int = 0
) -> PredictionGain:
    """Replay ``recording``: each true pose is an estimate (with noise), and its continuation by
    ``horizon_ns`` from the device samples that have arrived is compared with the later truth.

    Raises ``RecordingError`` for a recording without truth or rig.
    """
    if recording.rig is None:
        raise RecordingError(f"{recording.path}: has no cameras")
    truth = [
        (sample.timestamp_ns, np.asarray(sample.value, np.float64))
        for sample in recording.samples((TRUTH_STREAM,))
        if not isinstance(sample.value, tuple)
    ]
    known = dict(truth)
    synchroniser = Synchroniser(256, bridge_jumps=False)
    ingestion = Ingestion(synchroniser)
    ingest = Ingest(ingestion, FrameInbox(ingestion, recording.rig, 0, lambda: None))
    recent, random = RecentJoints(), np.random.default_rng(seed)
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
        estimate = Estimate(pose, states, recent.add(sample.timestamp_ns, joints))
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
