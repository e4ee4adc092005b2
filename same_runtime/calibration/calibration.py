"""What differs from user to user and day to day: height, bones, leg straps, floor, forward."""

import logging
import warnings
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from same_engines.errors import InvalidInputError
from same_engines.field_checks import checked_number
from same_engines.json_values import shown
from same_runtime import _core
from same_runtime._core import (
    HIGHEST_STATURE_M,
    LOWEST_STATURE_M,
)
from same_runtime.calibration.profile import LegStraps, UserProfile, checked_lengths, now_utc
from same_runtime.calibration.state import CalibrationState
from same_runtime.conventions import LEG_DEVICES

_log = logging.getLogger("same")

_STATES: Final = tuple(CalibrationState)


class Calibration:
    """Calibrations of one tracker; each has its state. All lengths are metres.

    Height and bone lengths are measured by themselves. The others begin when the application asks
    for them; a closed tracker's raise ``SameError`` then.
    """

    def __init__(
        self,
        core: _core.Calibration,
        rig: str = "",
        check_open: Callable[[], object] = lambda: None,
    ) -> None:
        self._rig = rig
        self._check_open = check_open
        self.core = core

    @property
    def height_state(self) -> CalibrationState:
        """State of ``user_height_m``."""
        return _STATES[self.core.height_state]

    @property
    def user_height_m(self) -> float | None:
        """Stature, for avatars, from the highest that the upright head was held for a second so
        far, the third best of such seconds, so that who sat at first is taller once he stands;
        None before there are three. Of a floor told anew it is measured anew. No pose depends
        on it."""
        return self.core.user_height_m

    @property
    def bone_lengths_m(self) -> NDArray[np.float64] | None:
        """(22,) from each joint's parent, 0 for the pelvis: the median of the first poses that
        stand, before these of some that do not, or given. Poses come out with them if
        ``TrackerOptions.hold_bone_lengths``."""
        return self.core.bone_lengths

    @property
    def legs_state(self) -> CalibrationState:
        """State of what ``start_legs`` measures."""
        return _STATES[self.core.legs_state]

    @property
    def legs_failure(self) -> str | None:
        """Why ``legs_state`` is FAILED, to be shown to the user before ``start_legs`` is called
        again; None otherwise."""
        return self.core.legs_failure

    @property
    def legs_changed(self) -> bool:
        """Whether a leg sensor does not sit any more as it was measured or given, or has drifted
        that far; poses are LIMITED (``Reason.MOUNT_CHANGED``) then. ``start_legs`` mends it."""
        return self.core.legs_changed

    @property
    def floor_state(self) -> CalibrationState:
        """State of the floor's height."""
        return _STATES[self.core.floor_state]

    @property
    def forward_state(self) -> CalibrationState:
        """State of ``T_user_world``."""
        return _STATES[self.core.forward_state]

    @property
    def T_user_world(self) -> NDArray[np.float64]:
        """(4, 4): from the world that head and controllers are told in to the frame that poses
        come out in, which recentring makes another one (yaw and place)."""
        return self.core.T_user_world

    def set_user_height(self, height_m: float) -> None:
        """Deprecated, and gone in the next version: changes no pose, only ``user_height_m``.

        No use of a known stature makes poses better (``docs/decisions/``). 0.8..2.5 m.
        """
        warnings.warn(
            "set_user_height changes no pose and will go; keep a height that you know yourself",
            DeprecationWarning,
            stacklevel=2,
        )
        self._give_height(height_m)

    def set_bone_lengths(self, lengths_m: NDArray[np.float64]) -> None:
        """Give the bones' lengths, (22,) from each joint's parent (the pelvis's is not used),
        0.01..1 m, instead of measuring them."""
        self._check_open()
        self.core.give_bone_lengths(checked_lengths("lengths_m", lengths_m))

    def set_floor(self, ground_y_m: float) -> None:
        """Give the floor's height in the world that head and controllers are told in; it counts
        from the next frame on."""
        self._check_open()
        self.core.give_floor(checked_number("ground_y_m", ground_y_m, -1e3, 1e3, "metres"))

    def start_legs(self) -> None:
        """Measure how the leg sensors are strapped on: the user now stands upright and still for
        two seconds and looks where the feet point. ``legs_state`` tells how far it is."""
        self._check_open()
        self.core.start_legs()

    def profile(self, user: str = "") -> UserProfile:
        """What is calibrated by now, to be saved for the next session; leg straps only where the
        sensors still sit so. ``user``: whose it is."""
        floor_known = self.floor_state is not CalibrationState.DEFAULT
        return UserProfile(
            user,
            now_utc(),
            self._rig,
            self.user_height_m,
            self.bone_lengths_m,
            self._leg_straps(),
            self.core.ground_y if floor_known else None,
        )

    def use(self, profile: UserProfile) -> None:
        """Take what ``profile`` holds instead of measuring it; its floor only with the headset
        that it is of. What else was measured or given of whoever wore the headset before is
        forgotten, but for the floor. Raises ``InvalidInputError`` for what is no
        ``UserProfile``."""
        if not isinstance(profile, UserProfile):
            raise InvalidInputError(f"profile: expected a UserProfile, got {shown(profile)}")
        self._check_open()
        self.core.forget_user()
        if profile.height_m is not None:
            self._give_height(profile.height_m)
        if profile.bone_lengths_m is not None:
            self.core.give_bone_lengths(profile.bone_lengths_m)
        if profile.leg_straps is not None:
            turns = [profile.leg_straps.mountings_xyzw[device] for device in LEG_DEVICES]
            self.core.give_leg_straps(profile.leg_straps.head_height_m, *turns)
        if profile.floor_y_m is not None and profile.rig == self._rig:
            self.set_floor(profile.floor_y_m)
        elif profile.floor_y_m is not None:
            _log.warning("the profile is of another headset: its floor is not used")

    def _give_height(self, height_m: float) -> None:
        checked = checked_number(
            "height_m", height_m, LOWEST_STATURE_M, HIGHEST_STATURE_M, "metres"
        )
        self.core.give_user_height(checked)

    def _leg_straps(self) -> LegStraps | None:
        if not self.core.leg_straps_hold or (straps := self.core.leg_straps) is None:
            return None
        head_height_m, *turns = straps
        return LegStraps(head_height_m, dict(zip(LEG_DEVICES, turns, strict=True)))
