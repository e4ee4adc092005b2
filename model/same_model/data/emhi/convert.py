"""EMHI as released into sequence folders, without running any of its code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.atomic_files import remove_partial_files
from same_engines.errors import DataError, RecordingError
from same_engines.files.regular_files import read_regular
from same_engines.json_values import parse_json
from same_model.data.device_stream import DeviceStream
from same_model.data.emhi.annotations import (
    FPS,
    EmhiFrame,
    annotation_files,
    find_subjects,
    read_annotation,
)
from same_model.data.emhi.smpl import SmplSkeleton, load_smpl
from same_model.data.quaternion_order import rotations_of
from same_model.data.rig import emhi_like_rig
from same_model.data.sequence import SequenceWriter
from same_model.synth.motion.splits import SPLITS
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES
from same_runtime.recording.images import decode_gray

SIZE = (640, 480)
_MIN_WINDOW = 2
_MOST_SPLIT_BYTES = 4 << 20
_MOST_IMAGE_BYTES = 16 << 20


@dataclass
class EmhiReport:
    """What became of one subject."""

    subject: str
    frames: int = 0
    """Annotation files."""
    kept: int = 0
    sequences: int = 0
    defects: Counter[str] = field(default_factory=Counter)
    """How often each known defect, or another fault, was met."""

    def __str__(self) -> str:
        faults = "; ".join(f"{n} x {what}" for what, n in sorted(self.defects.items()))
        return (
            f"{self.subject}: kept {self.kept} of {self.frames} frames in {self.sequences} "
            f"sequence(s)" + (f"; {faults}" if faults else "")
        )


def read_subject(subject: Path, report: EmhiReport) -> list[list[EmhiFrame]]:
    """A subject's usable frames, split where frame ids have gaps or a frame is unusable."""
    runs: list[list[EmhiFrame]] = [[]]
    previous: int | None = None
    for path in annotation_files(subject):
        report.frames += 1
        try:
            frame = read_annotation(path, report.defects)
            for view in (0, 1):
                if not _image_path(subject, view, path.stem).exists():
                    raise DataError(f"{path}: no image cam{view}")
        except DataError as error:
            report.defects[f"unusable frame ({str(error).removeprefix(f'{path}: ')})"] += 1
            continue
        if previous is not None and frame.frame_id != previous + 1:
            report.defects["gap in the frame ids (windows never cross it)"] += 1
            runs.append([])
        runs[-1].append(frame)
        previous = frame.frame_id
    return [r for r in runs if len(r) >= _MIN_WINDOW]


def _image_path(subject: Path, view: int, stem: str) -> Path:
    return subject / "camera" / f"cam{view}" / f"{stem}.png"


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        return decode_gray(read_regular(path, _MOST_IMAGE_BYTES), SIZE)
    except OSError as error:
        raise DataError(f"{path}: unreadable image ({error.strerror})") from None
    except RecordingError as error:
        raise DataError(f"{path}: {error}") from None


def _rig_of(frames: list[EmhiFrame]) -> CameraRig:
    """The fitted intrinsics with the mounting that the frames themselves show.

    The release has no intrinsics: these are the published fit's, good to about 1.5 px.
    """
    nominal = emhi_like_rig(*SIZE)
    usable = [f for f in frames if np.any(f.orientations_xyzw[0])]
    if not usable:
        return nominal
    head = Rotation.from_quat([f.orientations_xyzw[0] for f in usable])
    cameras = []
    for view, camera in enumerate(nominal.cameras):
        T = np.eye(4)
        turns = np.array([f.T_world_cam[view, :3, :3] for f in usable])
        mounted = head.inv() * rotations_of(turns)
        T[:3, :3] = mounted.mean().as_matrix()
        offsets = head.inv().apply([f.T_world_cam[view, :3, 3] - f.positions[0] for f in usable])
        T[:3, 3] = np.median(offsets, axis=0)
        cameras.append(replace(camera, T_head_cam=T))
    return CameraRig(*cameras)


