"""EMHI's annotation files, checked, their known defects mended, in this project's conventions."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import DataError
from same_engines.json_values import number_array
from same_model.data.emhi.unpickle import load_object_array
from same_runtime.conventions import DEVICES, NUM_JOINTS

FPS = 30.0
_EMHI_DEVICES = {
    "head": "head",
    "ctrl_left": "left_hand",
    "ctrl_right": "right_hand",
    "leg_left": "left_leg",
    "leg_right": "right_leg",
}
_LOOSEST_QUATERNION = 0.05


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


def annotation_files(subject: Path) -> list[Path]:
    """The annotations of a subject in the order of their frame ids."""
    return sorted(
        (p for p in (subject / "annots").glob("*.npy") if p.stem.isdigit()),
        key=lambda p: int(p.stem),
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


def rigid_inverse(T: NDArray[np.float64]) -> NDArray[np.float64]:
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
        array = _numbers(value, shape).reshape(shape).copy()
    except (TypeError, ValueError):
        raise DataError(f"{'.'.join(path)}: expected shape {shape}") from None
    if not np.isfinite(array).all():
        raise DataError(f"{'.'.join(path)}: non-finite values")
    return array


def _numbers(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """``value`` as floats: an array, or a flat list of as many numbers as ``shape`` has."""
    if isinstance(value, list | tuple):
        if len(value) != np.prod(shape) or not all(isinstance(v, int | float) for v in value):
            raise ValueError
        return number_array("list", value, (len(value),), finite=False)
    if not isinstance(value, np.ndarray):
        raise TypeError
    return value.astype(np.float64)


def read_annotation(path: Path, defects: Counter[str]) -> EmhiFrame:
    """Read one annotation, of its pickle the numbers only, repairing the known defects.

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
            T[view] = rigid_inverse(extrinsic)
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
                if isinstance(acceleration, np.ndarray) and np.array_equal(
                    acceleration.astype(np.float64).ravel(), positions[d]
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
