"""Real-time full-body tracking for VR headsets: see ``SamePoseTracker``."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

if find_spec("same_runtime._core") is None:
    raise ImportError(
        f"same_runtime in {__path__[0]} is source code without its C++ core, which hides an "
        "installed same_runtime: run from another folder (or python3 -I), or install the checkout "
        f"in place with: pip install -e '{Path(__path__[0]).parent}'"
    )

from same_engines.errors import (
    BundleError,
    EngineError,
    InvalidInputError,
    RecordingError,
    SameError,
    TimestampError,
)
from same_runtime.calibration.calibration import Calibration
from same_runtime.calibration.profile import UserProfile
from same_runtime.calibration.state import CalibrationState
from same_runtime.camera import CameraRig, FisheyeCamera
from same_runtime.conventions import JOINT_NAMES
from same_runtime.ingestion.clock_sync import EstimatedClock, GivenClock
from same_runtime.live.options import LiveOptions
from same_runtime.observer import Observer
from same_runtime.options import TrackerOptions
from same_runtime.pose import Pose, PoseStatus, Reason
from same_runtime.recording import Recording
from same_runtime.renamed_modules import import_renamed_modules
from same_runtime.samples import DevicePose, ImuFrame, LegReading, StereoFrame
from same_runtime.skeleton.one_euro import OneEuro
from same_runtime.skeleton.openxr_joints import openxr_body, openxr_joints
from same_runtime.skeleton.rotations import SkeletonSolver
from same_runtime.skeleton.skeleton import Skeleton
from same_runtime.stats import Health, TrackerStats
from same_runtime.tracker import SamePoseTracker

__version__ = version("same-runtime")
import_renamed_modules()

__all__ = [
    "JOINT_NAMES",
    "BundleError",
    "Calibration",
    "CalibrationState",
    "CameraRig",
    "DevicePose",
    "EngineError",
    "EstimatedClock",
    "FisheyeCamera",
    "GivenClock",
    "Health",
    "ImuFrame",
    "InvalidInputError",
    "LegReading",
    "LiveOptions",
    "Observer",
    "OneEuro",
    "Pose",
    "PoseStatus",
    "Reason",
    "Recording",
    "RecordingError",
    "SameError",
    "SamePoseTracker",
    "Skeleton",
    "SkeletonSolver",
    "StereoFrame",
    "TimestampError",
    "TrackerOptions",
    "TrackerStats",
    "UserProfile",
    "__version__",
    "openxr_body",
    "openxr_joints",
]
