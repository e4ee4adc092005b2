"""Statistics of a data set, the ones that describe EMHI, and what is suspicious in it."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.data.emhi.annotations import is_emhi
from same_model.data.emhi.inspect import inspect_emhi
from same_model.data.own.agreement import disagreements
from same_model.data.quaternion_order import order_spreads_deg
from same_model.data.sequence import SequenceReader, find_sequences, open_sequence
from same_runtime.conventions import DEVICES, JOINT_NAMES

_WORN_ON = {"head": "head", "ctrl_left": "left_wrist", "ctrl_right": "right_wrist"}
_SHANKS = {"leg_left": ("left_knee", "left_ankle"), "leg_right": ("right_knee", "right_ankle")}
_MAX_REPROJECTION_PX = 0.1


def inspect(path: Path, max_frames: int = 20000) -> str:
    """The report on a folder of sequences, or on a copy of EMHI as released, as text.

    Raises ``DataError`` when the folder holds neither.
    """
    path = Path(path)
    if is_emhi(path):
        return inspect_emhi(path, max_frames)
    return inspect_sequences([open_sequence(p) for p in find_sequences(path)], max_frames)


def _direction_spread_deg(directions: NDArray[np.float64]) -> float:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    mean = unit.mean(axis=0)
    mean /= np.linalg.norm(mean)
    return float(np.rad2deg(np.sqrt(np.mean(np.arccos((unit @ mean).clip(-1, 1)) ** 2))))


class _Tally:
    """Running totals over sequences."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.lists: dict[str, list[float]] = {}
        self.problems: list[str] = []

    def add(self, name: str, value: float) -> None:
        self.lists.setdefault(name, []).append(value)

    def mean(self, name: str) -> float:
        return float(np.mean(self.lists[name])) if self.lists.get(name) else float("nan")

    def range(self, name: str) -> str:
        values = self.lists.get(name)
        return f"{min(values):.3g} to {max(values):.3g}" if values else "n/a"


def _duplicates(sequence: SequenceReader) -> list[str]:
    """Pairs of reported fields with the very same numbers."""
    fields = {
        f"{device}.{name}": array
        for device, stream in sequence.streams.items()
        for name in ("position", "orientation_xyzw", "acceleration")
        if (array := getattr(stream, name)) is not None
    }
    names = sorted(fields)
    return [
        f"{a} = {b}"
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if fields[a].shape == fields[b].shape and np.array_equal(fields[a], fields[b])
    ]


def _look(sequence: SequenceReader, chosen: NDArray[np.int64], tally: _Tally) -> None:
    for look in (_look_at_time, _look_at_joints, _look_at_images, _look_at_devices):
        look(sequence, chosen, tally)
    for duplicate in _duplicates(sequence):
        tally.problems.append(f"{sequence.path.name}: duplicate field {duplicate}")
    tally.problems += [f"{sequence.path.name}: {line}" for line in disagreements(sequence)]
    for key in ("split", "performer", "action", "split_version"):
        tally.totals[f"{key}: {sequence.meta.get(key, 'unknown')}"] += sequence.frames


def _look_at_time(sequence: SequenceReader, _: NDArray[np.int64], tally: _Tally) -> None:
    frames = sequence.frames
    tally.totals["sequences"] += 1
    tally.totals["frames"] += frames
    stamps = np.asarray(sequence.timestamps_ns)
    step = float(np.median(np.diff(stamps))) if frames > 1 else 0.0
    tally.totals["duration_ns"] += int(step * frames)
    if frames > 1:
        if step > 0:
            tally.add("fps", 1e9 / step)
        if (np.diff(stamps) <= 0).any():
            tally.problems.append(f"{sequence.path.name}: time runs backwards")
        tally.totals["gaps"] += int((np.diff(stamps) > 1.5 * step).sum())


