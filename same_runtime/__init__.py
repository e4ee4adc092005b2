"""Real-time full-body tracking for VR headsets: see ``SamePoseTracker``."""

from same_engines.errors import (
    BundleError,
    EngineError,
    InvalidInputError,
    RecordingError,
    SameError,
    TimestampError,
)
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.observer import Observer
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame
from same_runtime.tracker import SamePoseTracker

__all__ = [
    "BundleError",
    "CameraRig",
    "DevicePose",
    "EngineError",
    "FisheyeCamera",
    "ImuFrame",
    "InvalidInputError",
    "LegReading",
    "Observer",
    "Pose",
    "PoseStatus",
    "Reason",
    "RecordingError",
    "SameError",
    "SamePoseTracker",
    "StereoFrame",
    "TimestampError",
    "TrackerOptions",
]
