"""The structs and functions of ``same.h`` for ctypes."""

import ctypes as c
from functools import cache

from same_runtime.native import library_path

OK, NO_POSE = 0, 1
INVALID, TIMESTAMP, HANDLE, STATE, BUNDLE, ENGINE = -1, -2, -3, -4, -5, -6
NOW = -1
JOINTS, DEVICES = 22, 5

LogSink = c.CFUNCTYPE(None, c.c_char_p, c.c_void_p)
Clock = c.CFUNCTYPE(c.c_int64, c.c_void_p)


def _array(kind: type, *sides: int) -> type:
    for side in reversed(sides):
        kind = kind * side
    return kind


class Camera(c.Structure):
    _fields_ = [
        ("width", c.c_int32),
        ("height", c.c_int32),
        *((name, c.c_double) for name in ("fx", "fy", "cx", "cy")),
        ("k", _array(c.c_double, 4)),
        ("T_head_cam", _array(c.c_double, 16)),
        ("max_incidence", c.c_double),
    ]


class Rig(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("left", Camera),
        ("right", Camera),
    ]


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("threads", c.c_int32),
        ("onnxruntime_path", c.c_char_p),
        ("provider", c.c_char_p),
        ("precision", c.c_char_p),
        ("ground_y", c.c_double),
        ("max_gap_ns", c.c_int64),
        ("max_extrapolation_ns", c.c_int64),
        ("max_prediction_ns", c.c_int64),
        ("stale_after_ns", c.c_int64),
        ("max_view_skew_ns", c.c_int64),
        ("ring_capacity", c.c_int32),
        ("hold_bone_lengths", c.c_int32),
        ("solve_rotations", c.c_int32),
        ("plant_feet", c.c_int32),
        ("smoothing_min_cutoff_hz", c.c_double),
        ("smoothing_cutoff_per_speed", c.c_double),
        ("log", LogSink),
        ("log_user", c.c_void_p),
    ]


class LiveOptions(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("between_frames", c.c_int32),
        ("display_rate_hz", c.c_double),
        ("lost_rate_hz", c.c_double),
        ("lead_ns", c.c_int64),
        ("cameras_lost_after_ns", c.c_int64),
        ("max_wait_ns", c.c_int64),
        ("clock", Clock),
        ("clock_user", c.c_void_p),
    ]


class Frame(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("timestamp_ns", c.c_int64),
        ("left", c.c_void_p),
        ("right", c.c_void_p),
        ("left_row_stride", c.c_int64),
        ("right_row_stride", c.c_int64),
    ]


class Readings(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("present", c.c_uint32),
        ("timestamp_ns", c.c_int64),
        ("positions", _array(c.c_double, 3, 3)),
        ("orientations", _array(c.c_double, 5, 4)),
        ("accelerations", _array(c.c_double, 2, 3)),
    ]


class PoseStruct(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("status", c.c_int32),
        ("reason_count", c.c_int32),
        ("has_skeleton", c.c_int32),
        ("reasons", _array(c.c_int32, 32)),
        ("timestamp_ns", c.c_int64),
        ("latency_ns", c.c_int64),
        ("joints_world", _array(c.c_double, JOINTS, 3)),
        ("joints_cam_left", _array(c.c_double, JOINTS, 3)),
        ("joint_confidence", _array(c.c_float, JOINTS)),
        ("T_world_cam_left", _array(c.c_double, 16)),
        ("device_orientations", _array(c.c_double, DEVICES, 4)),
        ("skeleton_joints", _array(c.c_double, JOINTS, 3)),
        ("rotations_world", _array(c.c_double, JOINTS, 4)),
        ("rotations_local", _array(c.c_double, JOINTS, 4)),
        ("velocities", _array(c.c_double, JOINTS, 3)),
        ("turn_rates", _array(c.c_double, JOINTS, 3)),
        ("offsets", _array(c.c_double, JOINTS, 3)),
        ("foot_contacts", _array(c.c_double, 2)),
    ]


class StreamStats(c.Structure):
    _fields_ = [
        ("newest_ns", c.c_int64),
        *((name, c.c_uint64) for name in ("accepted", "refused", "restarts")),
        ("rate_hz", c.c_double),
        ("off_clock", c.c_int32),
        ("reserved", c.c_int32),
    ]


class Stats(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        ("reserved", c.c_uint32),
        ("streams", StreamStats * (DEVICES + 1)),
        *(
            (name, c.c_uint64)
            for name in ("frames_accepted", "frames_dropped", "frames_too_late", "images_unpaired")
        ),
        ("estimates", c.c_uint64),
        *((name, c.c_double) for name in ("estimate_rate_hz", "median_ms", "p99_ms")),
        *((name, c.c_uint64) for name in ("poses_given_out", "deadlines_missed")),
        *((name, c.c_double) for name in ("output_rate_hz", "output_p99_ms")),
        *((name, c.c_uint64) for name in ("relocalisations", "engine_failures", "worker_errors")),
    ]