def _look_at_joints(sequence: SequenceReader, chosen: NDArray[np.int64], tally: _Tally) -> None:
    joints = sequence.joints_world[chosen].astype(np.float64)
    truth_2d = sequence.joints_2d[chosen].astype(np.float64)
    visible = sequence.visible[chosen]
    # The right camera follows from the left one and the rig.
    T_left = np.asarray(sequence.T_world_cam_left[chosen])
    for label, rig in (("true", sequence.rig_true), ("given", sequence.rig)):
        error = []
        for view, camera in enumerate(rig.cameras):
            T = T_left if view == 0 else T_left @ rig.T_cam_left_cam_right
            local = np.einsum("tba,tjb->tja", T[:, :3, :3], joints - T[:, None, :3, 3])
            pixels, inside = camera.project(local)
            annotated = (truth_2d[:, view] > -1e8).all(-1)
            shared = inside & annotated
            error.append(np.linalg.norm(pixels - truth_2d[:, view], axis=-1)[shared])
            if label == "true":
                tally.add("z>0", float((local[..., 2] > 0).mean()))
                tally.add("inside", float(inside.mean()))
                for j, joint in enumerate(JOINT_NAMES):
                    tally.add(f"inside {joint}", float(inside[:, j].mean()))
                    tally.add(f"visible {joint}", float(visible[:, view, j].mean()))
        flat = np.concatenate(error)
        if len(flat):
            tally.add(f"reprojection {label}", float(flat.mean()))
            # Real data has no true cameras, only fitted ones.
            if label == "true" and "seed" in sequence.meta and flat.max() > _MAX_REPROJECTION_PX:
                name = sequence.path.name
                tally.problems.append(f"{name}: 2D joints do not agree with the true cameras")
    tally.add("visible", float(visible.mean()))
    tally.add("seen by either", float(visible.any(axis=1).mean()))
    tally.add("floor", float(np.median(joints[..., 1].min(axis=1))))


