"""The C ABI: what it gives equals Python's bit for bit, and nothing that goes in can crash it."""

import ctypes as c
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

import c_api
import numpy as np
import pytest
from c_api import doubles, last_error, library, made
from live_stream import START_NS, live_events
from native_tracker import ONNXRUNTIME, NativeTracker, as_frame, assert_calibration, calibration_of

from same_runtime import OneEuro, Pose, PoseStatus, Reason, SamePoseTracker, TrackerOptions
from same_runtime.conventions import JOINT_NAMES
from same_runtime.demo import demo_bundle, demo_recording
from same_runtime.native import include_path, library_path
from same_runtime.recording import Recording
from same_runtime.recording.replay import Replay
from same_runtime.samples import StereoFrame

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "native"
ONE = (0.0, 0.0, 0.0, 1.0)


def assert_equal(found: c_api.PoseStruct, expected: Pose) -> None:
    """Bit for bit, all but the latency."""
    assert found.timestamp_ns == expected.timestamp_ns
    assert PoseStatus(library_status(found.status)) is expected.status
    names = [library().same_reason_name(found.reasons[i]) for i in range(found.reason_count)]
    assert [Reason[name.decode()] for name in names] == list(dict.fromkeys(expected.reasons))
    for name, other in (
        ("joints_world", expected.joints_world),
        ("joints_cam_left", expected.joints_cam_left),
        ("joint_confidence", expected.joint_confidence),
        ("device_orientations", expected.device_orientations_world),
    ):
        np.testing.assert_array_equal(np.array(getattr(found, name)), other, err_msg=name)
    T = np.array(found.T_world_cam_left).reshape(4, 4)
    np.testing.assert_array_equal(T, expected.T_world_cam_left)
    assert bool(found.has_skeleton) == (expected.skeleton is not None)
    if expected.skeleton is not None:
        for name, other in (
            ("skeleton_joints", expected.skeleton.joints_world),
            ("rotations_world", expected.skeleton.rotations_world),
            ("rotations_local", expected.skeleton.rotations_local),
            ("velocities", expected.skeleton.velocities_world),
            ("turn_rates", expected.skeleton.angular_velocities_world),
            ("offsets", expected.skeleton.offsets_m),
            ("foot_contacts", expected.skeleton.foot_contacts),
        ):
            np.testing.assert_array_equal(np.array(getattr(found, name)), other, err_msg=name)


def library_status(status: int) -> str:
    return ("INVALID", "LIMITED", "VALID")[status]


@pytest.mark.parametrize(
    "python, native_options",
    [
        ({}, {}),
        ({"plant_feet": True}, {"plant_feet": 1}),
        (
            {"smoothing": OneEuro(1.5, 3.0), "hold_bone_lengths": True, "ground_y_m": 0.02},
            {
                "smoothing_min_cutoff_hz": 1.5,
                "smoothing_cutoff_per_speed": 3.0,
                "hold_bone_lengths": 1,
                "ground_y": 0.02,
            },
        ),
    ],
)
def test_every_pose_of_a_recording_equals_pythons(
    native: Callable[..., NativeTracker], python: dict, native_options: dict
) -> None:
    recording = Recording(demo_recording())
    tracker = native(demo_bundle(), recording.rig, **native_options)
    options = TrackerOptions(precision="fp32", threads=1, **python)
    replayed = 0
    with SamePoseTracker(demo_bundle(), recording.rig, "onnxruntime", options) as reference:
        samples = recording.samples()
        for replay in islice(Replay(recording, reference), 90):
            for sample in samples:
                if sample.stream == "frame":
                    break
                if sample.stream != "truth":
                    tracker.put(sample)
            assert isinstance(sample.value, StereoFrame)
            pose = tracker.pose("push_frame", as_frame(sample.value), sample.arrival_ns)
            assert_equal(pose, replay.pose)
            ahead_ns = pose.timestamp_ns + 20_000_000
            assert_equal(tracker.pose("at_time", ahead_ns), reference.at_time(ahead_ns))
            replayed += 1
        assert_calibration(calibration_of(tracker), reference.calibration)
    assert replayed == 90


