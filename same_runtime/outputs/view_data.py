"""What viewers show beside the body: joints in the images, and rows about the streams."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from same_runtime.camera import CameraRig
from same_runtime.conventions import VIEWS
from same_runtime.pose import Pose
from same_runtime.samples import StereoFrame
from same_runtime.stats import TrackerStats

ProjectedView = tuple[str, NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_]]


def projected_joints(rig: CameraRig, frame: StereoFrame, pose: Pose) -> Iterator[ProjectedView]:
    """View, its image, the pixels (22, 2) of the joints and which of them are inside, of each
    image that ``frame`` has."""
    T_cam_left_cam = (np.eye(4), rig.T_cam_left_cam_right)
    for view, camera, T in zip(VIEWS, rig.cameras, T_cam_left_cam, strict=True):
        image = getattr(frame, view)
        if image is None:
            continue
        pixels, valid = camera.project((pose.joints_cam_left - T[:3, 3]) @ T[:3, :3])
        yield view, image, pixels, valid & bool(pose.joints_cam_left.any())


def stream_rows(stats: TrackerStats) -> list[tuple[str, str, str]]:
    """Name, health and figure of each stream, then of the network and the poses."""
    rows = [
        (name, stream.health.name, f"{stream.rate_hz:.0f} Hz")
        for name, stream in stats.streams.items()
    ]
    estimates, output = stats.estimates, stats.output
    rows.append(("network", "", f"{estimates.latency_median_ms:.1f} ms"))
    rows.append(("poses", "", f"{output.rate_hz:.0f} Hz"))
    rows.append(("after the deadline, p99", "", f"{output.latency_p99_ms:.2f} ms"))
    rows.append(("deadlines missed", "", str(stats.deadlines_missed)))
    return rows
