"""EMHI as released, into sequence folders: an explicit conversion that runs none of its code."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from same_engines.atomic_files import remove_partial_files
from same_engines.errors import DataError
from same_model.data.sequence import SequenceWriter
from same_model.data.smpl import SmplSkeleton, load_smpl
from same_model.data.unpickle import load_object_array
from same_model.synth.motion.splits import SPLITS
from same_model.synth.render.rig import emhi_like_rig
from same_model.synth.sensors import DeviceStream
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.conventions import DEVICES, NUM_JOINTS

FPS = 30.0
SIZE = (640, 480)
_EMHI_DEVICES = {
    "head": "head", "ctrl_left": "left_hand", "ctrl_right": "right_hand",
    "leg_left": "left_leg", "leg_right": "right_leg",
}  # fmt: skip
_LOOSEST_QUATERNION = 0.05
_MIN_WINDOW = 2


def find_subjects(root: Path) -> list[Path]:
    """Subject folders of a copy of EMHI. Raises ``DataError`` when there are none."""
    root = Path(root)
    found = sorted(p.parent for p in root.glob("*/annots") if p.is_dir())
    if not found:
        raise DataError(f"{root}: no EMHI here; expected <subject>/annots/NNNNNN.npy")
    return found


def is_emhi(root: Path) -> bool:
    """Whether a folder looks like EMHI as released."""
    return any(p.is_dir() for p in Path(root).glob("*/annots"))


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


@dataclass(frozen=True)
class EmhiFrame:
    """One annotation file, checked and in this project's conventions."""

    frame_id: int
    global_orient: NDArray[np.float64]
    """(3,) SMPL root rotation vector."""
    body_pose: NDArray[np.float64]
    """(69,) SMPL rotation vectors."""
    betas: NDArray[np.float64]
    """(10,)."""
    translation: NDArray[np.float64]
    """(3,) metres."""
    joints_2d: NDArray[np.float64]
    """(2, 22, 2) pixels."""
    annotated: NDArray[np.bool_]
    """(2, 22)."""
    T_world_cam: NDArray[np.float64]
    """(2, 4, 4)."""
    orientations_xyzw: NDArray[np.float64]
    """(5, 4) in ``DEVICES`` order; zero where unusable."""
    positions: NDArray[np.float64]
    """(3, 3) head and hands, metres."""
    accelerations: NDArray[np.float64]
    """(2, 3) legs, m/s^2, world, gravity removed."""