def test_names_and_versions_are_those_of_the_package() -> None:
    names = [library().same_joint_name(joint).decode() for joint in range(c_api.JOINTS)]
    assert tuple(names) == JOINT_NAMES
    reasons = [library().same_reason_name(index) for index in range(len(Reason))]
    assert [name.decode() for name in reasons] == [reason.name for reason in Reason]
    assert library().same_joint_name(22) is None and library().same_joint_name(-1) is None
    assert library().same_reason_name(len(Reason)) is None
    import same_runtime

    assert library().same_version().decode() == same_runtime.__version__
    assert library().same_abi_version() == 1


def test_frames_by_the_inbox_and_live_give_poses(tiny: NativeTracker, tiny_bundle: Path) -> None:
    with SamePoseTracker(tiny_bundle) as reference:
        events = list(live_events(reference.rig, 0.6))
    received: list[int] = []
    callback = c_api.PoseCallback(lambda pose, _: received.append(pose.contents.timestamp_ns))
    now_ns = [events[0].timestamp_ns]
    clock = c_api.Clock(lambda _: now_ns[0])
    assert tiny.call("on_pose", callback, None) == c_api.OK
    assert tiny.call("start", made("live_options", clock=clock, display_rate_hz=500.0)) == c_api.OK
    assert tiny.call("start", None) == c_api.STATE and "started" in last_error()
    frame = made("frame", timestamp_ns=1)
    assert tiny.call("push", frame, made("readings"), made("pose")) == c_api.STATE
    ingest = Forward(tiny)
    for event in events:
        now_ns[0] = event.timestamp_ns
        event.send(ingest)
        threading.Event().wait(0.002)
    threading.Event().wait(0.1)
    stats = made("stats")
    assert tiny.call("get_stats", stats) == c_api.OK
    latest = tiny.pose("latest")
    assert tiny.call("stop") == c_api.OK and tiny.call("stop") == c_api.OK
    assert stats.estimates > 3 and stats.worker_errors == 0
    assert len(received) > 20 and received == sorted(received)
    assert latest.status != 0 or latest.reason_count > 0
    count = len(received)
    threading.Event().wait(0.05)
    assert len(received) == count, "no pose after stop"


class Forward:
    """``tracker.ingest`` of a native tracker, for ``live_events``."""

    def __init__(self, tracker: NativeTracker) -> None:
        self._tracker = tracker

    def _pose(self, device: int, t: int, position: object, orientation: object) -> None:
        arguments = doubles(*position), doubles(*orientation)
        assert self._tracker.call("put_pose", device, t, *arguments, c_api.NOW) == c_api.OK

    def head(self, t: int, position: object, orientation: object, *_: object) -> None:
        self._pose(0, t, position, orientation)

    def controller(self, side: str, t: int, position: object, q: object, *_: object) -> None:
        self._pose(1 + (side == "right"), t, position, q)

    def leg(self, side: str, t: int, q: object, acceleration: object, *_: object) -> None:
        arguments = doubles(*q), doubles(*acceleration)
        device = 3 + (side == "right")
        assert self._tracker.call("put_leg", device, t, *arguments, c_api.NOW) == c_api.OK

    def frame(self, frame: StereoFrame, *_: object) -> None:
        assert self._tracker.call("put_frame", as_frame(frame), c_api.NOW) == c_api.OK


def test_clocks_told_after_samples_came_silence_nothing(tiny: NativeTracker) -> None:
    ahead_ns, step_ns = 10_000_000_000, 33_000_000

    def frame(number: int) -> None:
        at_ns = START_NS + number * step_ns
        pose = doubles(0.0, 1.6, 0.0), doubles(0.0, 0.0, 0.0, 1.0)
        assert tiny.call("put_pose", 0, at_ns + ahead_ns, *pose, -1) == c_api.OK, last_error()
        came = tiny.call("put_frame", made("frame", timestamp_ns=at_ns + ahead_ns), -1)
        assert came == c_api.OK, last_error()
        assert tiny.pose("step").timestamp_ns >= at_ns

    for number in range(5):
        frame(number)
    for stream in (0, 5):
        assert tiny.call("set_clock_given", stream, -ahead_ns, 0.0) == c_api.OK
    for number in range(5, 12):
        frame(number)
    assert tiny.pose("latest").timestamp_ns == START_NS + 11 * step_ns


