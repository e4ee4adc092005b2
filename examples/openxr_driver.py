"""A device driver: head and controllers of any OpenXR runtime into a started tracker.

Run ``python examples/openxr_driver.py --bundle NAME.same`` with a headless-capable runtime such
as Monado or SteamVR (the extra ``xr``). Cameras and leg trackers have drivers of
their own, which call ``tracker.ingest.frame`` and ``tracker.ingest.leg`` in the same way.
"""

import ctypes
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from same_engines.errors import InvalidInputError, SameError, install_hint
from same_runtime import Pose, SamePoseTracker
from same_runtime.cli.command import run_command
from same_runtime.demo import demo_bundle
from same_runtime.ingestion.inputs import Ingest
from same_runtime.live.options import LiveOptions

_HANDS = {"left": "/user/hand/left", "right": "/user/hand/right"}
_PROFILE = "/interaction_profiles/khr/simple_controller"
_NS = 1_000_000_000
_LOST = ("SessionLossPending", "SessionLostError", "InstanceLostError")
"""What pyopenxr raises when session or instance are gone; all else that it raises passes."""

_log = logging.getLogger("same")


class SpaceChange(NamedTuple):
    """What ``SamePoseTracker.reference_space_changed`` is told."""

    timestamp_ns: int
    position: tuple[float, ...]
    orientation_xyzw: tuple[float, ...]