def _rigid_inverse(T: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.eye(4)
    out[:3, :3] = T[:3, :3].T
    out[:3, 3] = -T[:3, :3].T @ T[:3, 3]
    return out


def _array(record: Any, path: tuple[str, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    value = record
    for key in path:
        if not isinstance(value, dict) or key not in value:
            raise DataError(f"no {'.'.join(path)}")
        value = value[key]
    try:
        array = np.asarray(value, dtype=np.float64).reshape(shape)
    except (TypeError, ValueError):
        raise DataError(f"{'.'.join(path)}: expected shape {shape}") from None
    if not np.isfinite(array).all():
        raise DataError(f"{'.'.join(path)}: non-finite values")
    return array


def read_annotation(path: Path, defects: Counter[str]) -> EmhiFrame:
    """Read one annotation with the restricted unpickler, repairing the known defects.

    ``defects`` counts what was repaired. Raises ``DataError`` naming the file and the field
    for what cannot be.
    """
    try:
        record = load_object_array(path)
        if not isinstance(record, dict):
            raise DataError(f"expected a dict, got {type(record).__name__}")
        T = np.empty((2, 4, 4))
        for view in (0, 1):
            extrinsic = _array(record, ("extrinsics", f"cam{view}"), (4, 4))
            if np.abs(extrinsic[3] - (0, 0, 0, 1)).max() > 0:
                defects["extrinsic with an inexact last row (reset)"] += 1
                extrinsic[3] = 0, 0, 0, 1
            u, s, vt = np.linalg.svd(extrinsic[:3, :3])
            if np.abs(s - 1).max() > 0.01 or np.linalg.det(u @ vt) < 0:
                raise DataError(f"extrinsics.cam{view}: not a rigid transform")
            extrinsic[:3, :3] = u @ vt
            T[view] = _rigid_inverse(extrinsic)
        orientations = np.zeros((5, 4))
        positions = np.zeros((3, 3))
        accelerations = np.zeros((2, 3))
        for d, device in enumerate(DEVICES):
            name = _EMHI_DEVICES[device]
            wxyz = _array(record, ("IMU", f"{name}_rot"), (4,))
            norm = float(np.linalg.norm(wxyz))
            if abs(norm - 1) > _LOOSEST_QUATERNION:
                defects[f"{name}_rot that is no unit quaternion (device missing)"] += 1
            else:
                orientations[d] = wxyz[[1, 2, 3, 0]] / norm
            if d < 3:
                positions[d] = _array(record, ("IMU", f"{name}_pos"), (3,))
                acceleration = record["IMU"].get(f"{name}_acc")
                if acceleration is not None and np.array_equal(
                    np.asarray(acceleration, np.float64).ravel(), positions[d]
                ):
                    defects[f"{name}_acc that is a copy of {name}_pos (dropped)"] += 1
            else:
                accelerations[d - 3] = _array(record, ("IMU", f"{name}_acc"), (3,))
        p2d = _array(record, ("p2d",), (2, NUM_JOINTS, 2))
        return EmhiFrame(
            int(path.stem),
            _array(record, ("smpl", "R"), (3,)),
            _array(record, ("smpl", "pose"), (69,)),
            _array(record, ("smpl", "shape"), (10,)),
            _array(record, ("smpl", "t"), (3,)),
            p2d,
            (p2d != -1).all(-1),
            T,
            orientations,
            positions,
            accelerations,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _frame_files(subject: Path) -> list[Path]:
    return sorted(
        (p for p in (subject / "annots").glob("*.npy") if p.stem.isdigit()),
        key=lambda p: int(p.stem),
    )


def read_subject(subject: Path, report: EmhiReport) -> list[list[EmhiFrame]]:
    """A subject's usable frames, split where frame ids have gaps or a frame is unusable."""
    runs: list[list[EmhiFrame]] = [[]]
    previous: int | None = None
    for path in _frame_files(subject):
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
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L"), np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: unreadable image ({error})") from None
    if pixels.shape != (SIZE[1], SIZE[0]):
        raise DataError(f"{path}: expected 640x480, got {pixels.shape[1]}x{pixels.shape[0]}")
    return pixels


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
        mounted = head.inv() * Rotation.from_matrix([f.T_world_cam[view, :3, :3] for f in usable])
        T[:3, :3] = mounted.mean().as_matrix()
        offsets = head.inv().apply([f.T_world_cam[view, :3, 3] - f.positions[0] for f in usable])
        T[:3, 3] = np.median(offsets, axis=0)
        cameras.append(
            FisheyeCamera(
                camera.width,
                camera.height,
                camera.fx,
                camera.fy,
                camera.cx,
                camera.cy,
                camera.k,
                T,
                camera.max_incidence,
            )  # fmt: skip
        )
    return CameraRig(*cameras)


def _write_run(
    subject: Path, frames: list[EmhiFrame], path: Path, skeleton: SmplSkeleton, split: str
) -> None:
    rig = _rig_of(frames)
    T = len(frames)
    joints = np.stack(
        [skeleton.joints(f.betas, f.global_orient, f.body_pose, f.translation) for f in frames]
    )
    ids = np.array([f.frame_id for f in frames])
    stamps = np.round(ids * (1e9 / FPS)).astype(np.int64)
    orientation = np.stack([f.orientations_xyzw for f in frames])
    valid = (orientation != 0).any(-1)
    position = np.zeros((T, 5, 3))
    position[:, :3] = [f.positions for f in frames]
    acceleration = np.stack([f.accelerations for f in frames])
    poses = np.tile(np.eye(4), (T, 5, 1, 1))
    for d in range(5):
        ok = valid[:, d]
        if ok.any():
            poses[ok, d, :3, :3] = Rotation.from_quat(orientation[ok, d]).as_matrix()
    poses[:, :, :3, 3] = position
    streams = {}
    for d, device in enumerate(DEVICES):
        ok = valid[:, d]
        streams[device] = DeviceStream(
            stamps[ok],
            orientation[ok, d],
            position[ok, d] if d < 3 else None,
            None if d < 3 else acceleration[ok, d - 3],
        )
    annotated = np.stack([f.annotated for f in frames])
    joints_2d = np.where(annotated[..., None], np.stack([f.joints_2d for f in frames]), -1e9)
    with SequenceWriter(path, T, *SIZE, depth=False) as writer:
        for i, frame in enumerate(frames):
            for view in (0, 1):
                writer.images[i, view] = _read_image(
                    _image_path(subject, view, f"{frame.frame_id:06d}")
                )
        writer.commit(
            {
                "timestamps_ns": stamps,
                "joints_world": joints,
                "joints_2d": joints_2d,
                "visible": annotated,
                "T_world_cam_left": np.stack([f.T_world_cam[0] for f in frames]),
                "T_world_device": poses,
                "leg_acceleration": acceleration,
                "sensed_position": position,
                "sensed_orientation": orientation,
                "sensed_acceleration": acceleration,
                "sensed_valid": valid,
            },
            streams,
            {
                "meta": {
                    "source": f"EMHI {subject.name} {ids[0]}-{ids[-1]}",
                    "action": "unknown",
                    "performer": f"emhi-{subject.name}",
                    "split": split,
                    "split_version": "user",
                    "frames": T,
                    "licence": "EMHI's own terms; joints derived with the user's SMPL model",
                },
                "rig": rig.to_dict(),
                "rig_true": rig.to_dict(),
            },
        )


def read_split_file(path: Path) -> dict[str, str]:
    """Subject name to split. Raises ``DataError`` for a malformed file or a subject in two."""
    try:
        data = json.loads(Path(path).read_text())
        out: dict[str, str] = {}
        for split in SPLITS:
            for subject in data.get(split, []):
                if str(subject) in out:
                    raise DataError(f"subject {subject} is in two splits")
                out[str(subject)] = split
        if not out:
            raise DataError(f"no subjects; expected lists under {', '.join(SPLITS)}")
        return out
    except (OSError, json.JSONDecodeError, AttributeError, TypeError, DataError) as error:
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


def inspect_emhi(root: Path, max_frames: int) -> str:
    """Statistics of EMHI as released: what can be checked without the SMPL model."""
    from same_model.data.inspect import order_spreads_deg

    subjects = find_subjects(root)
    share = max(2, max_frames // len(subjects))
    lines = [f"EMHI as released: {len(subjects)} subjects"]
    total = 0
    for subject in subjects:
        files = _frame_files(subject)
        total += len(files)
        ids = np.array([int(p.stem) for p in files])
        defects: Counter[str] = Counter()
        gaps = int((np.diff(ids) > 1).sum())
        if gaps:
            defects["gap in the frame ids"] = gaps
        frames = []
        for i in np.linspace(0, len(files) - 1, min(share, len(files))).astype(int):
            try:
                frames.append(read_annotation(files[i], defects))
            except DataError as error:
                defects[f"unusable frame ({error})"] += 1
        if len(frames) < 2:
            lines.append(f"{subject.name}: {len(files)} frames, none usable")
            continue
        annotated = np.mean([f.annotated for f in frames])
        quaternions = np.array([f.orientations_xyzw[0] for f in frames])
        ok = (quaternions != 0).any(-1)
        T = np.array([f.T_world_cam[0] for f in frames])
        declared, other = order_spreads_deg(quaternions[ok], T[ok])
        order = "wxyz as expected" if declared < other else "NOT wxyz"
        mounts = [_rigid_inverse(f.T_world_cam[0])[:3] @ [*f.positions[0], 1] for f in frames]
        lines.append(
            f"{subject.name}: {len(files)} frames; 2D joints annotated {annotated:.1%} (EMHI 70%); "
            f"quaternions {order} ({declared:.2f} against {other:.1f} deg); headset in cam0 "
            f"{np.round(np.median(mounts, axis=0), 3).tolist()} m"
        )
        lines += [f"  DEFECT {n} x {what}" for what, n in sorted(defects.items())]
    lines.insert(1, f"frames {total}, {total / FPS / 3600:.3f} h")
    return "\n".join(lines)
