"""The OpenXR example against a stand-in for pyopenxr: what it asks for and what it passes on."""

import ctypes
import importlib.util
from collections.abc import Iterator
from enum import IntEnum, IntFlag
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from same_engines.errors import SameError
from same_runtime import SamePoseTracker

NOW_NS = 5_000_000_123


class Flags(IntFlag):
    ORIENTATION_VALID_BIT = 1
    POSITION_VALID_BIT = 2
    ORIENTATION_TRACKED_BIT = 4
    POSITION_TRACKED_BIT = 8


class Kind(IntEnum):
    STAGE = 3
    VIEW = 1


class State(IntEnum):
    READY = 2
    STOPPING = 6
    LOSS_PENDING = 7
    EXITING = 8


class Structure(IntEnum):
    EVENT_DATA_SESSION_STATE_CHANGED = 18
    EVENT_DATA_INSTANCE_LOSS_PENDING = 17
    EVENT_DATA_REFERENCE_SPACE_CHANGE_PENDING = 40


class Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("state", ctypes.c_int)]


class Position(ctypes.Structure):
    _fields_ = [(axis, ctypes.c_float) for axis in "xyz"]


class Orientation(ctypes.Structure):
    _fields_ = [(axis, ctypes.c_float) for axis in "xyzw"]


class Posef(ctypes.Structure):
    _fields_ = [("orientation", Orientation), ("position", Position)]


class SpaceChange(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("reference_space_type", ctypes.c_int),
        ("change_time", ctypes.c_int64),
        ("pose_valid", ctypes.c_uint32),
        ("pose_in_previous_space", Posef),
    ]


class XrException(Exception):
    pass


class EventUnavailable(XrException):
    pass


class SessionNotFocused(XrException):
    pass


class TimeInvalidError(XrException):
    pass


class SessionLostError(XrException):
    pass


class InstanceLostError(XrException):
    pass


