"""Recordings for live tests: the made-up stream, and a real headset session."""

from pathlib import Path

import numpy as np
from live_stream import live_events

from same_runtime.camera import CameraRig
from same_runtime.conventions import NUM_JOINTS
from same_runtime.recording import RawLegReading, RawPose, RecordingWriter
from same_runtime.samples import StereoFrame


class _Writing:
    """Stands where a tracker's input methods are and writes what comes."""

    def __init__(self, writer: RecordingWriter) -> None:
        self._writer = writer

    def head(self, t: int, position: np.ndarray, q: np.ndarray) -> None:
        self._writer.write_pose("head", t, RawPose(position, q), t)

    def controller(self, side: str, t: int, position: np.ndarray, q: np.ndarray) -> None:
        self._writer.write_pose(f"ctrl_{side}", t, RawPose(position, q), t)

    def leg(self, side: str, t: int, q: np.ndarray, acceleration: np.ndarray) -> None:
        self._writer.write_leg(f"leg_{side}", t, RawLegReading(q, np.array(acceleration)), t)

    def frame(self, frame: StereoFrame) -> None:
        self._writer.write_frame(frame, frame.timestamp_ns)
        self._writer.write_truth(frame.timestamp_ns, np.ones((NUM_JOINTS, 3)))


def write_made_up(path: Path, rig: CameraRig, seconds: float) -> Path:
    """Write the made-up stream as a recording."""
    with RecordingWriter(path, rig) as writer:
        for event in live_events(rig, seconds):
            event.send(_Writing(writer))  # type: ignore[arg-type]
    return path


def real_session(shared_data: Path) -> dict[str, np.ndarray]:
    """The real headset session in our axes: ``timestamp_ns``, and ``position`` (n, 3) and
    ``orientation_xyzw`` (n, 4) of each device, faults and all."""
    with np.load(shared_data / "xr-session" / "vive_pro2_90hz.npz") as file:
        raw = {name: file[name] for name in file.files}
    flip_position = np.array((1.0, 1.0, -1.0))
    flip_turn = np.array((-1.0, -1.0, 1.0, 1.0))  # left-handed, z forward to right-handed
    session = {"timestamp_ns": np.round(1e9 * raw["time_s"]).astype(np.int64)}
    for ours, theirs in (("head", "head"), ("ctrl_left", "left"), ("ctrl_right", "right")):
        session[f"{ours}_position"] = raw[f"{theirs}_pos"] * flip_position
        session[f"{ours}_orientation_xyzw"] = raw[f"{theirs}_quat_xyzw"] * flip_turn
    return session