def _write_run(
    subject: Path, frames: list[EmhiFrame], path: Path, skeleton: SmplSkeleton, split: str
) -> None:
    rig = _rig_of(frames)
    ids = np.array([f.frame_id for f in frames])
    arrays = _arrays_of(frames, ids, skeleton)
    meta: dict[str, Any] = {
        "source": f"EMHI {subject.name} {ids[0]}-{ids[-1]}",
        "action": "unknown",
        "performer": f"emhi-{subject.name}",
        "split": split,
        "split_version": "user",
        "frames": len(frames),
        "licence": "EMHI's own terms; joints derived with the user's SMPL model",
    }
    with SequenceWriter(path, len(frames), *SIZE, depth=False) as writer:
        for i, frame in enumerate(frames):
            for view in (0, 1):
                writer.images[i, view] = _read_image(
                    _image_path(subject, view, f"{frame.frame_id:06d}")
                )
        calibration = rig.to_dict()
        writer.commit(
            arrays,
            _streams_of(arrays),
            {"meta": meta, "rig": calibration, "rig_true": calibration},
        )


def _arrays_of(
    frames: list[EmhiFrame], ids: NDArray[np.int64], skeleton: SmplSkeleton
) -> dict[str, NDArray[Any]]:
    """The arrays of a sequence folder but its images."""
    count = len(frames)
    orientation = np.stack([f.orientations_xyzw for f in frames])
    valid = (orientation != 0).any(-1)
    position = np.zeros((count, len(DEVICES), 3))
    position[:, :3] = [f.positions for f in frames]
    acceleration = np.stack([f.accelerations for f in frames])
    poses = np.tile(np.eye(4), (count, len(DEVICES), 1, 1))
    poses[valid, :3, :3] = Rotation.from_quat(orientation[valid]).as_matrix()
    poses[:, :, :3, 3] = position
    annotated = np.stack([f.annotated for f in frames])
    return {
        "timestamps_ns": np.round(ids * (1e9 / FPS)).astype(np.int64),
        "joints_world": np.stack(
            [skeleton.joints(f.betas, f.global_orient, f.body_pose, f.translation) for f in frames]
        ),
        "joints_2d": np.where(annotated[..., None], np.stack([f.joints_2d for f in frames]), -1e9),
        "visible": annotated,
        "T_world_cam_left": np.stack([f.T_world_cam[0] for f in frames]),
        "T_world_device": poses,
        "leg_acceleration": acceleration,
        "sensed_position": position,
        "sensed_orientation": orientation,
        "sensed_acceleration": acceleration,
        "sensed_valid": valid,
    }


def _streams_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, DeviceStream]:
    """What each device reported: at the frames, for there is nothing else."""
    streams = {}
    for d, device in enumerate(DEVICES):
        valid = arrays["sensed_valid"][:, d]
        streams[device] = DeviceStream(
            arrays["timestamps_ns"][valid],
            arrays["sensed_orientation"][valid, d],
            arrays["sensed_position"][valid, d] if d < 3 else None,
            None if d < 3 else arrays["sensed_acceleration"][valid, d - 3],
        )
    return streams


def read_split_file(path: Path) -> dict[str, str]:
    """Subject name to split. Raises ``DataError`` for a malformed file or a subject in two."""
    try:
        data = parse_json(read_regular(path, _MOST_SPLIT_BYTES))
        out: dict[str, str] = {}
        for split in SPLITS:
            for subject in data.get(split, []):
                if str(subject) in out:
                    raise DataError(f"subject {subject} is in two splits")
                out[str(subject)] = split
        if not out:
            raise DataError(f"no subjects; expected lists under {', '.join(SPLITS)}")
        return out
    except (OSError, ValueError, AttributeError, TypeError, DataError) as error:
        raise DataError(f"{path}: {error}") from None


def convert_emhi(root: Path, out: Path, smpl_path: Path, split_path: Path) -> Iterator[EmhiReport]:
    """Convert all subjects, yielding each one's report; what is there already is kept.

    Converted sequences hold joints only, no SMPL parameters. Raises ``DataError`` for a missing
    split or SMPL file and for a disk that cannot be written.
    """
    subjects = find_subjects(root)
    split_of = read_split_file(split_path)
    skeleton = load_smpl(smpl_path)
    remove_partial_files(out, recursive=True)
    for subject in subjects:
        report = EmhiReport(subject.name)
        split = split_of.get(subject.name)
        if split is None:
            report.defects["subject that the split file does not name (left out)"] += 1
            yield report
            continue
        for run in read_subject(subject, report):
            path = Path(out) / split / f"{subject.name}_{run[0].frame_id:06d}"
            if not path.exists():
                _write_run(subject, run, path, skeleton, split)
            report.sequences += 1
            report.kept += len(run)
        yield report