class Runtime:
    """A runtime with a head, a left hand, and a right hand that is not tracked."""

    def __init__(self) -> None:
        self.events: list[Event | SpaceChange] = []
        self.flags = {"VIEW": Flags(15), "/user/hand/left": Flags(15), "/user/hand/right": Flags(3)}
        self.located_at: list[int] = []
        self.begun = self.ended = 0
        self.trouble: dict[str, Exception] = {}
        """What each call of the runtime raises."""

    def answer(self, call: str) -> None:
        if call in self.trouble:
            raise self.trouble[call]

    def module(self) -> tuple[Any, Any]:
        record = SimpleNamespace

        def poll_event(instance: object) -> Event | SpaceChange:
            self.answer("poll_event")
            if not self.events:
                raise EventUnavailable
            return self.events.pop(0)

        def begin(session: object, info: object) -> None:
            self.answer("begin_session")
            self.begun += 1

        def end(session: object) -> None:
            self.ended += 1

        def convert(instance: object, time: tuple[int, int]) -> int:
            self.answer("convert_time")
            return time[0] * 1_000_000_000 + time[1]

        def locate(space: str, base: str, at: int) -> Any:
            assert base == "STAGE"
            self.answer("locate_space")
            self.located_at.append(at)
            position, turn = record(x=0.1, y=1.6, z=-0.2), record(x=0.0, y=0.6, z=0.0, w=0.8)
            return record(
                location_flags=self.flags[space], pose=record(position=position, orientation=turn)
            )

        xr = record(
            MND_HEADLESS_EXTENSION_NAME="XR_MND_headless",
            NULL_PATH=0,
            XrException=XrException,
            EventUnavailable=EventUnavailable,
            EventDataSessionStateChanged=Event,
            EventDataReferenceSpaceChangePending=SpaceChange,
            ReferenceSpaceType=Kind,
            SessionState=State,
            StructureType=Structure,
            SpaceLocationFlags=Flags,
            ActionType=record(POSE_INPUT=4),
            InstanceCreateInfo=record,
            SystemGetInfo=record,
            SessionCreateInfo=record,
            ReferenceSpaceCreateInfo=record,
            ActionSetCreateInfo=record,
            ActionCreateInfo=record,
            InteractionProfileSuggestedBinding=record,
            SessionActionSetsAttachInfo=record,
            ActionSpaceCreateInfo=record,
            SessionBeginInfo=record,
            ActionsSyncInfo=record,
            ActiveActionSet=lambda *a: a,
            ActionSuggestedBinding=lambda *a: a,
            create_instance=lambda info: "instance",
            get_system=lambda *a: 1,
            create_session=lambda *a: "session",
            string_to_path=lambda instance, path: path,
            create_reference_space=lambda session, info: info.reference_space_type.name,
            create_action_set=lambda *a: "set",
            create_action=lambda *a: "grip",
            suggest_interaction_profile_bindings=lambda *a: None,
            attach_session_action_sets=lambda *a: None,
            create_action_space=lambda session, info: info.subaction_path,
            poll_event=poll_event,
            begin_session=begin,
            end_session=end,
            sync_actions=lambda *a: self.answer("sync_actions"),
            locate_space=locate,
        )
        platform = record(
            KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME="XR_KHR_convert_timespec_time",
            timespec=lambda sec, nsec: (sec, nsec),
            convert_timespec_time_to_time_khr=convert,
            convert_time_to_timespec_time_khr=lambda instance, time: record(
                tv_sec=time // 1_000_000_000, tv_nsec=time % 1_000_000_000
            ),
        )
        return xr, platform

    def becomes(self, state: State) -> None:
        self.events.append(Event(Structure.EVENT_DATA_SESSION_STATE_CHANGED, state))


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "examples" / "openxr_driver.py"
    spec = importlib.util.spec_from_file_location("openxr_driver", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tracker(tiny_bundle: Path) -> Iterator[SamePoseTracker]:
    with SamePoseTracker(tiny_bundle) as opened:
        yield opened


def test_tracked_devices_reach_the_tracker_with_their_time(
    driver: ModuleType, tracker: SamePoseTracker
) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    assert devices.follow_session() and devices.send(tracker.ingest, NOW_NS) == 0
    runtime.becomes(State.READY)
    assert devices.follow_session() and runtime.begun == 1
    assert devices.send(tracker.ingest, NOW_NS) == 2
    assert set(runtime.located_at) == {NOW_NS}
    assert devices.send(tracker.ingest, NOW_NS) == 0  # a repeated time is the tracker's to count
    streams = tracker.stats().streams
    assert streams["head"].accepted == streams["ctrl_left"].accepted == 1
    assert streams["head"].duplicate == 1
    assert streams["ctrl_right"].accepted == 0
    states = tracker._core.synchroniser.lookup(NOW_NS)
    assert list(states.position(0)) == [0.1, 1.6, -0.2]
    assert list(states.orientation_xyzw(1)) == pytest.approx([0.0, 0.6, 0.0, 0.8])


def test_a_space_that_changes_is_passed_on(
    driver: ModuleType, tracker: SamePoseTracker, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    runtime.becomes(State.READY)
    turned = Posef(Orientation(0, 0.6, 0, 0.8), Position(1, 2, 3))
    for kind, is_known in ((Kind.VIEW, True), (Kind.STAGE, True), (Kind.STAGE, False)):
        runtime.events.append(
            SpaceChange(
                Structure.EVENT_DATA_REFERENCE_SPACE_CHANGE_PENDING, kind, NOW_NS, is_known, turned
            )
        )
    assert devices.follow_session()
    assert devices.send(tracker.ingest, NOW_NS - 20_000_000) == 2
    (change,) = devices.take_space_changes()
    assert not devices.take_space_changes()
    assert change.timestamp_ns == NOW_NS and change.position == (1, 2, 3)
    assert change.orientation_xyzw == pytest.approx((0, 0.6, 0, 0.8))
    assert [record.message for record in caplog.records] == [
        "OpenXR: the space changes, and the runtime cannot tell how; going on"
    ]
    tracker.reference_space_changed(*change)
    assert devices.send(tracker.ingest, NOW_NS) == 2
    states = tracker._core.synchroniser.lookup(NOW_NS)
    assert list(states.position(0)) == pytest.approx([0.836, 3.6, 2.848], abs=1e-5)


def test_the_session_follows_the_runtime(driver: ModuleType, tracker: SamePoseTracker) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    for state in (State.READY, State.STOPPING):
        runtime.becomes(state)
    assert devices.follow_session() and runtime.ended == 1
    assert devices.send(tracker.ingest, NOW_NS) == 0
    runtime.becomes(State.EXITING)
    assert not devices.follow_session()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("sync_actions", SessionNotFocused()),
        ("convert_time", TimeInvalidError()),
        ("locate_space", TimeInvalidError()),
        ("locate_space", XrException("a runtime's own")),
    ],
)
def test_ordinary_answers_send_nothing_and_pass(
    driver: ModuleType,
    tracker: SamePoseTracker,
    caplog: pytest.LogCaptureFixture,
    call: str,
    error: Exception,
) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    runtime.becomes(State.READY)
    assert devices.follow_session() and devices.send(tracker.ingest, NOW_NS) == 2
    runtime.trouble[call] = error
    for step in (1, 2, 3):
        assert devices.send(tracker.ingest, NOW_NS + step * 10_000_000) == 0
        assert devices.follow_session()
    assert [record.message for record in caplog.records] == [f"OpenXR: {error!r}; going on"]
    runtime.trouble.clear()
    assert devices.send(tracker.ingest, NOW_NS + 40_000_000) == 2
    assert tracker.stats().streams["head"].accepted == 2


