"""
Sample rings, device synchronisation, frame assembly, image preprocessing and the host
form of the attention operator. Times are int64 nanoseconds, quaternions xyzw, lengths
metres; frames and axes are those of same_runtime.conventions. Wrong shapes, dtypes or
values raise ValueError and change nothing.
"""
from __future__ import annotations
import collections.abc
import enum
import numpy
import numpy.typing
import typing
__all__: list[str] = ['Calibration', 'CalibrationState', 'CameraRig', 'DEVICES', 'DeviceStates', 'Estimate', 'FEATURE_DIM', 'FisheyeCamera', 'FrameAssembler', 'FrameInbox', 'FramePush', 'HIGHEST_STATURE_M', 'ImagePreprocessor', 'ImageRing', 'Ingestion', 'JOINT_NAMES', 'JOINT_PARENTS', 'LEG_OUTWARD_RAD', 'LONGEST_BONE_M', 'LOWEST_STATURE_M', 'LegRing', 'LookupKind', 'MAX_ACCELERATION', 'MAX_FRAME_GAP_NS', 'MAX_NORM_ERROR', 'MAX_POSITION_M', 'MAX_TIMESTAMP_NS', 'MAX_VELOCITY_GAP_NS', 'NUM_POSE_DEVICES', 'NativeBundle', 'NativeEngine', 'PARTS', 'Plausibility', 'Pose', 'PoseRing', 'PoseSmoother', 'PoseStatus', 'PushStatus', 'REST_OFFSETS_M', 'Reason', 'SHORTEST_BONE_M', 'Skeleton', 'SkeletonSolver', 'Synchroniser', 'Tracker', 'VELOCITY_FRAMES', 'bone_lengths', 'cell_statistics', 'continued', 'floor_anchor', 'makes_invalid', 'openxr_body', 'sha256_hex', 'spatial_aware_deform_attn', 'steady_ns', 'with_bone_lengths']
class LookupKind(enum.IntEnum):
    """
    How a device's state at a time was obtained, ordered by trust.
    """
    MISSING = 0
    EXTRAPOLATED = 1
    INTERPOLATED = 2
    EXACT = 3
class PushStatus(enum.IntEnum):
    """
    What became of a sample. DUPLICATE and BACKWARDS judge its timestamp,
    FULL means that views of every image slot are held; live streams also
    refuse stamps TOO_CLOSE to be nanoseconds, JUMPED far ahead, or
    OUT_OF_RANGE on the tracker's clock.
    """
    ACCEPTED = 0
    DUPLICATE = 1
    BACKWARDS = 2
    FULL = 3
    TOO_CLOSE = 4
    JUMPED = 5
    OUT_OF_RANGE = 6
