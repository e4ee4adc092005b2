"""A sequence folder from a recording of the SDK: record, annotate, train."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import DataError
from same_model.data.array_files import load_arrays
from same_model.data.device_stream import DeviceStream
from same_model.data.own.from_arrays import is_sampled, nanoseconds, write_own_sequence
from same_model.data.sequence import SequenceReader
from same_runtime.conventions import DEVICES, JOINT_NAMES, NUM_JOINTS, POSE_DEVICES
from same_runtime.options import TrackerOptions
from same_runtime.recording import FRAME_STREAM, RawLegReading, RawPose, Recording
from same_runtime.recording.live_player import truth_at
from same_runtime.recording.mcap_format import TRUTH_STREAM
from same_runtime.recording.view_pairs import with_pairs
from same_runtime.samples import StereoFrame

_JOINT_FIELDS: Final = ("timestamp_ns", "joints_world")


def read_joints(path: Path) -> list[tuple[int, NDArray[np.float64]]]:
    """Annotated joints over time: ``timestamp_ns`` (n,) and ``joints_world`` (n, 22, 3) of an
    ``.npz``; NaN where a joint is unknown. Raises ``DataError``."""
    found = load_arrays(path, _JOINT_FIELDS)
    if set(found) != set(_JOINT_FIELDS):
        raise DataError(f"{path}: expected the arrays {' and '.join(_JOINT_FIELDS)}")
    stamps, joints = found["timestamp_ns"], found["joints_world"]
    if stamps.ndim != 1 or joints.shape != (len(stamps), NUM_JOINTS, 3):
        raise DataError(f"{path}: expected shapes (n,) and (n, 22, 3), got {joints.shape}")
    if joints.dtype.kind not in "iuf":
        raise DataError(f"{path}: joints_world: expected numbers, got {joints.dtype}")
    stamps = nanoseconds(f"{path}: timestamp_ns", stamps)
    if (np.diff(stamps) <= 0).any():
        raise DataError(f"{path}: timestamp_ns: expected times that rise")
    return list(zip(stamps.tolist(), joints.astype(np.float64), strict=True))


@dataclass(frozen=True)
class _RecordedPairs:
    """The images of some frames, read anew: all at once they may be far larger than their file."""

    recording: Recording
    timestamps_ns: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        assert self.recording.rig is not None
        camera = self.recording.rig.left
        return (len(self.timestamps_ns), 2, camera.height, camera.width)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        wanted = set(self.timestamps_ns.tolist())
        frames = self.recording.samples((FRAME_STREAM,))
        for sample in with_pairs(frames, TrackerOptions.max_view_skew_ns):
            frame = sample.value
            assert isinstance(frame, StereoFrame)
            if frame.timestamp_ns in wanted and frame.left is not None and frame.right is not None:
                yield frame.left, frame.right


def import_mcap(
    recording: Recording,
    out: Path,
    joints: Path | None = None,
    checked: bool = False,
    **meta: Any,
) -> tuple[SequenceReader, int]:
    """Write the frames of ``recording`` that have both views, and a head and an annotation within
    100 ms, to ``out``; the sequence, and how many frames were left out: where the annotation at
    their time, or either of those around it, has a NaN, too.

    ``joints``: the annotation, see ``read_joints``; without it the recording's own truth;
    ``checked`` and ``meta`` are those of ``write_own_sequence``.
    Raises ``DataError`` where nothing is left and ``RecordingError`` for a damaged recording.
    """
    if recording.rig is None:
        raise DataError(f"{recording.path}: has no cameras")
    if out.exists():
        raise DataError(f"{out}: exists; name another folder, or remove it first")
    truth: list[tuple[int, NDArray[np.float64]]] = []
    frames: list[tuple[int, bool]] = []
    samples: dict[str, list[Any]] = {device: [] for device in DEVICES}
    for sample in with_pairs(recording.samples(), TrackerOptions.max_view_skew_ns):
        if sample.stream == FRAME_STREAM:
            assert isinstance(sample.value, StereoFrame)
            views = (sample.value.left, sample.value.right)
            frames.append((sample.value.timestamp_ns, all(view is not None for view in views)))
        elif sample.stream == TRUTH_STREAM:
            truth.append((sample.timestamp_ns, np.asarray(sample.value)))
        else:
            samples[sample.stream].append(sample)
    annotated = read_joints(joints) if joints is not None else truth
    if not annotated:
        raise DataError(f"{recording.path}: has no true joints; give an annotation by --joints")
    streams = {device: _stream(device, rows) for device, rows in samples.items()}
    stamps, true_joints = _usable(recording.path, frames, streams["head"], annotated)
    sequence = write_own_sequence(
        out,
        recording.rig,
        stamps,
        _RecordedPairs(recording, stamps),
        true_joints,
        streams,
        checked=checked,
        source=recording.path.name,
        **meta,
    )
    return sequence, len(frames) - len(stamps)


def _usable(
    path: Path,
    frames: list[tuple[int, bool]],
    head: DeviceStream,
    annotated: list[tuple[int, NDArray[np.float64]]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times and joints of the ``frames`` (times, and whether both views are there) that have all
    of it. Raises ``DataError`` where there are none."""
    offered = np.array([stamp_ns for stamp_ns, _ in frames], np.int64)
    usable = np.array([is_whole for _, is_whole in frames], bool)
    for times in (head.timestamp_ns, np.array([t for t, _ in annotated], np.int64)):
        usable &= is_sampled(offered, times)
    kept, true_joints = [], []
    for stamp_ns in offered[usable].tolist():
        true = truth_at(annotated, stamp_ns)
        if true is not None and np.isfinite(true).all():
            kept.append(stamp_ns)
            true_joints.append(true)
    if not kept:
        why = _why_none(offered, annotated)
        raise DataError(f"{path}: no frame has both views, a head and every joint annotated{why}")
    return np.array(kept, np.int64), np.stack(true_joints)


