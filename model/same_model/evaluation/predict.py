"""Poses of a recorded sequence: by a checkpoint offline, by a bundle streaming, or from a file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from same_engines.errors import DataError
from same_model.data.array_files import load_arrays
from same_model.data.leg_straps import stood_turns, with_straps_measured
from same_model.data.recorded_inputs import Loss, kept_streams, lost_views, read_images, read_inputs
from same_model.data.sequence import SequenceReader
from same_model.network.visual import VisualOutput
from same_model.same_network import SameModel
from same_runtime.calibration.profile import LegStraps, UserProfile
from same_runtime.conventions import DEVICES, JOINT_NAMES, LEG_DEVICES, POSE_DEVICES
from same_runtime.pose import PoseStatus
from same_runtime.samples import DevicePose, LegReading, StereoFrame
from same_runtime.tracker import SamePoseTracker, TrackerOptions

_IMU_FEATURES = 2  # among the arguments of ``SameModel.forward_sequence``


@dataclass(frozen=True, eq=False)
class PredictedPoses:
    """Poses of the F frames of a sequence that have one."""

    frames: NDArray[np.int64]
    """(F,) index in the sequence."""
    joints_world: NDArray[np.float64]
    """(F, J, 3) metres."""
    not_given: int = 0
    """Frames of which a file of poses says nothing."""


class Predictor(Protocol):
    """Anything that gives poses for a sequence."""

    def __call__(self, sequence: SequenceReader, losses: Sequence[Loss] = ()) -> PredictedPoses:
        """Poses of ``sequence`` while ``losses`` take streams away."""
        ...


class OfflinePredictor:
    """One pass of the network over the whole sequence, in PyTorch; ``straps_measured``: with the
    leg straps as a stand would have measured them (``data/leg_straps.py``)."""

    def __init__(self, model: SameModel, straps_measured: bool = False) -> None:
        self._models = OfflineModels({"": model}, straps_measured)

    def __call__(self, sequence: SequenceReader, losses: Sequence[Loss] = ()) -> PredictedPoses:
        return self._models(sequence, losses)[""]


class OfflineModels:
    """Several networks over the same sequences; those with one visual stage run it once."""

    def __init__(self, models: Mapping[str, SameModel], straps_measured: bool = False) -> None:
        self._straps_measured = straps_measured
        groups: dict[tuple[object, ...], dict[str, SameModel]] = {}
        for name, model in models.items():
            groups.setdefault(_visual_key(model), {})[name] = model.eval()
        self._groups = list(groups.values())

    @torch.inference_mode()
    def __call__(
        self, sequence: SequenceReader, losses: Sequence[Loss] = ()
    ) -> dict[str, PredictedPoses]:
        """The poses of every network, by its name."""
        found = {}
        turns = stood_turns(sequence) if self._straps_measured else None
        for group in self._groups:
            first = next(iter(group.values()))
            config = first.config
            inputs = read_inputs(sequence, config, losses)
            images = read_images(sequence, inputs.frames, config)
            # A lost image is zero at the network's input, as the tracker hands it over.
            images *= inputs.view_valid[:, :, None, None, None]
            tensors: list[torch.Tensor] = [
                torch.from_numpy(array)
                for array in (
                    images,
                    inputs.view_valid,
                    inputs.imu_features,
                    inputs.rays,
                    inputs.origins,
                    inputs.axes,
                    inputs.T_anchor_cam,
                    inputs.time_offset_s,
                    inputs.window_valid,
                )
            ]
            # Alone, a network goes chunk by chunk and keeps no feature maps.
            visual = first.find_joints(tensors[0]) if len(group) > 1 else None
            T = inputs.T_world_anchor
            for name, model in group.items():
                if turns is not None:
                    told = model.config.use_leg_straps
                    measured = with_straps_measured(inputs.imu_features, turns, told)
                    tensors[_IMU_FEATURES] = torch.from_numpy(measured)
                joints = _joints_anchor(model, inputs.starts, tensors, visual)
                joints_world = joints @ T[:, :3, :3].swapaxes(1, 2) + T[:, None, :3, 3]
                found[name] = PredictedPoses(inputs.frames, joints_world)
        return found


def _stood_profile(sequence: SequenceReader) -> UserProfile:
    """Leg straps as a stand of the wearer would have left them, the head as high as it mostly was
    at its highest. Raises ``InvalidInputError`` where nobody stands so."""
    mountings = Rotation.from_matrix(stood_turns(sequence)).as_quat()
    head_height_m = float(np.quantile(sequence.sensed_position[:, 0, 1], 0.9))
    return UserProfile(
        leg_straps=LegStraps(head_height_m, dict(zip(LEG_DEVICES, mountings, strict=True)))
    )


def _joints_anchor(
    model: SameModel,
    starts: NDArray[np.int64],
    tensors: Sequence[torch.Tensor],
    visual: VisualOutput | None,
) -> NDArray[np.float64]:
    """(F, J, 3) metres, each frame in its anchor; every stretch from a fresh state."""
    frames = len(tensors[0])
    parts = []
    for start, end in zip(starts, [*starts[1:], frames], strict=True):
        rows = slice(int(start), int(end))
        # Rays, origins and axes are the rig's, not a frame's.
        given = [t if index in (3, 4, 5) else t[rows] for index, t in enumerate(tensors)]
        found = visual
        if visual is not None:
            features, joints_2d, visibility, *nothing = visual
            found = VisualOutput(features[rows], joints_2d[rows], visibility[rows], *nothing)
        parts.append(model.forward_sequence(*given, visual=found).joints_anchor)
    return torch.cat(parts).numpy().astype(np.float64)


def _visual_key(model: SameModel) -> tuple[object, ...]:
    """Equal for networks that take the same inputs and make the same of the images."""
    digest = hashlib.sha256()
    for name, tensor in model.visual.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    c = model.config
    size = (c.input_width, c.input_height, *c.zooms)
    return (*size, c.image_mean, c.image_std, c.window, c.depth_mode, digest.hexdigest())


class StreamingPredictor:
    """The tracker, fed sample by sample in the order of time stamps; ``straps_measured`` as of
    ``OfflinePredictor``."""

    def __init__(
        self,
        bundle: Path,
        backend: str = "auto",
        options: TrackerOptions | None = None,
        straps_measured: bool = False,
    ) -> None:
        self._bundle, self._backend, self._options = bundle, backend, options
        self._straps_measured = straps_measured

    def __call__(self, sequence: SequenceReader, losses: Sequence[Loss] = ()) -> PredictedPoses:
        sequence.check_images()
        streams, lost = kept_streams(sequence, losses), lost_views(sequence, losses)
        events = [(int(t), 1, "", i) for i, t in enumerate(sequence.timestamps_ns)]
        for device in DEVICES:
            stamps = streams[device].timestamp_ns
            events += [(int(t), 0, device, i) for i, t in enumerate(stamps)]
        frames, joints = [], []
        images = sequence.images
        with SamePoseTracker(self._bundle, sequence.rig, self._backend, self._options) as tracker:
            if self._straps_measured:
                tracker.calibration.use(_stood_profile(sequence))
            for stamp, _, device, i in sorted(events):
                if device:
                    stream = streams[device]
                    vector = stream.position if device in POSE_DEVICES else stream.acceleration
                    assert vector is not None
                    if device in POSE_DEVICES:
                        tracker.ingest.sample(
                            device, stamp, DevicePose(vector[i], stream.orientation_xyzw[i])
                        )
                    else:
                        tracker.ingest.sample(
                            device, stamp, LegReading(stream.orientation_xyzw[i], vector[i])
                        )
                    continue
                left, right = (
                    None if lost[i, view] else np.ascontiguousarray(images[i, view])
                    for view in (0, 1)
                )
                pose = tracker.push_frame(StereoFrame(stamp, left, right))
                if pose.status is not PoseStatus.INVALID:
                    frames.append(i)
                    joints.append(pose.joints_world)
        if not frames:
            raise DataError(f"{sequence.path}: the tracker gave no pose")
        return PredictedPoses(np.array(frames), np.stack(joints))


class SavedPoses:
    """Poses from ``poses.npz`` files that same-track wrote, matched by time stamp."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, sequence: SequenceReader, losses: Sequence[Loss] = ()) -> PredictedPoses:
        if losses:
            raise DataError("saved poses cannot be evaluated under losses")
        path = self._path
        if path.is_dir():
            path = path / f"{sequence.path.name}.npz"
        try:
            file = load_arrays(path, ("timestamp_ns", "joints_world", "joint_names", "status"))
            stamps, joints = file["timestamp_ns"], file["joints_world"].astype(np.float64)
            names, status = file["joint_names"].tolist(), file["status"].tolist()
            if not stamps.shape == joints.shape[:1] == (len(status),):
                raise DataError("its arrays are of different lengths")
        except (DataError, ValueError, KeyError) as error:
            raise DataError(f"{path}: not a pose file of same-track ({error})") from None
        if tuple(names) != JOINT_NAMES:
            raise DataError(
                f"{path}: expected the {len(JOINT_NAMES)} SMPL joints, got {len(names)}: "
                f"{', '.join(map(str, names[:3]))}..."
            )
        back = np.flatnonzero(stamps[1:] <= stamps[:-1])
        if len(back):
            raise DataError(
                f"{path}: timestamp_ns: row {back[0] + 1} is not after the row before; give each "
                "frame's pose once, in order"
            )
        valid = np.array([s != PoseStatus.INVALID.value for s in status], bool)
        _, frames, rows = np.intersect1d(
            sequence.timestamps_ns, stamps[valid], assume_unique=True, return_indices=True
        )
        if len(frames) == 0:
            raise DataError(f"{path}: no time stamp of {sequence.path} in it")
        not_given = int((~np.isin(sequence.timestamps_ns, stamps)).sum())
        return PredictedPoses(frames, joints[valid][rows], not_given)