def test_events_that_cannot_be_answered_now_do_not_end_the_driver(driver: ModuleType) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    runtime.events.append(Event(1_000_999_999, 0))  # of an extension nobody here knows
    runtime.becomes(State.READY)
    runtime.trouble["begin_session"] = XrException("SessionNotReady")
    assert devices.follow_session() and runtime.begun == 0
    runtime.trouble.clear()
    runtime.becomes(State.READY)
    assert devices.follow_session() and runtime.begun == 1


@pytest.mark.parametrize("call", ["sync_actions", "locate_space", "poll_event", "begin_session"])
@pytest.mark.parametrize("error", [SessionLostError("gone"), InstanceLostError("gone")])
def test_a_loss_ends_with_one_line(
    driver: ModuleType, tracker: SamePoseTracker, call: str, error: Exception
) -> None:
    runtime = Runtime()
    devices = driver.OpenXrDevices(*runtime.module())
    if call != "begin_session":
        runtime.becomes(State.READY)
        assert devices.follow_session()
    runtime.trouble[call] = error
    runtime.becomes(State.READY)
    if call != "begin_session" and call != "poll_event":
        runtime.events.clear()
        assert devices.send(tracker.ingest, NOW_NS) == 0
    with pytest.raises(SameError, match="Lost.*start again"):
        devices.follow_session()
    assert devices.send(tracker.ingest, NOW_NS) == 0


def test_an_announced_loss_ends_with_one_line(driver: ModuleType) -> None:
    for event in (
        Event(Structure.EVENT_DATA_INSTANCE_LOSS_PENDING, 0),
        Event(Structure.EVENT_DATA_SESSION_STATE_CHANGED, State.LOSS_PENDING),
    ):
        runtime = Runtime()
        devices = driver.OpenXrDevices(*runtime.module())
        runtime.events.append(event)
        with pytest.raises(SameError, match="about to end the"):
            devices.follow_session()


def test_a_space_that_cannot_be_made_is_one_line(driver: ModuleType) -> None:
    xr, platform = Runtime().module()

    def refuse(*arguments: object) -> None:
        raise XrException("ReferenceSpaceUnsupported")

    xr.create_reference_space = refuse
    with pytest.raises(SameError, match="ReferenceSpaceUnsupported"):
        driver.OpenXrDevices(xr, platform)


def test_a_missing_runtime_is_one_line(driver: ModuleType) -> None:
    xr, platform = Runtime().module()

    def refuse(info: object) -> None:
        raise XrException("RuntimeUnavailable")

    xr.create_instance = refuse
    with pytest.raises(SameError, match="is a runtime with headless sessions active"):
        driver.OpenXrDevices(xr, platform)