def test_a_python_thread_that_keeps_the_interpreter_does_not_hold_the_native_loop_up(
    tiny: NativeTracker,
) -> None:
    assert tiny.call("start", made("live_options", display_rate_hz=500.0)) == c_api.OK
    before, after = made("stats"), made("stats")
    tiny.call("get_stats", before)
    c.PyDLL(None).usleep(200_000)  # PyDLL keeps the interpreter's lock
    tiny.call("get_stats", after)
    tiny.call("stop")
    assert after.poses_given_out - before.poses_given_out > 50, "100 were due"


CALLS: dict[str, tuple[int, Callable[[NativeTracker], int]]] = {
    "no struct": (c_api.INVALID, lambda t: t.call("push_frame", None, c_api.NOW, made("pose"))),
    "no pose": (c_api.INVALID, lambda t: t.call("latest", None)),
    "a pose of no size": (c_api.INVALID, lambda t: t.call("latest", c_api.PoseStruct())),
    "a frame of a later version": (
        c_api.INVALID,
        lambda t: t.call("put_frame", made("frame", size=4096), c_api.NOW),
    ),
    "no images and no numbers": (
        c_api.INVALID,
        lambda t: t.call("put_pose", 0, 1, None, doubles(*ONE), c_api.NOW),
    ),
    "a device that is none": (
        c_api.INVALID,
        lambda t: t.call("put_pose", 3, 1, doubles(0, 0, 0), doubles(*ONE), c_api.NOW),
    ),
    "a leg that is none": (
        c_api.INVALID,
        lambda t: t.call("put_leg", 0, 1, doubles(*ONE), doubles(0, 0, 0), c_api.NOW),
    ),
    "not a number": (
        c_api.INVALID,
        lambda t: t.call("put_pose", 0, 1, doubles(np.nan, 0, 0), doubles(*ONE), c_api.NOW),
    ),
    "a zero quaternion": (
        c_api.INVALID,
        lambda t: t.call("put_pose", 0, 1, doubles(0, 0, 0), doubles(0, 0, 0, 0), c_api.NOW),
    ),
    "a negative time": (
        c_api.TIMESTAMP,
        lambda t: t.call("put_pose", 0, -5, doubles(0, 0, 0), doubles(*ONE), c_api.NOW),
    ),
    "a negative arrival": (
        c_api.TIMESTAMP,
        lambda t: t.call("put_pose", 0, 1, doubles(0, 0, 0), doubles(*ONE), -7),
    ),
    "a view that is none": (
        c_api.INVALID,
        lambda t: t.call("put_image", 2, 1, None, 640, c_api.NOW),
    ),
    "an image that is none": (
        c_api.INVALID,
        lambda t: t.call("put_image", 0, 1, None, 640, c_api.NOW),
    ),
    "rows that are too short": (
        c_api.INVALID,
        lambda t: t.call(
            "put_frame", made("frame", timestamp_ns=1, left=1, left_row_stride=3), c_api.NOW
        ),
    ),
    "rows as long as no memory": (
        c_api.INVALID,
        lambda t: t.call(
            "put_frame", made("frame", timestamp_ns=1, left=1, left_row_stride=1 << 40), c_api.NOW
        ),
    ),
    "rows as long as no number": (
        c_api.INVALID,
        lambda t: t.call(
            "put_frame",
            made("frame", timestamp_ns=1, left=1, left_row_stride=-(1 << 63)),
            c_api.NOW,
        ),
    ),
    "devices that are none": (
        c_api.INVALID,
        lambda t: t.call(
            "push", made("frame", timestamp_ns=1), made("readings", present=1 << 9), made("pose")
        ),
    ),
    "no frame yet": (c_api.NO_POSE, lambda t: t.call("step", made("pose"))),
    "a head that is not there": (c_api.INVALID, lambda t: t.call("recentre", 0)),
    "a flag that is none": (c_api.INVALID, lambda t: t.call("recentre", 7)),
    "a floor that is nowhere": (c_api.INVALID, lambda t: t.call("set_floor", float("inf"))),
    "a space that leans": (
        c_api.INVALID,
        lambda t: t.call(
            "reference_space_changed", 1, doubles(0, 0, 0), doubles(0.1, 0, 0, 0.995), 0
        ),
    ),
    "a space that is nowhere": (
        c_api.INVALID,
        lambda t: t.call("reference_space_changed", 1, None, doubles(0, 0, 0, 1), 0),
    ),
    "a space of legs that are none": (
        c_api.INVALID,
        lambda t: t.call("reference_space_changed", 1, doubles(0, 0, 0), doubles(0, 0, 0, 1), 2),
    ),
    "a space of no time": (
        c_api.TIMESTAMP,
        lambda t: t.call("reference_space_changed", -1, doubles(0, 0, 0), doubles(0, 0, 0, 1), 0),
    ),
    "no lengths": (c_api.INVALID, lambda t: t.call("set_bone_lengths", None)),
    "lengths of nobody": (
        c_api.INVALID,
        lambda t: t.call("set_bone_lengths", doubles(*[9.0] * c_api.JOINTS)),
    ),
    "a rate that is none": (
        c_api.INVALID,
        lambda t: t.call("start", made("live_options", display_rate_hz=0.0)),
    ),
    "a stream that is none": (c_api.INVALID, lambda t: t.call("set_clock_given", 6, 0, 0.0)),
    "a latency of minutes": (
        c_api.INVALID,
        lambda t: t.call("set_clock_estimated", 0, 600_000_000_000),
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_bad_input_is_an_error_and_a_line(tiny: NativeTracker, what: str) -> None:
    expected, call = CALLS[what]
    assert call(tiny) == expected
    if expected < 0:
        assert last_error() and "\n" not in last_error()
    stats = made("stats")
    assert tiny.call("get_stats", stats) == c_api.OK
    assert not any(stream.accepted for stream in stats.streams)


@pytest.mark.parametrize(
    "options, expected, said",
    [
        ({"threads": -1}, c_api.INVALID, "threads"),
        ({"ring_capacity": 1}, c_api.INVALID, "ring_capacity"),
        ({"ground_y": float("nan")}, c_api.INVALID, "ground_y"),
        ({"plant_feet": 2}, c_api.INVALID, "plant_feet"),
        ({"precision": b"fp64"}, c_api.INVALID, "precision"),
        ({"provider": b"abacus"}, c_api.ENGINE, "abacus"),
        ({"onnxruntime_path": b"/nowhere/libonnxruntime.so"}, c_api.ENGINE, "/nowhere"),
        ({"smoothing_min_cutoff_hz": -1.0}, c_api.INVALID, "min_cutoff_hz"),
        ({"size": 12}, c_api.INVALID, "size"),
    ],
)
def test_wrong_options_open_nothing(
    tiny_bundle: Path, options: dict, expected: int, said: str
) -> None:
    number = c.c_uint64(7)
    path = {"onnxruntime_path": str(ONNXRUNTIME).encode(), **options}
    opened = library().same_open(str(tiny_bundle).encode(), None, made("options", **path), number)
    assert opened == expected and said in last_error()
    assert number.value == 0


def test_a_bundle_that_is_none_is_named(tmp_path: Path) -> None:
    number = c.c_uint64()
    assert library().same_open(str(tmp_path).encode(), None, None, number) == c_api.BUNDLE
    assert str(tmp_path) in last_error()
    assert library().same_open(None, None, None, number) == c_api.INVALID
    assert library().same_open(b"x", None, None, None) == c_api.INVALID


def test_a_number_that_was_closed_is_refused_by_every_function(
    native: Callable[..., NativeTracker], tiny_bundle: Path
) -> None:
    tracker = native(tiny_bundle)
    assert tracker.call("close") == c_api.OK
    for number in (tracker.number.value, 0, 1, 2**64 - 1, tracker.number.value + 1):
        for name, arguments in c_api._ARGUMENTS.items():
            if name == "same_open":
                continue
            zeros = [
                argument() if hasattr(argument, "value") else None for argument in arguments[1:]
            ]
            zeros = [
                c_api.PoseCallback() if a is c_api.PoseCallback else z
                for a, z in zip(arguments[1:], zeros, strict=True)
            ]
            assert getattr(library(), name)(number, *zeros) == c_api.HANDLE, name
    again = native(tiny_bundle)
    assert again.number.value != tracker.number.value, "a number is not given out twice"


def test_calls_from_many_threads_while_it_closes_end_in_codes(
    native: Callable[..., NativeTracker], tiny_bundle: Path
) -> None:
    tracker = native(tiny_bundle)
    tracker.call("start", None)
    codes: list[set[int]] = [set() for _ in range(6)]
    ready = threading.Barrier(7)

    def hammer(found: set[int], seed: int) -> None:
        ready.wait()
        for i in count():
            arguments = doubles(0, 1.6, 0), doubles(*ONE)
            found.add(
                tracker.call("put_pose", seed % 3, i * 10_000_000 + seed, *arguments, c_api.NOW)
            )
            found.add(tracker.call("latest", made("pose")))
            found.add(tracker.call("at_time", i * 10_000_000, made("pose")))
            found.add(tracker.call("get_calibration", made("calibration")))
            if c_api.HANDLE in found:
                return

    threads = [threading.Thread(target=hammer, args=(codes[i], i)) for i in range(6)]
    for thread in threads:
        thread.start()
    ready.wait()
    threading.Event().wait(0.2)
    assert tracker.call("close") == c_api.OK
    for thread in threads:
        thread.join()
    assert set().union(*codes) <= {c_api.OK, c_api.TIMESTAMP, c_api.HANDLE}
    assert all(c_api.HANDLE in found for found in codes)


def test_the_callback_may_stop_but_not_close_or_start(tiny: NativeTracker) -> None:
    found: list[int] = []
    done = threading.Event()

    def callback(_: object, __: object) -> None:
        found.extend((tiny.call("close"), tiny.call("stop"), tiny.call("start", None)))
        tiny.call("on_pose", c_api.PoseCallback(), None)
        done.set()

    keep = c_api.PoseCallback(callback)
    tiny.call("on_pose", keep, None)
    assert tiny.call("start", None) == c_api.OK
    assert done.wait(5)
    assert found == [c_api.STATE, c_api.OK, c_api.STATE]
    assert tiny.call("stop") == c_api.OK
    assert tiny.call("start", None) == c_api.OK, "it can be started again"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_c99_program_prints_the_poses_of_a_recording_as_python_gives_them(
    tmp_path: Path,
) -> None:
    warnings = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
    sources = (EXAMPLES / "replay.c", library_path(), f"-Wl,-rpath,{library_path().parent}")
    program, raw = tmp_path / "replay", tmp_path / "demo.raw"
    for command in (
        ("cc", *warnings, f"-I{include_path()}", *sources, "-o", program),
        (sys.executable, EXAMPLES / "write_raw.py", demo_recording(), raw),
    ):
        subprocess.run([str(part) for part in command], check=True)
    done = subprocess.run(
        [program, demo_bundle(), raw, ONNXRUNTIME], capture_output=True, text=True, check=True
    )
    recording = Recording(demo_recording())
    options = TrackerOptions(precision="fp32", threads=1)
    expected = []
    with SamePoseTracker(demo_bundle(), recording.rig, "onnxruntime", options) as tracker:
        for replayed in Replay(recording, tracker):
            pose = replayed.pose
            reasons = ",".join(reason.name for reason in dict.fromkeys(pose.reasons))
            status = list(PoseStatus).index(pose.status)
            expected.append(f"{pose.timestamp_ns} {status} {reasons}".rstrip())
            expected.extend(
                " ".join((f"  {name:14}", *(float(x).hex() for x in joint)))
                for name, joint in zip(JOINT_NAMES, pose.joints_world, strict=True)
            )
    assert len(expected) > 6000
    found = [_as_python_writes(line) for line in done.stdout.splitlines()]
    assert found == expected


def _as_python_writes(line: str) -> str:
    """C's %a leaves trailing zeros out and writes 0 in another way."""
    if not line.startswith("  "):
        return line
    name, *numbers = line.split()
    return " ".join((f"  {name:14}", *(float.fromhex(x).hex() for x in numbers)))


def test_only_the_interface_is_exported() -> None:
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", library_path()], capture_output=True, text=True, check=True
    )
    names = {line.split()[-1] for line in listed.stdout.splitlines()}
    assert names == {*c_api.FUNCTIONS, "RegisterCustomOps"}  # the second is ONNX Runtime's name