class PoseRing:
    """
    History of one device's 6DOF poses for one producer and one
    consumer thread; the newest sample replaces the oldest.
    """
    def __init__(self, capacity: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        capacity: samples held, at least 2 (else ValueError).
        """
    def __len__(self) -> int:
        ...
    def at(self, timestamp_ns: int, max_gap_ns: typing.SupportsInt | typing.SupportsIndex, max_extrapolation_ns: typing.SupportsInt | typing.SupportsIndex) -> tuple[LookupKind, numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
        """
        (LookupKind, position (3,) m, orientation_xyzw (4,)) at a time, float64, world.
        Between two samples at most max_gap_ns apart: linear and shortest-arc spherical
        interpolation, else MISSING. Up to max_extrapolation_ns past the newest: constant velocity
        from the last two samples, held when they are farther apart than max_gap_ns, and at most
        16 times their motion; an acceleration is always held. Before the oldest: MISSING. MISSING
        comes with zeros and the identity. Raises ValueError for negative arguments.
        """
    def clear(self) -> None:
        """
        Forget all samples and the last timestamp; the counters stay. Producer's side.
        """
    def push(self, timestamp_ns: int, position: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], orientation_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> PushStatus:
        """
        Add a pose: position (3,) m, orientation (4,) unit quaternion, device to world.
        A refused sample leaves the ring as it was. Raises ValueError for bad values.
        """
    @property
    def accepted(self) -> int:
        """
        Samples accepted since construction.
        """
    @property
    def capacity(self) -> int:
        """
        Most samples held at once.
        """
    @property
    def newest_ns(self) -> int | None:
        """
        Newest timestamp, nanoseconds; None when empty.
        """
    @property
    def oldest_ns(self) -> int | None:
        """
        Oldest timestamp still held, nanoseconds; None when empty.
        """
    @property
    def refused(self) -> int:
        """
        Samples refused since construction.
        """
class LegRing:
    """
    History of one leg IMU's 3DOF readings; otherwise as PoseRing.
    """
    def __init__(self, capacity: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        capacity: samples held, at least 2 (else ValueError).
        """
    def __len__(self) -> int:
        ...
    def at(self, timestamp_ns: int, max_gap_ns: typing.SupportsInt | typing.SupportsIndex, max_extrapolation_ns: typing.SupportsInt | typing.SupportsIndex) -> tuple[LookupKind, numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
        """
        (LookupKind, orientation_xyzw (4,), acceleration (3,) m/s^2) at a time, float64,
        world.
        Between two samples at most max_gap_ns apart: linear and shortest-arc spherical
        interpolation, else MISSING. Up to max_extrapolation_ns past the newest: constant velocity
        from the last two samples, held when they are farther apart than max_gap_ns, and at most
        16 times their motion; an acceleration is always held. Before the oldest: MISSING. MISSING
        comes with zeros and the identity. Raises ValueError for negative arguments.
        """
    def clear(self) -> None:
        """
        Forget all samples and the last timestamp; the counters stay. Producer's side.
        """
    def push(self, timestamp_ns: int, orientation_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], acceleration: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> PushStatus:
        """
        Add a reading: orientation (4,) unit quaternion, sensor to world; acceleration (3,)
        m/s^2, world frame, gravity removed. A refused sample leaves the ring as it was.
        Raises ValueError for bad values.
        """
    @property
    def accepted(self) -> int:
        """
        Samples accepted since construction.
        """
    @property
    def capacity(self) -> int:
        """
        Most samples held at once.
        """
    @property
    def newest_ns(self) -> int | None:
        """
        Newest timestamp, nanoseconds; None when empty.
        """
    @property
    def oldest_ns(self) -> int | None:
        """
        Oldest timestamp still held, nanoseconds; None when empty.
        """
    @property
    def refused(self) -> int:
        """
        Samples refused since construction.
        """
class ImageRing:
    """
    Stereo frames in preallocated memory for one producer and one consumer thread. The
    newest frame wins; a frame whose views are held is never overwritten.
    """
    def __init__(self, capacity: typing.SupportsInt | typing.SupportsIndex, height: typing.SupportsInt | typing.SupportsIndex, width: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        capacity: frames, at least 2 and one more than the consumer holds at once;
        height, width: pixels of each image. Raises ValueError for smaller values.
        """
    def clear(self) -> None:
        """
        Forget the newest frame and the last timestamp; held views and counters stay.
        Producer's side.
        """
    def newest(self) -> tuple[int, numpy.typing.NDArray[numpy.uint8] | None, numpy.typing.NDArray[numpy.uint8] | None] | None:
        """
        (timestamp_ns, left, right) of the newest frame without a copy, or None when there is
        none. The (height, width) uint8 views are read-only and hold the frame and the ring.
        """
    def push(self, timestamp_ns: int, left: numpy.ndarray | None, right: numpy.ndarray | None) -> PushStatus:
        """
        Copy in a frame: (height, width) uint8 gray images with any row stride; None for a
        camera that gave none. Raises ValueError for other arrays.
        """
    @property
    def accepted(self) -> int:
        """
        Frames accepted since construction.
        """
    @property
    def capacity(self) -> int:
        """
        Frames of preallocated memory.
        """
    @property
    def dropped(self) -> int:
        """
        Accepted frames that a newer one replaced before they were read.
        """
    @property
    def refused(self) -> int:
        """
        Frames refused since construction.
        """
class DeviceStates:
    """
    All devices at one instant, as Synchroniser.lookup found them. Devices are indexed as in
    same_runtime.conventions.DEVICES; the arrays are read-only float64 views, zeros (identity
    for orientations) where the device is MISSING. A wrong device index raises ValueError.
    """
    def T_world_device(self, device: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4) float64, device 0..2 to world, m.
        """
    def acceleration(self, device: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
        """
        (3,) m/s^2, world frame, gravity removed, of device 3..4.
        """
    def has(self, device: typing.SupportsInt | typing.SupportsIndex) -> bool:
        """
        Whether device 0..4 was found.
        """
    def orientation_xyzw(self, device: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4,) unit quaternion, device to world, of device 0..4.
        """
    def position(self, device: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
        """
        (3,) m, world frame, of device 0..2.
        """
    def upwards(self, device: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        How far the y axis of device 0..4 points up, -1..1.
        """
    @property
    def how(self) -> tuple[LookupKind, LookupKind, LookupKind, LookupKind, LookupKind]:
        """
        How each of the five devices was found.
        """
    @property
    def orientations_xyzw(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (5, 4) unit quaternions, each device to world; zeros where it is MISSING. A copy.
        """
    @property
    def straps_measured(self) -> bool:
        """
        Whether the leg sensors read as if worn right; False as lookup gives them.
        """
    @straps_measured.setter
    def straps_measured(self, arg0: bool) -> None:
        ...
    @property
    def timestamp_ns(self) -> int:
        """
        The instant, nanoseconds.
        """
class Synchroniser:
    """
    The worn devices' sample rings and their common state at any instant. Devices are indexed
    as in same_runtime.conventions.DEVICES. One producer thread per device, one consumer.
    A wrong device index raises ValueError.
    """
    def __init__(self, capacity: typing.SupportsInt | typing.SupportsIndex = 256, max_gap_ns: typing.SupportsInt | typing.SupportsIndex = 100000000, max_extrapolation_ns: typing.SupportsInt | typing.SupportsIndex = 50000000, bridge_jumps: bool = True) -> None:
        """
        capacity: samples per device, at least 2; the limits are those of PoseRing.at. Without
        bridge_jumps a pose is held where no head or hand can move from it to the next one.
        Raises ValueError for other values.
        """
    def accepted(self, device: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        A device's samples accepted since construction.
        """
    def clear(self) -> None:
        """
        Forget all samples and last timestamps; the counters stay.
        """
    def lookup(self, timestamp_ns: int) -> DeviceStates:
        """
        The state of every device at a time, by the rules of PoseRing.at.
        """
    def newest_ns(self, device: typing.SupportsInt | typing.SupportsIndex) -> int | None:
        """
        A device's newest timestamp, nanoseconds; None without samples.
        """
    def push_leg(self, device: typing.SupportsInt | typing.SupportsIndex, timestamp_ns: int, orientation_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], acceleration: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> PushStatus:
        """
        As LegRing.push, for device 3..4.
        """
    def push_pose(self, device: typing.SupportsInt | typing.SupportsIndex, timestamp_ns: int, position: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], orientation_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> PushStatus:
        """
        As PoseRing.push, for device 0..2.
        """
    def refused(self, device: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        A device's samples refused since construction.
        """
class FrameAssembler:
    """
    Turns device states into network inputs, frame after frame. It remembers the previous
    frame's devices (for velocities) and the window's camera poses, in float64.
    """
    def __init__(self, T_head_cam_left: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], ground_y: typing.SupportsFloat | typing.SupportsIndex = 0.0, window: typing.SupportsInt | typing.SupportsIndex = 32, relocalises: bool = False) -> None:
        """
        T_head_cam_left: (4, 4) rigid, left camera (OpenCV axes) to head (OpenXR axes), m.
        ground_y: height of the floor in the world, m. window: frames, at least 1. relocalises: a head that moves as
        no head can moves all earlier frames along, so that the body keeps its shape.
        Raises ValueError for other values.
        """
    def assemble(self, timestamp_ns: int, states: DeviceStates, imu_features: numpy.ndarray, T_anchor_cam: numpy.ndarray, time_offset_s: numpy.ndarray, window_valid: numpy.ndarray) -> bool:
        """
        Take one frame and write, in place, float32: imu_features (5, 16) as
        same_runtime.conventions.FEATURE_DIM lays out; T_anchor_cam (window, 4, 4), left
        camera of each frame to the newest frame's anchor, m; time_offset_s (window,), at
        most 0; window_valid (window,). Rows run from the oldest to the newest; rows without
        a frame hold the identity, 0 and 0. Returns False, with nothing changed or written,
        when the head is MISSING or the time is not after the last one. Raises ValueError
        for any other array.
        """
    def copy_from(self, other: FrameAssembler) -> None:
        """
        Take over another assembler's whole state; windows must agree.
        """
    def joints_to_world(self, joints_anchor: typing.Annotated[numpy.typing.ArrayLike, numpy.float32]) -> numpy.typing.NDArray[numpy.float64]:
        """
        Move (J, 3) joints, m, from the newest anchor frame to the world, float64.
        Raises RuntimeError before the first frame.
        """
    def reset(self) -> None:
        """
        Forget all frames.
        """
    @property
    def T_world_anchor(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4) float64 copy, newest frame. Raises RuntimeError before the first frame.
        """
    @property
    def T_world_cam_left(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4) float64 copy, newest frame. Raises RuntimeError before the first frame.
        """
    @property
    def frames(self) -> int:
        """
        Frames assembled since construction or reset.
        """
    @property
    def ground_y(self) -> float:
        """
        Height of the floor in the world, m; a new value counts from the next frame on.
        """
    @ground_y.setter
    def ground_y(self, arg1: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def relocalisations(self) -> int:
        """
        Times the head moved as no head can and the window was moved along.
        """
    @property
    def window(self) -> int:
        """
        Frames in the window.
        """
class FisheyeCamera:
    """
    See same_runtime.camera.FisheyeCamera.
    """
    def __init__(self, width: typing.SupportsInt | typing.SupportsIndex, height: typing.SupportsInt | typing.SupportsIndex, fx: typing.SupportsFloat | typing.SupportsIndex, fy: typing.SupportsFloat | typing.SupportsIndex, cx: typing.SupportsFloat | typing.SupportsIndex, cy: typing.SupportsFloat | typing.SupportsIndex, k: typing.Annotated[collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex], "FixedSize(4)"], T_head_cam: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], max_incidence: typing.SupportsFloat | typing.SupportsIndex) -> None:
        """
        Raises ValueError, which names what is off.
        """
    def project(self, points_cam: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.bool]]:
        """
        Points (..., 3) m to pixels (..., 2) and whether each is seen.
        """
    def unproject(self, pixels: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.bool]]:
        """
        Pixels (..., 2) to unit rays (..., 3) and whether each is imaged.
        """
class CameraRig:
    """
    See same_runtime.camera.CameraRig.
    """
    def __init__(self, left: FisheyeCamera, right: FisheyeCamera) -> None:
        """
        Raises ValueError for two image sizes.
        """
    def check_sides(self) -> None:
        """
        Raises ValueError for a left camera to the right of the right one.
        """
    def ray_map(self, width: typing.SupportsInt | typing.SupportsIndex, height: typing.SupportsInt | typing.SupportsIndex, z_depth: bool, column_zoom: typing.SupportsFloat | typing.SupportsIndex = 1.0, row_zoom: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> tuple:
        """
        rays (2, 3, height, width), origins (2, 3) m, axes (2, 3), left-camera frame, float32.
        """
    @property
    def T_cam_left_cam_right(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4): right-camera points into the left-camera frame.
        """
class Ingestion:
    """
    The way of live samples into a Synchroniser: judges stamps, maps device clocks to the
    tracker's, corrects leg sensors, counts. Streams are indexed as conventions.DEVICES, 5 is
    the cameras. Pushes return a PushStatus as an int, 0 being ACCEPTED; bad values raise
    ValueError and are counted as invalid. A stamp that is refused never blocks its stream:
    stamps that go on from it (2 ahead by over 5 s, 8 behind) take the stream over.
    """
    def __init__(self, synchroniser: Synchroniser) -> None:
        ...
    def clock(self, stream: typing.SupportsInt | typing.SupportsIndex) -> tuple[int, float]:
        """
        (offset ns, drift ppm) that take the stream's newest stamp to the tracker's clock.
        """
    def count_invalid(self, stream: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Count a sample that the caller found unusable.
        """
    def counts(self, stream: typing.SupportsInt | typing.SupportsIndex) -> tuple[int, int, int, int, int, int, int]:
        """
        (accepted, duplicate, backwards, too_close, jumped, invalid, restarts) so far.
        """
    def interval_ns(self, stream: typing.SupportsInt | typing.SupportsIndex) -> float:
        """
        Mean interval of the stream's last samples, ns; 0 before the second.
        """
    def leg_mounting(self, device: typing.SupportsInt | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4,) xyzw, leg to sensor, of device 3..4.
        """
    def newest_ns(self, stream: typing.SupportsInt | typing.SupportsIndex) -> int | None:
        """
        Newest accepted time on the tracker's clock, ns; None before.
        """
    def off_clock(self, now_ns: typing.SupportsInt | typing.SupportsIndex | None = None) -> tuple[bool, bool, bool, bool, bool, bool]:
        """
        For each stream whether another clock stamps it than the reference stream, or it lies
        over two seconds ahead of now_ns.
        """
    def push_leg(self, device: typing.SupportsInt | typing.SupportsIndex, timestamp_ns: int, orientation_xyzw: typing.Any, acceleration: typing.Any, arrival_ns: typing.SupportsInt | typing.SupportsIndex | None = None, trusted: bool = False) -> int:
        """
        orientation (4,) sensor to world and acceleration (3,) m/s^2, world frame, gravity
        removed, of device 3..4; otherwise as push_pose.
        """
    def push_pose(self, device: typing.SupportsInt | typing.SupportsIndex, timestamp_ns: int, position: typing.Any, orientation_xyzw: typing.Any, arrival_ns: typing.SupportsInt | typing.SupportsIndex | None = None, trusted: bool = False) -> int:
        """
        position (3,) m and orientation (4,) of device 0..2, device to world. timestamp_ns: on
        the device's clock. arrival_ns: on the tracker's clock, None for now. trusted: the
        stamp may lie far ahead of its stream.
        """
    def restarts(self, stream: typing.SupportsInt | typing.SupportsIndex) -> int:
        """
        Times a stream's time line began anew.
        """
    def set_clock_estimated(self, stream: typing.SupportsInt | typing.SupportsIndex, min_latency_ns: typing.SupportsInt | typing.SupportsIndex = 0) -> None:
        """
        Learn offset and drift from arrivals; min_latency_ns: the link's shortest latency.
        """
    def set_clock_given(self, stream: typing.SupportsInt | typing.SupportsIndex, offset_ns: typing.SupportsInt | typing.SupportsIndex, drift_ppm: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> None:
        """
        Tracker's time = device time + offset_ns + drift of the device time.
        """
class FramePush:
    """
    What became of a frame or image that was put in.
    """
    @property
    def at_gate(self) -> bool:
        """
        Whether its own stamp was refused.
        """
    @property
    def first_skew(self) -> bool:
        """
        Whether two images are too far apart for a pair for the first time.
        """
    @property
    def newest_ns(self) -> int | None:
        """
        The newest before it on the tracker's clock, ns; None before the first.
        """
    @property
    def refused_ns(self) -> int:
        """
        The stamp that was refused, ns.
        """
    @property
    def status(self) -> PushStatus:
        """
        Of its own stamp, or of a frame's made with it.
        """
class FrameInbox:
    """
    Stereo frames between the camera driver and the tracker: judged by their cameras' gates,
    paired, the newest wins. Any thread may put images, one takes frames out.
    """
    def __init__(self, ingestion: Ingestion, height: typing.SupportsInt | typing.SupportsIndex, width: typing.SupportsInt | typing.SupportsIndex, max_skew_ns: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Images are height x width; left and right are paired at most max_skew_ns apart.
        Raises ValueError for empty images or a negative skew.
        """
    def clear(self) -> None:
        """
        Forget all frames; held views and counters stay.
        """
    def counts(self) -> tuple[int, int, int, int, int, int]:
        """
        (accepted, dropped, unpaired, late_images, skewed, view_skew_ns) so far.
        """
    def newest(self) -> tuple[int, numpy.typing.NDArray[numpy.uint8] | None, numpy.typing.NDArray[numpy.uint8] | None, int, int, bool] | None:
        """
        (timestamp_ns, left, right, came_ns, restarts, skewed) of the newest frame, also when
        it was taken before; None when there is none. The images are read-only views that hold
        the frame; came_ns: steady_ns() when it came in; restarts: times the frames had begun
        anew until then; skewed: the missing image is there, but too far away in time.
        """
    def put(self, timestamp_ns: int, left: numpy.ndarray | None, right: numpy.ndarray | None, arrival_ns: typing.SupportsInt | typing.SupportsIndex | None = None) -> FramePush:
        """
        Copy in a stereo frame: (height, width) uint8 images, None for a missing one.
        timestamp_ns: on the cameras' clock; arrival_ns: on the tracker's, None for now. Raises
        ValueError for other values.
        """
    def put_image(self, view: typing.SupportsInt | typing.SupportsIndex, timestamp_ns: int, image: numpy.ndarray, arrival_ns: typing.SupportsInt | typing.SupportsIndex | None = None) -> FramePush:
        """
        Copy in one view's image; view: 0 is left, 1 is right. Otherwise as put.
        """
    @property
    def restarts(self) -> int:
        """
        Times the frames went on from an earlier time.
        """
class ImagePreprocessor:
    """
    Camera image to network input: area-averaging resize (the mean over the box that an
    output pixel covers) and normalisation in one pass. Threads may share one.
    """
    def __call__(self, image: numpy.ndarray, out: numpy.ndarray) -> None:
        """
        Write (resized image / 255 - mean) / std. image: (in_height, in_width) uint8 with any
        strides; out: (out_height, out_width) float32, in place. Raises ValueError for other
        arrays.
        """
    def __init__(self, in_height: typing.SupportsInt | typing.SupportsIndex, in_width: typing.SupportsInt | typing.SupportsIndex, out_height: typing.SupportsInt | typing.SupportsIndex, out_width: typing.SupportsInt | typing.SupportsIndex, mean: typing.SupportsFloat | typing.SupportsIndex, std: typing.SupportsFloat | typing.SupportsIndex, column_zoom: typing.SupportsFloat | typing.SupportsIndex = 1.0, row_zoom: typing.SupportsFloat | typing.SupportsIndex = 1.0) -> None:
        """
        Sizes in pixels; mean and std on the scale where white is 1. Raises ValueError for
        an output larger than the input, an input wider than 8192, a std <= 0 or a zoom outside 1..4.
        """
class PoseStatus(enum.IntEnum):
    """
    What same_runtime.PoseStatus says, in its order.
    """
    INVALID = 0
    LIMITED = 1
    VALID = 2
class Reason(enum.IntEnum):
    """
    What same_runtime.Reason says, in its order.
    """
    HEAD_LOST = 0
    RELOCALISED = 1
    OVERLOADED = 2
    WARMING_UP = 3
    NO_IMAGES = 4
    CAMERA_LOST = 5
    CONTROLLER_LOST = 6
    LEG_TRACKER_LOST = 7
    STALE = 8
    OTHER_CLOCK = 9
    VIEW_SKEW = 10
    CAMERAS_COVERED = 11
    CAMERAS_SATURATED = 12
    NOT_WORN = 13
    IMPLAUSIBLE_HEAD = 14
    IMPLAUSIBLE_CONTROLLER = 15
    IMPLAUSIBLE_LEG = 16
    MOUNT_CHANGED = 17
    IMPLAUSIBLE_POSE = 18
class Skeleton:
    """
    One solved body; its arrays are read-only views, float64.
    """
    def __init__(self, joints: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], rotations_world: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], rotations_local: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], velocities: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], turn_rates: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], foot_contacts: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], offsets: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], changed_count: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        As the properties say. Raises ValueError for other shapes.
        """
    def moved(self, turn_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], translation: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> Skeleton:
        """
        The same body in another frame: turned by (4,), then moved by (3,) m.
        """
    @property
    def changed_count(self) -> int:
        """
        How often offsets changed.
        """
    @property
    def foot_contacts(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (2,) 0..1, how sure it is that the left and right toes stand on the floor.
        """
    @property
    def joints(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m, world.
        """
    @property
    def offsets(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m, from each joint's parent in the T-pose.
        """
    @property
    def rotations_local(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 4) xyzw, joint to its parent; the pelvis's is to the world.
        """
    @property
    def rotations_world(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 4) xyzw, T-pose to world.
        """
    @property
    def turn_rates(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) rad/s about the world's axes.
        """
    @property
    def velocities(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m/s, world.
        """
class Pose:
    """
    What same_runtime.Pose says; its arrays are read-only, float64 but for
    joint_confidence.
    """
    def __init__(self, timestamp_ns: typing.SupportsInt | typing.SupportsIndex, status: PoseStatus, reasons: collections.abc.Sequence[Reason], joints_world: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], joints_cam_left: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], joint_confidence: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], T_world_cam_left: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], device_orientations_world: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], latency_ns: typing.SupportsInt | typing.SupportsIndex, skeleton: Skeleton | None) -> None:
        """
        As the properties say. Raises ValueError for other shapes.
        """
    @property
    def T_world_cam_left(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4) left camera to world, m; zeros before a head was known.
        """
    @property
    def device_orientations_world(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (5, 4) xyzw, each device to world; zeros where it is missing.
        """
    @property
    def frame_changes(self) -> int:
        """
        How often the frame that poses come out in had become another one.
        """
    @property
    def joint_confidence(self) -> numpy.typing.NDArray[numpy.float32]:
        """
        (22,) float32, 0..1.
        """
    @property
    def joints_cam_left(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m, left camera.
        """
    @property
    def joints_world(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m, world.
        """
    @property
    def latency_ns(self) -> int:
        """
        What it took, nanoseconds.
        """
    @property
    def reasons(self) -> tuple[Reason, ...]:
        """
        Why it is not VALID.
        """
    @property
    def skeleton(self) -> Skeleton | None:
        """
        The solved body; None without.
        """
    @property
    def status(self) -> PoseStatus:
        """
        How far the pose can be trusted.
        """
    @property
    def timestamp_ns(self) -> int:
        """
        Time of the pose, nanoseconds.
        """
class NativeBundle:
    """
    A bundle as apps without Python open it; judges as same_engines.Bundle and
    the tracker's check of its tensors do. Raises BundleError.
    """
    def __init__(self, path: str) -> None:
        ...
    def graph_bytes(self, precision: str, stage: str) -> bytes:
        """
        A graph file's bytes, once its hash and content are checked.
        """
    def verify(self) -> None:
        """
        Check every graph file.
        """
class NativeEngine:
    """
    The stages of a bundle on ONNX Runtime, as apps without Python run them: see
    same_engines.Engine. Raises BundleError and EngineError.
    """
    def __init__(self, bundle: NativeBundle, library: str, precision: str, threads: typing.SupportsInt | typing.SupportsIndex, provider: str = 'cpu') -> None:
        """
        library: the path of ONNX Runtime's shared library.
        """
    def host_input(self, name: str) -> numpy.typing.NDArray[numpy.float32]:
        """
        The memory of an input that no stage computes; write into it.
        """
    def host_output(self, name: str) -> numpy.typing.NDArray[numpy.float32]:
        """
        A stage's output, valid until that stage runs again.
        """
    def peek(self, stage: str) -> None:
        """
        Run one stage, but leave the carried state as it was.
        """
    def reset_state(self) -> None:
        """
        Zero all carried state.
        """
    def run_frame(self, with_images: bool = True) -> None:
        """
        Run one frame's stages in order.
        """
class SkeletonSolver:
    """
    What same_runtime.skeleton.SkeletonSolver computes with. For one thread at a time.
    """
    def __init__(self) -> None:
        ...
    def give_lengths(self, lengths: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
        """
        Fix the bones' lengths, (22,) m from each joint's parent.
        """
    def reset(self) -> None:
        """
        Forget what is carried from pose to pose; the user's offsets stay.
        """
    def solve(self, timestamp_ns: typing.SupportsInt | typing.SupportsIndex, joints: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], devices: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], good: bool, restart: bool, keep: bool = True) -> Skeleton:
        """
        joints (22, 3) m, world; devices (5, 4) xyzw, zeros where missing. good: counts in the
        measurement of the user; restart: what is carried does not hold. Without keep the pose
        is solved from what is carried and leaves no trace.
        """
    @property
    def ground_y(self) -> float:
        """
        Height of the floor, m.
        """
    @ground_y.setter
    def ground_y(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    @property
    def plant_feet(self) -> bool:
        """
        Whether feet that stand are held where they are, and all above the floor.
        """
    @plant_feet.setter
    def plant_feet(self, arg0: bool) -> None:
        ...
class Estimate:
    """
    One network estimate and what its continuation needs.
    """
    def __init__(self, pose: Pose, states: DeviceStates, recent_s: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], recent_world: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
        """
        states: the devices at the pose's time; recent_s (n,) seconds from it, at most 0, and
        recent_world (n, 22, 3) m: the joints of the last rows of the network's window,
        oldest first; the last VELOCITY_FRAMES count.
        """
    @property
    def pose(self) -> Pose:
        """
        In the world, before it is finished.
        """
    @property
    def velocities(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (22, 3) m/s, world: a straight line through the recent joints, bounded.
        """
class Plausibility:
    """
    Whether images and devices can be what they are said to be. For one thread at a time.
    """
    def __init__(self, image_mean: typing.SupportsFloat | typing.SupportsIndex, image_std: typing.SupportsFloat | typing.SupportsIndex, on_hint: collections.abc.Callable[[str], None]) -> None:
        """
        image_mean, image_std: of the network's images, in shares of white; on_hint: called
        with the likely mistake behind each kind of implausible input, once for each.
        """
    def of_devices(self, states: DeviceStates, ground_y: typing.SupportsFloat | typing.SupportsIndex) -> tuple[Reason, ...]:
        """
        Why the devices at one frame, a tracked head among them, cannot be worn ones.
        """
    def of_estimate(self, pose: Pose, ground_y: typing.SupportsFloat | typing.SupportsIndex) -> tuple[Reason, ...]:
        """
        Why a pose, made of the devices judged last and of images, is nobody or no body.
        """
    def of_view(self, image: typing.Annotated[numpy.typing.ArrayLike, numpy.float32]) -> Reason | None:
        """
        Why a network image (height, width) shows nothing; None when it does.
        """
    def reset(self) -> None:
        """
        Forget what has lasted; the hints stay given.
        """
class CalibrationState(enum.IntEnum):
    """
    What same_runtime.calibration.state.CalibrationState says, in its order.
    """
    DEFAULT = 0
    COLLECTING = 1
    DONE = 2
    GIVEN = 3
    FAILED = 4
class Calibration:
    """
    What same_runtime.Calibration measures with. Any thread may call any method; values are
    trusted. All lengths are metres.
    """
    def __init__(self, ingestion: Ingestion, ground_y: typing.SupportsFloat | typing.SupportsIndex, on_failure: collections.abc.Callable[[str], None]) -> None:
        """
        ingestion: where leg sensors are corrected; ground_y: the floor's height in the
        world; on_failure: called with why a measurement failed.
        """
    def floor_from_controller(self, states: DeviceStates) -> float:
        """
        Take the lower controller's height as the floor's and return it. Raises ValueError
        when no controller is tracked and for a height that is no floor's under the head.
        """
    def forget_user(self) -> None:
        """
        Another user: height and bones are measured anew, leg sensors count as worn right.
        """
    def give_bone_lengths(self, lengths: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
        """
        Give the bones' lengths (22,) instead of measuring them.
        """
    def give_floor(self, ground_y: typing.SupportsFloat | typing.SupportsIndex) -> None:
        """
        Give the floor's height in the world.
        """
    def give_leg_straps(self, head_height_m: typing.SupportsFloat | typing.SupportsIndex, left: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], right: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> None:
        """
        Give what leg_straps tells instead of measuring it.
        """
    def give_user_height(self, height_m: typing.SupportsFloat | typing.SupportsIndex) -> None:
        """
        Give the stature instead of measuring it.
        """
    def recentre(self, states: DeviceStates, keep_place: bool) -> None:
        """
        Make the head's heading forward (-z), and unless keep_place its place on the floor the
        origin. Raises ValueError while the head is not tracked.
        """
    def start_legs(self) -> None:
        """
        Measure how the leg sensors are strapped on, anew if that is under way.
        """
    def update(self, pose: Pose, states: DeviceStates, ground_y: typing.SupportsFloat | typing.SupportsIndex) -> None:
        """
        Take one estimate, in the world with its floor at ground_y, into what is measured.
        """
    @property
    def T_user_world(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        (4, 4) from the space that head and controllers are told in to the frame that poses come out
        in, read-only.
        """
    @property
    def bone_lengths(self) -> numpy.typing.NDArray[numpy.float64] | None:
        """
        (22,) from each joint's parent, read-only; None until measured or given.
        """
    @property
    def floor_state(self) -> CalibrationState:
        """
        How far ground_y is.
        """
    @property
    def forward_state(self) -> CalibrationState:
        """
        How far T_user_world is.
        """
    @property
    def ground_y(self) -> float:
        """
        The floor's height in the world, m.
        """
    @property
    def height_state(self) -> CalibrationState:
        """
        How far user_height_m is.
        """
    @property
    def leg_straps(self) -> tuple[float, numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]] | None:
        """
        The head's height in the stand and, for the left and the right sensor, the turn (4,)
        xyzw from it as worn to one worn right; None until measured or given.
        """
    @property
    def leg_straps_hold(self) -> bool:
        """
        Whether leg_straps are known and the sensors still sit so.
        """
    @property
    def legs_changed(self) -> bool:
        """
        Whether a leg sensor sits otherwise than it was measured or given.
        """
    @property
    def legs_failure(self) -> str | None:
        """
        Why legs_state is FAILED; None otherwise.
        """
    @property
    def legs_state(self) -> CalibrationState:
        """
        How far what start_legs measures is.
        """
    @property
    def user_height_m(self) -> float | None:
        """
        Stature; None until measured or given.
        """
class PoseSmoother:
    """
    What same_runtime.estimation.finishing.PoseSmoother computes with. For one thread at a
    time.
    """
    def __init__(self, min_cutoff_hz: typing.SupportsFloat | typing.SupportsIndex, cutoff_per_speed: typing.SupportsFloat | typing.SupportsIndex) -> None:
        ...
    def reset(self) -> None:
        """
        Forget what is carried from pose to pose.
        """
    def smooth(self, pose: Pose, keep: bool) -> numpy.typing.NDArray[numpy.float64]:
        """
        The joints (22, 3) m, world; without keep they leave no trace.
        """
class Tracker:
    """
    What SamePoseTracker is a façade of: see there. Any thread may call any method. Raises
    InvalidInputError, TimestampError, EngineError and SameError.
    """
    def __init__(self, engine: typing.Any, rig: CameraRig, image_mean: typing.SupportsFloat | typing.SupportsIndex, image_std: typing.SupportsFloat | typing.SupportsIndex, z_depth: bool, column_zoom: typing.SupportsFloat | typing.SupportsIndex, row_zoom: typing.SupportsFloat | typing.SupportsIndex, reads_straps: bool, options: typing.Any, log: typing.Any, hint: typing.Any, estimated: typing.Any, given_out: typing.Any) -> None:
        """
        engine: a same_engines.Engine or a NativeEngine; it is kept, not closed. options: a
        TrackerOptions. log, hint: called with one-line warnings, and with likely mistakes behind
        implausible input. estimated, given_out: as Observer's; the parts' times come third.
        """
    def at_time(self, timestamp_ns: typing.SupportsInt | typing.SupportsIndex) -> Pose:
        """
        See SamePoseTracker.at_time.
        """
    def await_stop(self) -> None:
        """
        Wait for what stop did not wait for; nothing while started, nor where is_inside.
        """
    def check_open(self) -> None:
        """
        Raises once closed.
        """
    def clock_now_ns(self) -> int | None:
        """
        Now on the tracker's clock; None when not started.
        """
    def close(self) -> None:
        """
        Stop, and drop the engine. From inside an estimate the second call drops it.
        """
    def estimate_without_images(self) -> None:
        """
        Run the network at the newest head sample, as while the cameras are lost.
        """
    def figures(self) -> dict:
        """
        What TrackerStats counts; estimates and output as the fields of RunningFigures.
        """
    def floor_from_controller(self) -> float:
        """
        See SamePoseTracker.floor_from_controller.
        """
    def latest(self) -> Pose:
        """
        See SamePoseTracker.latest.
        """
    def newest_estimate(self, predicted: bool = False) -> Estimate | None:
        """
        Of a frame, or what the network made of newer device samples; None where there is none.
        """
    def off_clock(self, now_ns: typing.SupportsInt | typing.SupportsIndex | None) -> tuple[bool, bool, bool, bool, bool, bool]:
        """
        For each stream whether it is on another clock; the first time each is logged.
        """
    def on_pose(self, callback: typing.Any) -> None:
        """
        The one function that is called with each Pose given out; None: nobody.
        """
    def predict_without_images(self) -> None:
        """
        Run the network on the newest device samples, without a trace in its state.
        """
    def push(self, frame: typing.Any, imu: typing.Any) -> Pose:
        """
        See SamePoseTracker.push; both are checked.
        """
    def push_frame(self, frame: typing.Any, arrival_ns: typing.SupportsInt | typing.SupportsIndex | None) -> Pose:
        """
        See SamePoseTracker.push_frame.
        """
    def recentre(self, keep_place: bool) -> None:
        """
        See SamePoseTracker.recentre.
        """
    def reference_space_changed(self, timestamp_ns: typing.SupportsInt | typing.SupportsIndex, position: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], orientation: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], legs_too: bool) -> None:
        """
        See SamePoseTracker.reference_space_changed.
        """
    def reset(self) -> None:
        """
        See SamePoseTracker.reset.
        """
    def start(self, options: typing.Any, clock: typing.Any) -> None:
        """
        See SamePoseTracker.start. clock: None for steady_ns; it may return None: not known.
        """
    def step(self) -> Pose | None:
        """
        See SamePoseTracker.step.
        """
    def stop(self) -> None:
        """
        See SamePoseTracker.stop; does not wait where is_inside.
        """
    @property
    def calibration(self) -> Calibration:
        """
        What is known of the user.
        """
    @property
    def inbox(self) -> FrameInbox:
        """
        Where images go in.
        """
    @property
    def ingestion(self) -> Ingestion:
        """
        Where samples go in.
        """
    @property
    def is_inside(self) -> bool:
        """
        Whether the tracker has called what this thread is in.
        """
    @property
    def started(self) -> bool:
        """
        Whether its threads run.
        """
    @property
    def synchroniser(self) -> Synchroniser:
        """
        The devices' samples.
        """
def bone_lengths(joints: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
    """
    (22,) m from each joint's parent, of joints (22, 3); 0 for the pelvis.
    """
def cell_statistics(image: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], rows: typing.SupportsInt | typing.SupportsIndex, columns: typing.SupportsInt | typing.SupportsIndex, bright: typing.SupportsFloat | typing.SupportsIndex) -> tuple[float, float, float]:
    """
    (mean, standard deviation, share at or above `bright`) of the means over about rows x
    columns cells of equal whole size. image: (height, width) float32. Raises ValueError for
    an empty image or no cells.
    """
def continued(estimate: Estimate, states: DeviceStates, horizon_s: typing.SupportsFloat | typing.SupportsIndex, max_extrapolation_s: typing.SupportsFloat | typing.SupportsIndex) -> numpy.typing.NDArray[numpy.float64]:
    """
    Joints (22, 3) m, world, horizon_s after the estimate, states being the devices then: at
    their velocity for at most max_extrapolation_s, then tied to head and controllers.
    """
def floor_anchor(position: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], orientation_xyzw: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], ground_y: typing.SupportsFloat | typing.SupportsIndex = 0.0) -> numpy.typing.NDArray[numpy.float64]:
    """
    T_world_anchor (4, 4) float64 of a head pose: origin on the floor under the head, axes
    turned about y by the head's yaw, so that it looks along -z. Yaw is that of the forward
    axis; from 15 to 5 degrees of the vertical the up axis takes over gradually.
    position (3,) m, orientation_xyzw (4,) head to world. Raises ValueError for bad values.
    """
def makes_invalid(reason: Reason) -> bool:
    """
    Whether poses with this reason are INVALID, not LIMITED.
    """
def openxr_body(pose: Pose, skeleton: Skeleton) -> tuple[numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.uint64], bool, numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
    """
    XR_BD_body_tracking's 24 joints: positions (24, 3) m and orientations (24, 4) xyzw, world,
    XrSpaceLocationFlags (24,) uint64, whether all are tracked, velocities (24, 3) m/s, turn
    rates (24, 3) rad/s.
    """
def sha256_hex(content: bytes) -> str:
    """
    SHA-256 as the native reader of bundles computes it, lower-case hex.
    """
def spatial_aware_deform_attn(features: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], rays: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], origins: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], locations: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], weights: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], depth: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], w1: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], b1: typing.Annotated[numpy.typing.ArrayLike, numpy.float32], delta: typing.SupportsFloat | typing.SupportsIndex, pe_sum: bool = False) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]:
    """
    Eq. 3-4 of the SAME paper up to their outer linear maps, float32.
    
    features (V, D, Hf, Wf); rays (V, 3, Hf, Wf) and origins (V, 3): origin + ray * depth is
    the 3D point in cam_left, m; locations (V, J, M, K, 2) feature pixels (x, y), centres at
    integers; weights (V, J, M, K); depth (V, J) m; w1 (H, 3 N_s), columns x0 y0 z0 x1 ...;
    b1 (H); delta: half length, m, of the shell of N_s points along the ray. Sampling is
    bilinear, zero outside. pe_sum leaves the weights out of position.
    Returns sampled (V, J, M, D), the weighted features, and position (V, J, M, H), the
    weighted ReLU(w1 points + b1). Raises ValueError for other shapes.
    """
def steady_ns() -> int:
    """
    Now on the clock that stands in for an arrival time that is not given, ns.
    """
def with_bone_lengths(joints: typing.Annotated[numpy.typing.ArrayLike, numpy.float64], lengths: typing.Annotated[numpy.typing.ArrayLike, numpy.float64]) -> numpy.typing.NDArray[numpy.float64]:
    """
    Joints (22, 3) m with every bone's direction kept and its length that of lengths (22,);
    the head stays.
    """
DEVICES: tuple = ('head', 'ctrl_left', 'ctrl_right', 'leg_left', 'leg_right')
FEATURE_DIM: int = 16
HIGHEST_STATURE_M: float = 2.5
JOINT_NAMES: tuple = ('pelvis', 'left_hip', 'right_hip', 'spine1', 'left_knee', 'right_knee', 'spine2', 'left_ankle', 'right_ankle', 'spine3', 'left_foot', 'right_foot', 'neck', 'left_collar', 'right_collar', 'head', 'left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist')
JOINT_PARENTS: tuple = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
LEG_OUTWARD_RAD: tuple = (0.5235987755982988, -0.5235987755982988)
LONGEST_BONE_M: float = 1.0
LOWEST_STATURE_M: float = 0.8
MAX_ACCELERATION: float = 10000.0
MAX_FRAME_GAP_NS: int = 1000000000
MAX_NORM_ERROR: float = 0.01
MAX_POSITION_M: float = 100000.0
MAX_TIMESTAMP_NS: int = 4611686018427387904
MAX_VELOCITY_GAP_NS: int = 500000000
NUM_POSE_DEVICES: int = 3
PARTS: tuple = ('synchronise', 'features', 'preprocess', 'output')
REST_OFFSETS_M: numpy.ndarray
SHORTEST_BONE_M: float = 0.01
VELOCITY_FRAMES: int = 4