class CalibrationStruct(c.Structure):
    _fields_ = [
        ("size", c.c_uint32),
        *((f"{name}_state", c.c_int32) for name in ("height", "legs", "floor", "forward")),
        *((name, c.c_int32) for name in ("has_bone_lengths", "has_leg_straps", "legs_changed")),
        ("user_height", c.c_double),
        ("ground_y", c.c_double),
        ("bone_lengths", _array(c.c_double, JOINTS)),
        ("head_height", c.c_double),
        ("leg_mountings", _array(c.c_double, 2, 4)),
        ("T_user_world", _array(c.c_double, 16)),
        ("legs_failure", c.c_char_p),
    ]


PoseCallback = c.CFUNCTYPE(None, c.POINTER(PoseStruct), c.c_void_p)
_Doubles, _Tracker, _I32, _I64 = c.POINTER(c.c_double), c.c_uint64, c.c_int32, c.c_int64
_STRUCTS = {
    "options": Options,
    "live_options": LiveOptions,
    "rig": Rig,
    "frame": Frame,
    "readings": Readings,
    "pose": PoseStruct,
    "stats": Stats,
    "calibration": CalibrationStruct,
}
_ARGUMENTS = {
    "same_open": (c.c_char_p, c.POINTER(Rig), c.POINTER(Options), c.POINTER(_Tracker)),
    "same_close": (_Tracker,),
    "same_get_rig": (_Tracker, c.POINTER(Rig)),
    "same_set_clock_given": (_Tracker, _I32, _I64, c.c_double),
    "same_set_clock_estimated": (_Tracker, _I32, _I64),
    "same_put_pose": (_Tracker, _I32, _I64, _Doubles, _Doubles, _I64),
    "same_put_leg": (_Tracker, _I32, _I64, _Doubles, _Doubles, _I64),
    "same_put_frame": (_Tracker, c.POINTER(Frame), _I64),
    "same_put_image": (_Tracker, _I32, _I64, c.c_void_p, _I64, _I64),
    "same_push": (_Tracker, c.POINTER(Frame), c.POINTER(Readings), c.POINTER(PoseStruct)),
    "same_push_frame": (_Tracker, c.POINTER(Frame), _I64, c.POINTER(PoseStruct)),
    "same_step": (_Tracker, c.POINTER(PoseStruct)),
    "same_at_time": (_Tracker, _I64, c.POINTER(PoseStruct)),
    "same_latest": (_Tracker, c.POINTER(PoseStruct)),
    "same_start": (_Tracker, c.POINTER(LiveOptions)),
    "same_stop": (_Tracker,),
    "same_on_pose": (_Tracker, PoseCallback, c.c_void_p),
    "same_recentre": (_Tracker, _I32),
    "same_set_floor": (_Tracker, c.c_double),
    "same_floor_from_controller": (_Tracker, _Doubles),
    "same_start_legs": (_Tracker,),
    "same_set_bone_lengths": (_Tracker, _Doubles),
    "same_forget_user": (_Tracker,),
    "same_set_leg_straps": (_Tracker, c.c_double, _Doubles, _Doubles),
    "same_get_calibration": (_Tracker, c.POINTER(CalibrationStruct)),
    "same_reference_space_changed": (_Tracker, _I64, _Doubles, _Doubles, _I32),
    "same_reset": (_Tracker,),
    "same_get_stats": (_Tracker, c.POINTER(Stats)),
}
"""Every function on a tracker."""
OTHERS = ("same_abi_version", "same_version", "same_last_error", "same_joint_name")
FUNCTIONS = (
    *_ARGUMENTS,
    *OTHERS,
    "same_reason_name",
    *(f"same_{name}_init" for name in _STRUCTS),
)


@cache
def library() -> c.CDLL:
    """``libsame`` with its functions declared."""
    loaded = c.CDLL(str(library_path()))
    for name, arguments in _ARGUMENTS.items():
        getattr(loaded, name).argtypes = arguments
    for name, struct in _STRUCTS.items():
        getattr(loaded, f"same_{name}_init").argtypes = (c.POINTER(struct), c.c_size_t)
    for name in ("same_version", "same_last_error", "same_joint_name", "same_reason_name"):
        getattr(loaded, name).restype = c.c_char_p
    return loaded


def made(name: str, **values: object) -> c.Structure:
    """The struct ``same_NAME`` with its defaults, and ``values`` instead of some of them."""
    struct = _STRUCTS[name]()
    assert getattr(library(), f"same_{name}_init")(struct, c.sizeof(struct)) == OK
    for field, value in values.items():
        setattr(struct, field, value)
    return struct


def doubles(*values: float) -> c.Array:
    return _array(c.c_double, len(values))(*values)


def last_error() -> str:
    return library().same_last_error().decode()
