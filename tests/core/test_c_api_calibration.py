"""Calibration through the C ABI: what Python's says, and what is kept for the next session."""

import ctypes as c
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import c_api
import numpy as np
import pytest
from c_api import doubles, last_error, made
from live_stream import RATES_HZ, START_NS
from native_tracker import (
    STATES,
    NativeTracker,
    as_frame,
    assert_calibration,
    calibration_of,
)
from scipy.spatial.transform import Rotation

from same_runtime import SamePoseTracker, TrackerOptions
from same_runtime.calibration.profile import LegStraps
from same_runtime.calibration.state import CalibrationState
from same_runtime.conventions import DEVICES, LEG_DEVICES
from same_runtime.demo import demo_recording
from same_runtime.recording import Recording
from same_runtime.recording.live_player import send
from same_runtime.recording.mcap_format import RawLegReading, RawPose, RecordedSample
from same_runtime.samples import StereoFrame

ONE = (0.0, 0.0, 0.0, 1.0)
OPTIONS = TrackerOptions(precision="fp32", threads=1)
STRAPS = LegStraps(
    1.61,
    {
        "leg_left": Rotation.from_euler("xyz", (0.4, -0.2, 0.1)).as_quat(),
        "leg_right": Rotation.from_euler("xyz", (-0.1, 0.3, 0.5)).as_quat(),
    },
)


def give_straps(tracker: NativeTracker, straps: LegStraps) -> int:
    turns = (doubles(*straps.mountings_xyzw[device]) for device in LEG_DEVICES)
    return tracker.call("set_leg_straps", straps.head_height_m, *turns)


def feed(
    tracker: NativeTracker, reference: SamePoseTracker, samples: Iterator[RecordedSample]
) -> Iterator[int]:
    """The same samples into both; yields the number of the frame after each."""
    frame = 0
    for sample in samples:
        if isinstance(sample.value, StereoFrame):
            tracker.pose("push_frame", as_frame(sample.value), sample.arrival_ns)
            reference.push_frame(sample.value, arrival_ns=sample.arrival_ns)
            yield frame
            frame += 1
        elif sample.stream != "truth":
            assert tracker.put(sample) == c_api.OK, last_error()
            send(reference.ingest, sample)