class OpenXrDevices:
    """Head and controller poses of an OpenXR runtime, in its STAGE space: our world frame.

    ``xr``: the pyopenxr module, ``platform``: its ``xr.platform`` (time conversion). Raises
    ``SameError`` when the runtime has no headless sessions or no headset.
    """

    def __init__(self, xr: Any, platform: Any) -> None:
        self._xr, self._platform = xr, platform
        self._running = False
        self._loss = ""
        self._noted: set[str] = set()
        self._space_changes: list[SpaceChange] = []
        try:
            self._open()
        except xr.XrException as error:
            raise SameError(
                f"OpenXR: {error!r}; is a runtime with headless sessions active?"
            ) from None

    def _open(self) -> None:
        xr = self._xr
        wanted = [
            xr.MND_HEADLESS_EXTENSION_NAME,
            self._platform.KHR_CONVERT_TIMESPEC_TIME_EXTENSION_NAME,
        ]
        self.instance = xr.create_instance(xr.InstanceCreateInfo(enabled_extension_names=wanted))
        system = xr.get_system(self.instance, xr.SystemGetInfo())
        self.session = xr.create_session(self.instance, xr.SessionCreateInfo(system_id=system))
        self._stage = self._reference_space(xr.ReferenceSpaceType.STAGE)
        self._head = self._reference_space(xr.ReferenceSpaceType.VIEW)
        self._action_set, self._hands = self._hand_spaces()

    def _reference_space(self, kind: Any) -> Any:
        return self._xr.create_reference_space(
            self.session, self._xr.ReferenceSpaceCreateInfo(reference_space_type=kind)
        )

    def _hand_spaces(self) -> tuple[Any, dict[str, Any]]:
        xr = self._xr
        paths = {side: xr.string_to_path(self.instance, path) for side, path in _HANDS.items()}
        actions = xr.create_action_set(
            self.instance,
            xr.ActionSetCreateInfo(
                action_set_name="body", localized_action_set_name="Body", priority=0
            ),
        )
        grip = xr.create_action(
            actions,
            xr.ActionCreateInfo(
                action_name="grip",
                localized_action_name="Grip",
                action_type=xr.ActionType.POSE_INPUT,
                subaction_paths=list(paths.values()),
            ),
        )
        bindings = [
            xr.ActionSuggestedBinding(
                grip, xr.string_to_path(self.instance, f"{path}/input/grip/pose")
            )
            for path in _HANDS.values()
        ]
        xr.suggest_interaction_profile_bindings(
            self.instance,
            xr.InteractionProfileSuggestedBinding(
                interaction_profile=xr.string_to_path(self.instance, _PROFILE),
                suggested_bindings=bindings,
            ),
        )
        xr.attach_session_action_sets(
            self.session, xr.SessionActionSetsAttachInfo(action_sets=[actions])
        )
        spaces = {
            side: xr.create_action_space(
                self.session, xr.ActionSpaceCreateInfo(action=grip, subaction_path=path)
            )
            for side, path in paths.items()
        }
        return actions, spaces

    def follow_session(self) -> bool:
        """Answer the runtime's events; False once it wants the session to end. Raises
        ``SameError`` when the session or the instance is lost."""
        xr = self._xr
        while not self._loss:
            try:
                event = xr.poll_event(self.instance)
                if not self._answer(event):
                    return False
            except xr.EventUnavailable:
                break
            except xr.XrException as error:
                self._note(error)
                break
        if self._loss:
            raise SameError(f"OpenXR: {self._loss}; start again once the runtime is back")
        return True

    def take_space_changes(self) -> list[SpaceChange]:
        """How STAGE has changed, or is about to, by the events since the last call: for the tracker
        before the next ``send``."""
        changes, self._space_changes = self._space_changes, []
        return changes

    def _answer(self, event: Any) -> bool:
        xr = self._xr
        if event.type == xr.StructureType.EVENT_DATA_REFERENCE_SPACE_CHANGE_PENDING.value:
            self._note_space_change(event)
        if event.type == xr.StructureType.EVENT_DATA_INSTANCE_LOSS_PENDING.value:
            self._loss = "the runtime is about to end the instance"
        if event.type != xr.StructureType.EVENT_DATA_SESSION_STATE_CHANGED.value:
            return True
        changed = ctypes.cast(
            ctypes.byref(event), ctypes.POINTER(xr.EventDataSessionStateChanged)
        ).contents
        if changed.state == xr.SessionState.READY.value:
            xr.begin_session(self.session, xr.SessionBeginInfo())
            self._running = True
        elif changed.state == xr.SessionState.STOPPING.value:
            self._running = False
            xr.end_session(self.session)
        elif changed.state == xr.SessionState.LOSS_PENDING.value:
            self._loss = "the runtime is about to end the session"
        return bool(changed.state != xr.SessionState.EXITING.value)

    def _note_space_change(self, event: Any) -> None:
        xr = self._xr
        change = ctypes.cast(
            ctypes.byref(event), ctypes.POINTER(xr.EventDataReferenceSpaceChangePending)
        ).contents
        if change.reference_space_type != xr.ReferenceSpaceType.STAGE:
            return
        if not change.pose_valid:
            _log.warning("OpenXR: the space changes, and the runtime cannot tell how; going on")
            return
        at = self._platform.convert_time_to_timespec_time_khr(self.instance, change.change_time)
        self._space_changes.append(
            SpaceChange(at.tv_sec * _NS + at.tv_nsec, *_values(change.pose_in_previous_space))
        )

    def _note(self, error: Exception) -> None:
        """Keep a loss for ``follow_session``; log any other answer once."""
        kind = type(error).__name__
        if kind in _LOST:
            self._running = False
            self._loss = repr(error)
        elif kind not in self._noted:
            self._noted.add(kind)
            _log.warning("OpenXR: %r; going on", error)

    def send(self, ingest: Ingest, now_ns: int) -> int:
        """Pass on every device that the runtime tracks at ``now_ns`` (``time.monotonic_ns``).

        A device that is not tracked is left out, which is how a tracker learns that it is lost;
        a sample that the tracker refuses is counted there. Returns how many were taken: 0 while
        the session does not run or is not focused, or the runtime cannot tell. Raises nothing
        that the runtime answers; ``follow_session`` tells of a loss.
        """
        if not self._running:
            return 0
        try:
            return self._send(ingest, now_ns)
        except self._xr.XrException as error:
            self._note(error)
            return 0

    def _send(self, ingest: Ingest, now_ns: int) -> int:
        xr = self._xr
        xr.sync_actions(
            self.session,
            xr.ActionsSyncInfo(
                active_action_sets=[xr.ActiveActionSet(self._action_set, xr.NULL_PATH)]
            ),
        )
        at = self._platform.convert_timespec_time_to_time_khr(
            self.instance, self._platform.timespec(now_ns // _NS, now_ns % _NS)
        )
        spaces = {"head": self._head, **self._hands}
        located = {name: self._located(space, at) for name, space in spaces.items()}
        taken = 0
        for name, pose in located.items():
            if pose is None:
                continue
            try:
                if name == "head":
                    ingest.head(now_ns, *pose)
                else:
                    ingest.controller(name, now_ns, *pose)
                taken += 1
            except InvalidInputError:
                pass  # counted in tracker.stats()
        return taken

    def _located(self, space: Any, at: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        flags = self._xr.SpaceLocationFlags
        location = self._xr.locate_space(space, self._stage, at)
        needed = flags.POSITION_TRACKED_BIT | flags.ORIENTATION_TRACKED_BIT
        if location.location_flags & needed != needed:
            return None
        return _values(location.pose)


def _values(pose: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    p, q = pose.position, pose.orientation
    return (p.x, p.y, p.z), (q.x, q.y, q.z, q.w)


@dataclass(frozen=True)
class DriverCommand:
    """Track with the head and controllers of an OpenXR runtime and print the pose."""

    bundle: Path | None = None
    """Bundle that same-export wrote; default: the one that ships with the package."""
    rate_hz: float = 90.0
    """Device samples, and poses, a second."""
    seconds: float = 30.0
    """How long to run."""


def drive(command: DriverCommand) -> None:
    """Run the command."""
    try:
        import xr
        from xr import platform
    except ImportError:
        raise SameError(f"pyopenxr is missing: {install_hint('xr')}") from None
    devices = OpenXrDevices(xr, platform)
    with SamePoseTracker(command.bundle or demo_bundle()) as tracker:
        tracker.on_pose(_print_once_a_second())
        tracker.start(LiveOptions(display_rate_hz=command.rate_hz))
        end_ns = time.monotonic_ns() + round(command.seconds * _NS)
        while time.monotonic_ns() < end_ns and devices.follow_session():
            for change in devices.take_space_changes():
                try:
                    tracker.reference_space_changed(*change)
                except InvalidInputError as error:
                    _log.warning("the space changed otherwise than can be: %s", error)
            devices.send(tracker.ingest, time.monotonic_ns())
            time.sleep(1.0 / command.rate_hz)


def _print_once_a_second() -> Any:
    last_s = 0.0

    def show(pose: Pose) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= 1.0:
            last_s = time.monotonic()
            reasons = ", ".join(reason.name for reason in pose.reasons)
            print(f"{pose.status.value} {reasons} pelvis {pose.joints_world[0].round(3)}")

    return show


if __name__ == "__main__":
    raise SystemExit(run_command("openxr_driver", DriverCommand, drive))