def _look_at_images(sequence: SequenceReader, chosen: NDArray[np.int64], tally: _Tally) -> None:
    images = sequence.images[chosen[:: max(1, len(chosen) // 8)]]
    h, w = images.shape[-2:]
    tally.add("grey", float(images.mean()))
    corners = images[..., : h // 12, : w // 12], images[..., : h // 12, -w // 12 :]
    tally.add("corner grey", float(np.mean([c.mean() for c in corners])))
    tally.totals[f"size {w}x{h}"] += 1


def _look_at_devices(sequence: SequenceReader, chosen: NDArray[np.int64], tally: _Tally) -> None:
    name = sequence.path.name
    joints = sequence.joints_world[chosen].astype(np.float64)
    T_left = np.asarray(sequence.T_world_cam_left[chosen])
    valid = sequence.sensed_valid[chosen].astype(bool)
    for d, device in enumerate(DEVICES):
        tally.add(f"missing {device}", float(1 - valid[:, d].mean()))
        ok = valid[:, d]
        if ok.sum() < 2:
            continue
        turned = _turns(sequence, chosen[ok], d)
        if device in _WORN_ON:
            gap = sequence.sensed_position[chosen][ok, d] - joints[ok, _index(_WORN_ON[device])]
            tally.add(f"distance {device}", float(np.linalg.norm(gap, axis=1).mean()))
        else:
            knee, ankle = (_index(n) for n in _SHANKS[device])
            shank = turned.inv().apply(joints[ok, ankle] - joints[ok, knee])
            tally.add(f"shank {device}", _direction_spread_deg(shank))
            acceleration = sequence.sensed_acceleration[chosen][ok, d - 3]
            tally.add("leg acceleration up", float(acceleration[:, 1].mean()))
            tally.add("leg acceleration size", float(np.linalg.norm(acceleration, axis=1).mean()))
        if device == "head":
            # Of own data the headset places the cameras: they tell nothing about it.
            placed = turned.as_matrix() @ sequence.rig.left.T_head_cam[:3, :3]
            if np.allclose(placed, T_left[ok, :3, :3], atol=1e-6):
                continue
            kept = np.asarray(sequence.sensed_orientation[chosen][ok, d])
            xyzw, wxyz = order_spreads_deg(kept, T_left[ok])
            tally.add("order xyzw", xyzw)
            tally.add("order wxyz", wxyz)
            if wxyz < xyzw:
                tally.problems.append(f"{name}: head quaternions look like wxyz, not xyzw")
    if np.abs(np.mean(tally.lists.get("leg acceleration up", [0.0])[-2:])) > 5:
        tally.problems.append(f"{name}: leg acceleration seems to contain gravity")


def _turns(sequence: SequenceReader, frames: NDArray[np.int64], device: int) -> Rotation:
    try:
        return Rotation.from_quat(sequence.sensed_orientation[frames, device])
    except ValueError as error:
        raise DataError(f"{sequence.path}/sensed_orientation.npy: {error}") from None


def _index(joint: str) -> int:
    return JOINT_NAMES.index(joint)


def inspect_sequences(sequences: list[SequenceReader], max_frames: int) -> str:
    """The report on opened sequences. Raises ``DataError`` when there are none."""
    if not sequences:
        raise DataError("inspect: no sequences")
    tally = _Tally()
    share = max(2, max_frames // len(sequences))
    for sequence in sequences:
        chosen = np.linspace(0, sequence.frames - 1, min(sequence.frames, share))
        _look(sequence, chosen.astype(np.int64), tally)

    problems = [f"PROBLEM {p}" for p in tally.problems] or ["no problems found"]
    parts = (_size(tally.totals), _comparison(tally), _joints(tally), problems)
    return "\n\n".join("\n".join(lines) for lines in parts)


def _size(totals: Counter[str]) -> list[str]:
    hours = totals["duration_ns"] / 3.6e12
    sizes = ", ".join(k[5:] for k in totals if k.startswith("size "))

    def listed(kind: str) -> str:
        items = [(k[len(kind) + 2 :], v) for k, v in totals.items() if k.startswith(f"{kind}: ")]
        return ", ".join(f"{k} {v / totals['frames']:.0%}" for k, v in sorted(items))

    def count(kind: str) -> int:
        return sum(k.startswith(f"{kind}: ") for k in totals)

    images = f"images {sizes} ({totals['gaps']} gaps in time)"
    return [
        f"sequences {totals['sequences']}, frames {totals['frames']}, {hours:.3f} h, {images}",
        f"performers {count('performer')}, actions {count('action')}, "
        f"split file {listed('split_version')}",
        f"  splits   {listed('split')}",
        f"  actions  {listed('action')}",
    ]


def _comparison(tally: _Tally) -> list[str]:
    xyzw, wxyz = tally.mean("order xyzw"), tally.mean("order wxyz")
    order = (
        f"quaternion order xyzw                  {'as expected' if xyzw < wxyz else 'NOT'} "
        f"(headset to camera constant to {xyzw:.2f} deg; read as wxyz {wxyz:.1f} deg)"
    )
    return [
        "                                        here     EMHI",
        f"joints with z > 0 in their camera      {tally.mean('z>0'):6.1%}     82%",
        f"joints inside the image                {tally.mean('inside'):6.1%}     70%",
        f"joints inside and not hidden           {tally.mean('visible'):6.1%}     n/a",
        f"joints seen by at least one camera     {tally.mean('seen by either'):6.1%}     n/a",
        f"mean grey level {tally.mean('grey'):.0f}, in the upper corners "
        f"{tally.mean('corner grey'):.0f} (EMHI: dark corners)",
        f"2D joints against the true cameras     {tally.mean('reprojection true'):6.3f} px",
        f"2D joints against the given rig        {tally.mean('reprojection given'):6.2f} px  "
        "(EMHI: ~1.5 px at 640x480)",
        "device to joint, mean distance         "
        + ", ".join(f"{d} {tally.mean(f'distance {d}') * 100:.1f} cm" for d in _WORN_ON),
        "leg sensor against the shank, spread   "
        + ", ".join(f"{d} {tally.range(f'shank {d}')} deg" for d in _SHANKS)
        + "  (EMHI: 1.5 to 6.7, of the knee's rotation)",
        f"leg acceleration                       mean up {tally.mean('leg acceleration up'):+.2f}, "
        f"mean size {tally.mean('leg acceleration size'):.2f} m/s^2 (without gravity up is ~0)",
        "device missing at a frame              "
        + ", ".join(f"{d} {tally.mean(f'missing {d}'):.2%}" for d in DEVICES),
        *([order] if "order xyzw" in tally.lists else []),
        f"frames a second                        {tally.mean('fps'):6.2f}",
        f"lowest joint above the floor           {tally.mean('floor') * 100:.1f} cm (median)",
    ]


def _joints(tally: _Tally) -> list[str]:
    return [
        "joint            inside  visible",
        *(
            f"{joint:15s}  {tally.mean(f'inside {joint}'):6.1%}  "
            f"{tally.mean(f'visible {joint}'):6.1%}"
            for joint in JOINT_NAMES
        ),
    ]