def standing(seconds: float) -> Iterator[RecordedSample]:
    """Somebody stands still, the leg sensors strapped on askew, without images."""
    places = {"head": (0.1, 1.6, 0.2), "ctrl_left": (-0.3, 0.02, 0.1), "ctrl_right": (0.3, 1, 0)}
    stamps = [
        (START_NS + k * 10**9 // RATES_HZ[device], device)
        for device in DEVICES
        for k in range(int(seconds * RATES_HZ[device]))
    ]
    stamps += [(START_NS + k * 10**9 // 30 + 1000, "frame") for k in range(1, int(30 * seconds))]
    for at, stream in sorted(stamps):
        if stream == "frame":
            value: object = StereoFrame(at, None, None)
        elif stream in places:
            value = RawPose(np.array(places[stream]), np.array(ONE))
        else:
            value = RawLegReading(STRAPS.mountings_xyzw[stream], np.zeros(3))
        yield RecordedSample(stream, at, value, at + 1_000_000)


def test_after_a_recording_it_is_what_python_says(
    native: Callable[..., NativeTracker], tiny_bundle: Path
) -> None:
    recording = Recording(demo_recording())
    tracker = native(tiny_bundle, recording.rig)
    with SamePoseTracker(tiny_bundle, recording.rig, "onnxruntime", OPTIONS) as reference:
        assert_calibration(calibration_of(tracker), reference.calibration)
        for frame in feed(tracker, reference, recording.samples()):
            if frame == 20:
                assert tracker.call("recentre", 0) == c_api.OK
                reference.recentre()
                assert tracker.call("start_legs") == c_api.OK
                reference.calibration.start_legs()
                assert tracker.call("set_floor", -0.01) == c_api.OK
                reference.calibration.set_floor(-0.01)
            if frame == 40:
                at = reference.latest().timestamp_ns
                space = (1.0, 0.25, -2.0), (0.0, 0.6, 0.0, 0.8)
                values = (doubles(*value) for value in space)
                called = tracker.call("reference_space_changed", at, *values, 1)
                assert called == c_api.OK, last_error()
                reference.reference_space_changed(at, *space, legs_too=True)
                assert calibration_of(tracker).ground_y == pytest.approx(-0.26)
            assert_calibration(calibration_of(tracker), reference.calibration)
        assert frame > 200
    found = calibration_of(tracker)
    assert STATES[found.height_state] is CalibrationState.COLLECTING, "the head looks down"
    assert STATES[found.legs_state] is CalibrationState.FAILED, "the legs walk"
    assert STATES[found.floor_state] is CalibrationState.GIVEN
    assert STATES[found.forward_state] is CalibrationState.DONE
    assert not found.has_leg_straps


def test_what_was_measured_is_carried_over_to_the_next_session(
    native: Callable[..., NativeTracker], tiny_bundle: Path
) -> None:
    first, second = native(tiny_bundle), native(tiny_bundle)
    with SamePoseTracker(tiny_bundle, None, "onnxruntime", OPTIONS) as reference:
        lengths = np.linspace(0.1, 0.3, c_api.JOINTS)
        assert first.call("set_bone_lengths", doubles(*lengths)) == c_api.OK
        reference.calibration.set_bone_lengths(lengths)
        first.call("start_legs")
        reference.calibration.start_legs()
        for frame in feed(first, reference, standing(4.9)):
            if frame == 50:
                ground_y = c.c_double()
                assert first.call("floor_from_controller", ground_y) == c_api.OK, last_error()
                assert ground_y.value == reference.floor_from_controller() == 0.02
            assert_calibration(calibration_of(first), reference.calibration)
        profile = reference.calibration.profile()
    found = calibration_of(first)
    for name in ("height", "legs", "floor"):
        assert STATES[getattr(found, f"{name}_state")] is CalibrationState.DONE, name
    assert found.has_leg_straps and found.head_height == pytest.approx(1.58)
    assert found.has_bone_lengths and found.user_height == pytest.approx(1.58 / 0.936, abs=0.03)

    straps = profile.leg_straps
    assert straps is not None and give_straps(second, straps) == c_api.OK
    assert second.call("set_bone_lengths", found.bone_lengths) == c_api.OK
    assert second.call("set_floor", found.ground_y) == c_api.OK
    with SamePoseTracker(tiny_bundle, None, "onnxruntime", OPTIONS) as reference:
        profile = replace(profile, height_m=None, rig=reference.calibration.profile().rig)
        reference.calibration.use(profile)
        for _ in feed(second, reference, standing(1.0)):
            assert_calibration(calibration_of(second), reference.calibration)
        last = second.pose("latest")
        np.testing.assert_array_equal(np.array(last.joints_world), reference.latest().joints_world)
    again = calibration_of(second)
    assert STATES[again.legs_state] is STATES[again.floor_state] is CalibrationState.GIVEN
    np.testing.assert_allclose(np.array(again.leg_mountings), np.array(found.leg_mountings))


def test_another_user_is_measured_anew(tiny: NativeTracker) -> None:
    assert give_straps(tiny, STRAPS) == c_api.OK, last_error()
    assert tiny.call("set_bone_lengths", doubles(*np.full(c_api.JOINTS, 0.2))) == c_api.OK
    assert tiny.call("set_floor", 0.1) == tiny.call("forget_user") == c_api.OK
    found = calibration_of(tiny)
    assert not found.has_leg_straps and not found.has_bone_lengths and found.ground_y == 0.1
    assert STATES[found.legs_state] is CalibrationState.DEFAULT


CALLS: dict[str, Callable[[NativeTracker], int]] = {
    "no struct": lambda t: t.call("get_calibration", None),
    "a struct of no size": lambda t: t.call("get_calibration", c_api.CalibrationStruct()),
    "a struct of a later version": lambda t: t.call(
        "get_calibration", made("calibration", size=4096)
    ),
    "no mounting": lambda t: t.call("set_leg_straps", 1.6, None, doubles(*ONE)),
    "no other mounting": lambda t: t.call("set_leg_straps", 1.6, doubles(*ONE), None),
    "no number": lambda t: t.call("set_leg_straps", 1.6, doubles(*ONE), doubles(0, np.nan, 0, 1)),
    "no turn": lambda t: t.call("set_leg_straps", 1.6, doubles(0, 0, 0, 0), doubles(*ONE)),
    "no height": lambda t: t.call("set_leg_straps", np.nan, doubles(*ONE), doubles(*ONE)),
    "a height of centimetres": lambda t: t.call(
        "set_leg_straps", 160.0, doubles(*ONE), doubles(*ONE)
    ),
}


@pytest.mark.parametrize("what", CALLS)
def test_bad_input_is_an_error_and_changes_nothing(tiny: NativeTracker, what: str) -> None:
    assert give_straps(tiny, STRAPS) == c_api.OK, last_error()
    before = bytes(calibration_of(tiny))
    assert CALLS[what](tiny) == c_api.INVALID
    assert last_error() and "\n" not in last_error()
    assert bytes(calibration_of(tiny)) == before


def test_what_is_unknown_is_zero(tiny: NativeTracker) -> None:
    found = calibration_of(tiny)
    assert not found.has_bone_lengths and not any(found.bone_lengths)
    assert not found.has_leg_straps and found.head_height == 0.0 and found.user_height == 0.0
    assert not np.array(found.leg_mountings).any()
    np.testing.assert_array_equal(np.array(found.T_user_world).reshape(4, 4), np.eye(4))


def test_a_program_from_before_the_struct_grew_goes_on(tiny: NativeTracker) -> None:
    before = c_api.CalibrationStruct.legs_failure.offset
    found = c_api.CalibrationStruct()
    found.legs_failure = b"not the library's to touch"
    assert c_api.library().same_calibration_init(found, before) == c_api.OK, last_error()
    assert tiny.call("get_calibration", found) == c_api.OK, last_error()
    assert found.size == before and found.T_user_world[0] == 1.0
    assert found.legs_failure == b"not the library's to touch"


def test_the_struct_is_made_for_its_own_sizes_only() -> None:
    made_for = c_api.library().same_calibration_init
    size = c_api.CalibrationStruct.legs_failure.offset
    assert made_for(None, size) == c_api.INVALID
    assert (
        made_for(c_api.CalibrationStruct(), size - 8) == c_api.INVALID and "bytes" in last_error()
    )
