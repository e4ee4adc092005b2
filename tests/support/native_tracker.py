"""A tracker of the C ABI, as tests drive it."""

import ctypes as c
from pathlib import Path

import c_api
import numpy as np
import onnxruntime
from c_api import doubles, last_error, library, made

from same_runtime.calibration.calibration import Calibration
from same_runtime.calibration.state import CalibrationState
from same_runtime.camera import CameraRig
from same_runtime.conventions import DEVICES, LEG_DEVICES
from same_runtime.recording.mcap_format import RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

STATES = tuple(CalibrationState)
ONNXRUNTIME = next(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*"))


class NativeTracker:
    """A tracker of the C ABI, with checked results."""

    def __init__(self, bundle: Path, rig: CameraRig | None = None, **options: object) -> None:
        self.options = made(
            "options", threads=1, onnxruntime_path=str(ONNXRUNTIME).encode(), **options
        )
        self.number = c.c_uint64()
        assert (
            library().same_open(
                str(bundle).encode(), as_rig(rig) if rig else None, self.options, self.number
            )
            == c_api.OK
        ), last_error()

    def call(self, name: str, *arguments: object) -> int:
        return getattr(library(), f"same_{name}")(self.number, *arguments)

    def pose(self, name: str, *arguments: object) -> c_api.PoseStruct:
        pose = made("pose")
        assert self.call(name, *arguments, pose) == c_api.OK, last_error()
        return pose

    def put(self, sample: RecordedSample) -> int:
        value = sample.value
        device = DEVICES.index(sample.stream)
        if isinstance(value, RawPose):
            arguments = doubles(*value.position), doubles(*value.orientation_xyzw)
            return self.call("put_pose", device, sample.timestamp_ns, *arguments, sample.arrival_ns)
        assert isinstance(value, RawLegReading)
        arguments = doubles(*value.orientation_xyzw), doubles(*value.acceleration)
        return self.call("put_leg", device, sample.timestamp_ns, *arguments, sample.arrival_ns)


def as_rig(rig: CameraRig) -> c.Structure:
    made_rig = made("rig")
    for view in ("left", "right"):
        camera, to = getattr(rig, view), getattr(made_rig, view)
        for name in ("width", "height", "fx", "fy", "cx", "cy", "max_incidence"):
            setattr(to, name, getattr(camera, name))
        to.k[:] = camera.k
        to.T_head_cam[:] = camera.T_head_cam.ravel().tolist()
    return made_rig


def as_frame(frame: StereoFrame) -> c.Structure:
    """Keeps pointers into the frame's images, which must live on."""
    images = {view: getattr(frame, view) for view in ("left", "right")}
    return made(
        "frame",
        timestamp_ns=frame.timestamp_ns,
        **{view: image.ctypes.data for view, image in images.items() if image is not None},
        **{
            f"{view}_row_stride": image.strides[0]
            for view, image in images.items()
            if image is not None
        },
    )


def calibration_of(tracker: NativeTracker) -> c_api.CalibrationStruct:
    calibration = made("calibration")
    assert tracker.call("get_calibration", calibration) == c_api.OK, last_error()
    return calibration


def assert_calibration(found: c_api.CalibrationStruct, expected: Calibration) -> None:
    """Bit for bit; a profile normalises its quaternions anew."""
    profile = expected.profile()
    for name in ("height", "legs", "floor", "forward"):
        state = getattr(expected, f"{name}_state")
        assert STATES[getattr(found, f"{name}_state")] is state, name
    assert bool(found.legs_changed) == expected.legs_changed
    assert (found.legs_failure or b"").decode() == (expected.legs_failure or "")
    assert found.user_height == (profile.height_m or 0.0)
    if profile.floor_y_m is not None:
        assert found.ground_y == profile.floor_y_m
    assert bool(found.has_bone_lengths) == (profile.bone_lengths_m is not None)
    if profile.bone_lengths_m is not None:
        np.testing.assert_array_equal(np.array(found.bone_lengths), profile.bone_lengths_m)
    assert bool(found.has_leg_straps) == (profile.leg_straps is not None)
    if (straps := profile.leg_straps) is not None:
        assert found.head_height == straps.head_height_m
        turns = [straps.mountings_xyzw[device] for device in LEG_DEVICES]
        np.testing.assert_allclose(np.array(found.leg_mountings), turns, rtol=0, atol=1e-15)
    T_user_world = np.array(found.T_user_world).reshape(4, 4)
    np.testing.assert_array_equal(T_user_world, expected.T_user_world)
