"""Error against the truth as the input gets worse."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter
from scipy.spatial.transform import Rotation

from same_engines.errors import InvalidInputError, RecordingError
from same_runtime import PoseStatus, SamePoseTracker, StereoFrame
from same_runtime.recording import (
    TRUTH_STREAM,
    RawLegReading,
    RawPose,
    RecordedSample,
    Recording,
)
from same_runtime.recording.live_player import send

Perturb = Callable[[RecordedSample, float, np.random.Generator], RecordedSample | None]


def _each_view(
    sample: RecordedSample, change: Callable[[np.ndarray], np.ndarray]
) -> RecordedSample:
    frame = sample.value
    if not isinstance(frame, StereoFrame):
        return sample
    left, right = (None if view is None else change(view) for view in (frame.left, frame.right))
    return replace(sample, value=StereoFrame(frame.timestamp_ns, left, right))


def _image_noise(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    def noisy(view: np.ndarray) -> np.ndarray:
        grains = view + level * random.normal(size=view.shape)
        return np.clip(np.rint(grains), 0, 255).astype(np.uint8)

    return _each_view(sample, noisy)


def _blur(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    def blurred(view: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(view).filter(ImageFilter.GaussianBlur(level)))

    return _each_view(sample, blurred)


def _lost_frames(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    return None if isinstance(sample.value, StereoFrame) and random.random() < level else sample


def _lost_samples(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    device = isinstance(sample.value, RawPose | RawLegReading)
    return None if device and random.random() < level else sample


def _covered_camera(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    frame = sample.value
    if not isinstance(frame, StereoFrame):
        return sample
    return replace(sample, value=StereoFrame(frame.timestamp_ns, frame.left, None))


def _no_cameras(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    if not isinstance(sample.value, StereoFrame):
        return sample
    return replace(sample, value=StereoFrame(sample.timestamp_ns, None, None))


def _leg_heading(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    value = sample.value
    if not isinstance(value, RawLegReading):
        return sample
    turn = Rotation.from_euler("y", level, degrees=True)
    turned = (turn * Rotation.from_quat(value.orientation_xyzw)).as_quat()
    return replace(sample, value=RawLegReading(turned, turn.apply(value.acceleration)))


def _no_legs(
    sample: RecordedSample, level: float, random: np.random.Generator
) -> RecordedSample | None:
    return None if isinstance(sample.value, RawLegReading) else sample


SWEEP: dict[str, tuple[str, tuple[float, ...], Perturb]] = {
    "image noise": ("gray levels, standard deviation", (0.0, 5.0, 10.0, 20.0, 40.0), _image_noise),
    "blur": ("pixels, standard deviation", (1.0, 2.0, 4.0), _blur),
    "lost frames": ("share", (0.1, 0.3, 0.6), _lost_frames),
    "lost device samples": ("share", (0.1, 0.3, 0.6), _lost_samples),
    "right camera covered": ("", (1.0,), _covered_camera),
    "both cameras covered": ("", (1.0,), _no_cameras),
    "leg heading error": ("degrees", (5.0, 15.0, 30.0, 60.0), _leg_heading),
    "no leg trackers": ("", (1.0,), _no_legs),
}
"""Name -> (unit of the levels, levels, what is done to a sample)."""


def _perturbed(recording: Recording, perturb: Perturb, level: float) -> Iterator[RecordedSample]:
    random = np.random.default_rng(0)
    for sample in recording.samples():
        changed = perturb(sample, level, random)
        if changed is not None:
            yield changed


@dataclass(frozen=True)
class PerturbedError:
    """How well a recording was tracked that was made worse."""

    mpjpe_mm: float | None
    """Mean joint error of the frames that got a pose; None where none did."""
    frames: int
    """Frames tracked that have true joints."""
    invalid: int
    """Those of them whose pose was INVALID: they are not in the mean."""


def perturbed_error(
    tracker: SamePoseTracker, recording: Recording, perturb: Perturb, level: float
) -> PerturbedError:
    """Track ``recording``, made worse by ``perturb``, with a fresh ``tracker``. Raises
    ``RecordingError`` without truth."""
    truth = {s.timestamp_ns: s.value for s in recording.samples((TRUTH_STREAM,))}
    errors_mm, frames = [], 0
    for sample in _perturbed(recording, perturb, level):
        frame = sample.value
        if isinstance(frame, StereoFrame):
            pose = tracker.push_frame(frame)
            joints = truth.get(pose.timestamp_ns)
            if not isinstance(joints, np.ndarray):
                continue
            frames += 1
            if pose.status is not PoseStatus.INVALID:
                apart_mm = 1e3 * np.linalg.norm(pose.joints_world - joints, axis=1)
                errors_mm.append(float(apart_mm.mean()))
        elif sample.stream != TRUTH_STREAM:
            try:
                send(tracker.ingest, sample)
            except InvalidInputError:
                continue
    if not frames:
        raise RecordingError(f"{recording.path}: has no true joints at its frames")
    mean_mm = float(np.mean(errors_mm)) if errors_mm else None
    return PerturbedError(mean_mm, frames, frames - len(errors_mm))
