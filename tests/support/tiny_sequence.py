"""Sequence folders small enough for tests: a swaying body, exact sensors, smooth images."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from same_model.data.device_stream import DeviceStream
from same_model.data.sequence import SequenceReader, SequenceWriter, open_sequence
from same_model.network.standing_pose import _STANDING_WORLD
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, JOINT_NAMES, LEG_DEVICES, NUM_JOINTS

_WORN_ON = ("head", "left_wrist", "right_wrist", "left_knee", "right_knee")
_START_NS = 5_000_000_000


def write_sequence(
    path: Path, rig: CameraRig, frames: int = 40, seed: int = 0, **meta: Any
) -> SequenceReader:
    """A recording of ``frames`` frames at 30 fps that open_sequence reads."""
    rng = np.random.default_rng(seed)
    times = np.arange(-10, 3 * frames + 10) / 90.0
    stamps = _START_NS + np.round(times * 1e9).astype(np.int64)
    sway = 0.1 * np.sin(2 * np.pi * (0.5 * times[:, None] + rng.random(3))) * (1, 0, 1)
    angle = 0.4 * np.sin(2 * np.pi * 0.3 * times + rng.random())
    turn = Rotation.from_rotvec(angle[:, None] * (0.0, 1.0, 0.0))
    every_joint = np.stack([turn.apply(joint) for joint in _STANDING_WORLD], axis=1) + sway[:, None]
    at_frame = slice(10, 10 + 3 * frames, 3)
    joints = every_joint[at_frame]
    streams, poses = {}, np.tile(np.eye(4), (frames, len(DEVICES), 1, 1))
    for index, (device, joint) in enumerate(zip(DEVICES, _WORN_ON, strict=True)):
        place = every_joint[:, JOINT_NAMES.index(joint)]
        leg = device in LEG_DEVICES
        acceleration = np.gradient(np.gradient(place, 1 / 90, axis=0), 1 / 90, axis=0)
        streams[device] = DeviceStream(
            stamps, turn.as_quat(), None if leg else place, acceleration if leg else None
        )
        poses[:, index, :3, :3] = turn.as_matrix()[at_frame]
        poses[:, index, :3, 3] = place[at_frame]
    T_world_cam = poses[:, 0] @ rig.left.T_head_cam
    joints_2d = np.empty((frames, 2, NUM_JOINTS, 2))
    visible = np.empty((frames, 2, NUM_JOINTS))
    for view, camera in enumerate(rig.cameras):
        T = poses[:, 0] @ camera.T_head_cam
        local = (joints - T[:, None, :3, 3]) @ T[:, :3, :3]
        joints_2d[:, view], visible[:, view] = camera.project(local)
    height, width = rig.left.height, rig.left.width
    with SequenceWriter(path, frames, width, height, False) as writer:
        ramp = np.linspace(20, 200, width)[None] + 10 * rng.standard_normal((frames, 2, height, 1))
        writer.images[:] = ramp.clip(0, 255)
        sensed = poses[:, :, :3, 3].copy()
        sensed[:, 3:] = 0
        accelerations = np.stack(
            [streams[device].acceleration[at_frame] for device in LEG_DEVICES], axis=1
        )
        writer.commit(
            {
                "timestamps_ns": stamps[at_frame],
                "joints_world": joints,
                "joints_2d": joints_2d,
                "visible": visible,
                "T_world_cam_left": T_world_cam,
                "T_world_device": poses,
                "leg_acceleration": accelerations,
                "sensed_position": sensed,
                "sensed_orientation": np.repeat(turn.as_quat()[at_frame, None], 5, axis=1),
                "sensed_acceleration": accelerations,
                "sensed_valid": np.ones((frames, 5)),
            },
            streams,
            {
                "meta": {"performer": "anna", "action": "sway", "split": "train", **meta},
                "rig": rig.to_dict(),
                "rig_true": rig.to_dict(),
            },
        )
    return open_sequence(path)