def _why_none(
    frames_ns: NDArray[np.int64], annotated: list[tuple[int, NDArray[np.float64]]]
) -> str:
    """What no frame can be used for, where it is plain; else empty."""
    if len(frames_ns) == 0:
        return ": it has no frames"
    first_ns, last_ns = annotated[0][0], annotated[-1][0]
    if frames_ns.max() < first_ns or last_ns < frames_ns.min():
        span = f"{frames_ns.min()}..{frames_ns.max()} ns"
        return f": joints span {first_ns}..{last_ns} ns, frames {span}: another clock?"
    known = np.isfinite(np.stack([joints for _, joints in annotated])).all(axis=2)
    never = [JOINT_NAMES[joint] for joint in np.flatnonzero(~known.any(axis=0))]
    return f": {', '.join(never)} never finite" if never else ""


def _stream(device: str, samples: list[Any]) -> DeviceStream:
    """The samples that rise in time; the tracker refuses the others too."""
    rows: list[tuple[int, RawPose | RawLegReading]] = []
    for sample in samples:
        usable = np.isfinite(np.concatenate([np.ravel(part) for part in sample.value])).all()
        turned = np.linalg.norm(sample.value.orientation_xyzw) > 0.5
        if usable and turned and (not rows or sample.timestamp_ns > rows[-1][0]):
            rows.append((sample.timestamp_ns, sample.value))
    stamps = np.array([stamp for stamp, _ in rows], np.int64)
    turns = np.array([value.orientation_xyzw for _, value in rows], float).reshape(-1, 4)
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    rest = "position" if device in POSE_DEVICES else "acceleration"
    vectors = np.array([getattr(value, rest) for _, value in rows], np.float64).reshape(-1, 3)
    return DeviceStream(stamps, turns, **{"position": None, "acceleration": None, rest: vectors})
