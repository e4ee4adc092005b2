"""Write a sequence of poses as NPZ, CSV or MCAP."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from same_engines.atomic_files import whole_file
from same_runtime.conventions import JOINT_NAMES
from same_runtime.pose import Pose
from same_runtime.recording.mcap_writer import RecordingWriter

POSE_TOPIC = "/pose/joints"


def write_npz(path: Path, poses: Sequence[Pose]) -> None:
    """``timestamp_ns`` (N,) int64, ``joints_world`` (N, 22, 3) float64 metres,
    ``joint_confidence`` (N, 22) float32, ``status`` (N,) and ``reasons`` (N,) strings,
    ``joint_names`` (22,)."""
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            timestamp_ns=np.array([pose.timestamp_ns for pose in poses], np.int64),
            joints_world=np.stack([pose.joints_world for pose in poses]),
            joint_confidence=np.stack([pose.joint_confidence for pose in poses]),
            status=np.array([pose.status.value for pose in poses]),
            reasons=np.array([_reasons(pose) for pose in poses]),
            joint_names=np.array(JOINT_NAMES),
        )


def write_csv(path: Path, poses: Sequence[Pose]) -> None:
    """One row a frame: time, status, reasons, then x, y, z of each joint in metres (world)."""
    with whole_file(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file)
        axes = [f"{joint}_{axis}_m" for joint in JOINT_NAMES for axis in "xyz"]
        writer.writerow(["timestamp_ns", "status", "reasons", *axes])
        for pose in poses:
            numbers = [f"{value:.6f}" for value in pose.joints_world.ravel()]
            writer.writerow([pose.timestamp_ns, pose.status.value, _reasons(pose), *numbers])


def write_mcap(path: Path, poses: Sequence[Pose]) -> None:
    """Joints and status of each frame on ``POSE_TOPIC``."""
    with RecordingWriter(path, rig=None) as writer:
        for pose in poses:
            writer.write_joints(POSE_TOPIC, pose.timestamp_ns, pose.joints_world, pose.status.value)


def _reasons(pose: Pose) -> str:
    return " ".join(reason.name for reason in pose.reasons)
